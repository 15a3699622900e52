"""From instruction counts to times and energy."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert import profiles
from edge_bert.errors import InputError
from edge_bert.estimate import core_model as core_table
from edge_bert.estimate import energy_model
from edge_bert.estimate.cache_lines import main_memory_lines
from edge_bert.estimate.core_model import core_model
from edge_bert.estimate.energy_model import PowerTable, model_energy
from edge_bert.estimate.latency_model import predict_latency
from edge_bert.records.energy import ModelledEnergy
from edge_bert.records.measurement import CacheMisses, InstructionCounts
from edge_bert.records.profile import Caches, Cluster, Memory

# Without what counts lack that were made before the chip's cache was modelled.
NAMES = tuple(
    name
    for name in InstructionCounts.__struct_fields__
    if name not in ("system_misses", "smallest", "largest")
)
NOTHING = dict.fromkeys(NAMES, 0)
# One inference of MobileNet v1 (1.0, 224 pixels, float32) counted on an emulated Cortex-A75 with
# caches of 64 KB, 256 KB and 1 MB. Published for a Pixel 3a with one thread: 88 ms
# (google/XNNPACK README).
MOBILENET_V1 = InstructionCounts(
    total=202_360_136,
    scalar_alu=15_196_645,
    branch=2_539_773,
    vector_int=653_405,
    sdot=0,
    smmla=0,
    fmla=144_935_960,
    vector_other=2_547_267,
    load_bytes_1=237,
    load_bytes_2=52,
    load_bytes_4=720_405,
    load_bytes_8=1_397_077,
    load_bytes_16=50_199_706,
    store_bytes_1=73,
    store_bytes_2=21,
    store_bytes_4=72,
    store_bytes_8=145_790,
    store_bytes_16=1_266_240,
    l1d_misses=3_904_379,
    l2_misses=1_756_337,
    l3_misses=895_298,
)
CACHES = Caches(source="test", l1d_bytes=65536, l2_bytes=262144, l3_bytes=1048576)


def cluster(core: str = "cortex-a75", mhz: int = 2016, caches: Caches | None = CACHES) -> Cluster:
    return Cluster(core=core, cores=4, max_mhz=mhz, source="test", caches=caches)


def test_a_published_time_is_met() -> None:
    """MobileNet v1 on a Pixel 3a, one thread: within 20% of the published 88 ms."""
    latency = predict_latency(MOBILENET_V1, cluster())
    assert latency.ms == pytest.approx(88, rel=0.2)
    assert latency.low_ms < 88 < latency.high_ms
    assert sum(latency.cycles.values()) / 2016e3 == pytest.approx(latency.ms)


def test_every_profile_has_its_cores_in_the_table() -> None:
    """No shipped profile names a core that the model does not know."""
    for name in profiles.profile_names():
        for known in profiles.load_profile(name).clusters:
            assert core_model(known.core).source


def test_peak_rates_are_the_measured_ones() -> None:
    """A76 does 16 fp32 flop and 64 SDOT operations in a cycle: 2 instructions of each."""
    fmla = InstructionCounts(**NOTHING | {"total": 4_000_000, "fmla": 4_000_000})
    sdot = InstructionCounts(**NOTHING | {"total": 4_000_000, "sdot": 4_000_000})
    for counts in (fmla, sdot):
        assert predict_latency(counts, cluster("cortex-a76", 1000)).ms == pytest.approx(2.0)


def test_instructions_that_a_core_lacks_are_refused() -> None:
    """SDOT on a Cortex-A53, SMMLA on a Cortex-A76: the counts are another core's."""
    for core, kind in (("cortex-a53", "sdot"), ("cortex-a76", "smmla")):
        counts = InstructionCounts(**NOTHING | {"total": 9, kind: 9})
        with pytest.raises(InputError, match=f"{core} has no {kind.upper()}"):
            predict_latency(counts, cluster(core))


def test_threads_speed_up_less_than_their_number() -> None:
    """Amdahl's share stays, and main memory gives no more than its peak."""
    memory = Memory(source="test", dram_gb_per_s=12.8)
    times = [predict_latency(MOBILENET_V1, cluster(), memory, threads=n).ms for n in (1, 2, 4)]
    assert times[0] > times[1] > times[2] > times[0] / 4
    with pytest.raises(InputError, match="do not fit on 4 cores"):
        predict_latency(MOBILENET_V1, cluster(), threads=5)
    narrow = Memory(source="test", dram_gb_per_s=1.0)
    assert predict_latency(MOBILENET_V1, cluster(), narrow, threads=4).ms > times[2]


def test_an_unknown_third_level_widens_the_bounds() -> None:
    """Lines beyond level 2 are all from level 3, or none, when its size is unknown."""
    assert main_memory_lines(MOBILENET_V1, cluster()) == (895_298, 895_298)
    unknown = cluster(caches=None)
    assert main_memory_lines(MOBILENET_V1, unknown) == (0, 1_756_337)
    assert main_memory_lines(MOBILENET_V1, cluster("cortex-a72", caches=None))[0] == 1_756_337
    latency = predict_latency(MOBILENET_V1, unknown)
    assert latency.high_ms > predict_latency(MOBILENET_V1, cluster()).high_ms


def test_unknown_sizes_are_a_bracket() -> None:
    """The largest caches bound the time from below, the smallest from above."""
    usual = {"l1d_misses": 4_000_000, "l2_misses": 2_000_000, "l3_misses": 1_000_000}
    largest = CacheMisses(**usual | {"l2_misses": 500_000, "l3_misses": 10}, system_misses=0)
    smallest = CacheMisses(**usual | {"l3_misses": 2_000_000}, system_misses=2_000_000)
    counts = msgspec.structs.replace(MOBILENET_V1, **usual, system_misses=900_000)
    bracket = msgspec.structs.replace(counts, smallest=smallest, largest=largest)
    known, unknown = (predict_latency(each, cluster()) for each in (counts, bracket))
    assert unknown.ms == known.ms
    assert unknown.high_ms > known.high_ms
    assert main_memory_lines(bracket, cluster()) == (0, 2_000_000)
    # Traffic alone sets this low end: a core that computes next to nothing.
    idle = {"fmla": 0, "load_bytes_16": 0, "total": 30_000_000}
    waiting = (msgspec.structs.replace(each, **idle) for each in (counts, bracket))
    slow, fast = (predict_latency(each, cluster()).low_ms for each in waiting)
    assert fast < slow


def test_the_chips_cache_is_between_its_neighbours() -> None:
    """A line from it costs no less than one of level 3 and no more than one of main memory."""
    beyond = {"l1d_misses": 10**6, "l2_misses": 10**6, "l3_misses": 10**6}
    counts = msgspec.structs.replace(MOBILENET_V1, **beyond, system_misses=0)
    level_3 = msgspec.structs.replace(counts, l3_misses=0)
    memory = msgspec.structs.replace(counts, system_misses=10**6)
    times = [predict_latency(each, cluster()).ms for each in (level_3, counts, memory)]
    assert times[0] < times[1] < times[2]


def test_threads_go_on_to_other_clusters() -> None:
    """Four threads on one fast core and three slower ones: between one and four fast cores."""
    fast = msgspec.structs.replace(cluster("cortex-a76", 2842), cores=1)
    slower = msgspec.structs.replace(cluster("cortex-a76", 2419), cores=3)
    little = cluster("cortex-a55", 1786)
    mixed = predict_latency(MOBILENET_V1, fast, threads=4, others=(little, slower))
    alone = predict_latency(MOBILENET_V1, fast)
    equal = predict_latency(MOBILENET_V1, cluster("cortex-a76", 2842), threads=4)
    with_little = predict_latency(MOBILENET_V1, fast, threads=4, others=(little,))
    assert equal.ms < mixed.ms < with_little.ms < alone.ms
    energies = [
        model_energy(MOBILENET_V1, mixed, fast, others)
        for others in ((little, slower), (slower, slower))
    ]
    assert all(isinstance(energy, ModelledEnergy) for energy in energies)
    with pytest.raises(InputError, match="9 threads do not fit on 8 cores"):
        predict_latency(MOBILENET_V1, fast, threads=9, others=(little, slower))


def test_a_shared_second_level_serves_its_cores_together() -> None:
    """Four threads of a Cortex-A72 wait longer for level 2 than a quarter, and high for all."""
    counts = msgspec.structs.replace(MOBILENET_V1, system_misses=0, l2_misses=0, l3_misses=0)
    time = predict_latency(counts, cluster("cortex-a72", caches=None), threads=4)
    line = 64 / 16 * counts.l1d_misses / 2016e3
    private = predict_latency(
        msgspec.structs.replace(counts, l1d_misses=0), cluster("cortex-a72"), threads=4
    )
    assert time.ms - private.ms == pytest.approx(line * (0.05 + 0.95 * 2 / 4))
    assert time.high_ms - private.high_ms == pytest.approx(line * (0.05 + 0.95))


def test_every_operator_ends_in_a_wait() -> None:
    """Several threads pay for each; one thread for none."""
    times = [
        predict_latency(MOBILENET_V1, cluster(), threads=threads, operators=count).ms
        for threads, count in ((1, 0), (1, 1000), (4, 0), (4, 1000))
    ]
    assert times[0] == times[1]
    assert times[3] == pytest.approx(times[2] + 1000 * 2 * 4 * 60e-6)


def test_unknown_cores_and_empty_counts_are_refused() -> None:
    """The message lists the known cores."""
    with pytest.raises(InputError, match="cortex-a76"):
        predict_latency(MOBILENET_V1, cluster("cortex-a999"))
    with pytest.raises(InputError, match="No instructions"):
        predict_latency(InstructionCounts(**NOTHING), cluster())
    with pytest.raises(InputError, match="more misses"):
        predict_latency(InstructionCounts(**NOTHING | {"total": 1, "l3_misses": 1}), cluster())


@st.composite
def any_counts(draw: st.DrawFn) -> InstructionCounts:
    values = {name: draw(st.integers(0, 10**9)) for name in NAMES}
    values["sdot"] = values["smmla"] = 0
    classes = ("scalar_alu", "branch", "vector_int", "fmla", "vector_other")
    levels = [*NAMES[-3:], "system_misses"]
    misses = sorted(draw(st.integers(0, 10**9)) for _ in levels)
    values |= dict(zip(levels, reversed(misses), strict=True))
    values["total"] += 1 + sum(values[name] for name in classes)
    if draw(st.booleans()):
        values.pop("system_misses")
    return InstructionCounts(**values)


CORES = sorted(msgspec.toml.decode(core_table.CORES.read_bytes()))


@given(any_counts(), st.sampled_from(CORES), st.integers(200, 4000), st.integers(1, 4))
def test_bounds_hold_for_any_counts(
    counts: InstructionCounts, core: str, mhz: int, threads: int
) -> None:
    """low ≤ ms ≤ high, a faster clock is never slower, and energy follows with a bracket."""
    for caches in (None, CACHES):
        where = cluster(core, mhz, caches)
        latency = predict_latency(counts, where, threads=threads)
        assert 0 < latency.low_ms <= latency.ms <= latency.high_ms < math.inf
        faster = predict_latency(counts, cluster(core, mhz + 100, caches), threads=threads)
        assert faster.ms <= latency.ms * (1 + 1e-9)
        energy = model_energy(counts, latency, where)
        assert isinstance(energy, ModelledEnergy)
        assert 0 < energy.low_mj <= energy.high_mj


def test_energy_is_a_bracket_of_named_tables() -> None:
    """A76 at 2253 MHz: Wattson 527 mW, the kernel's model, four makers; each has its source."""
    where = cluster("cortex-a76", 2253)
    energy = model_energy(MOBILENET_V1, predict_latency(MOBILENET_V1, where), where)
    assert isinstance(energy, ModelledEnergy)
    powers = {estimate.table: estimate.core_mw for estimate in energy.estimates}
    assert powers["wattson: Tensor G1"] == pytest.approx(527, abs=1)
    assert powers["energy model: gs101 device tree"] == pytest.approx(600.8, abs=1)
    assert all(estimate.source for estimate in energy.estimates)
    assert energy.high_mj > 1.5 * energy.low_mj


def test_a_core_without_a_table_takes_its_kind() -> None:
    """A78 has no table: the middle cores' tables stand in, and say so."""
    where = cluster("cortex-a78", 2348)
    energy = model_energy(MOBILENET_V1, predict_latency(MOBILENET_V1, where), where)
    assert isinstance(energy, ModelledEnergy)
    assert all("(a " in estimate.table for estimate in energy.estimates)


def test_every_core_is_of_one_kind() -> None:
    """The kinds of the energy model cover the cores of the cost model, each once."""
    kinds = [core for cores in energy_model.KINDS.values() for core in cores]
    assert sorted(kinds) == CORES


def test_power_between_and_beyond_clocks() -> None:
    """A line between two clocks, the clock squared beyond them; clocks must rise."""
    table = PowerTable("c", "t", "wattson", (1000.0, 2000.0), (100.0, 300.0), "s")
    assert table.milliwatts(1500) == 200
    assert table.milliwatts(4000) == 1200
    assert table.milliwatts(500) == 25
    with pytest.raises(ValueError, match="rise"):
        PowerTable("c", "t", "wattson", (2000.0, 1000.0), (1.0, 2.0), "s")
