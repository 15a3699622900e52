"""What an inference takes at least, against what the models say of any file that does the work."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert import profiles
from edge_bert.estimate.core_model import core_model
from edge_bert.estimate.energy_model import model_energy
from edge_bert.estimate.latency_model import predict_latency
from edge_bert.estimate.lower_bound import least_energy, least_latency
from edge_bert.records.energy import ModelledEnergy
from edge_bert.records.measurement import InstructionCounts
from edge_bert.records.multiply_adds import MultiplyAdds
from edge_bert.records.profile import Cluster

NEWER = ("system_misses", "smallest", "largest")
NAMES = tuple(x for x in InstructionCounts.__struct_fields__ if x not in NEWER)
SHIPPED = [
    cluster
    for name in profiles.profile_names(profiles.PROFILE_FOLDER)
    for cluster in profiles.load_profile(name).clusters
]
AMOUNT = st.integers(0, 10**9)


def instructions(cluster: Cluster) -> dict[str, int]:
    """The integer multiply-adds of one instruction of each class that the cluster has."""
    known = {"vector_int": 8}
    if "dotprod" in cluster.features:
        known["sdot"] = 16
    if "i8mm" in cluster.features:
        known["smmla"] = 32
    return known


@given(st.sampled_from(SHIPPED), st.data())
def test_no_counts_of_a_file_are_below_the_bound(cluster: Cluster, data: st.DataObject) -> None:
    """Whatever mixture of instructions does the work, and whatever comes on top of it."""
    known = instructions(cluster)
    doing = {name: data.draw(AMOUNT, name) for name in (*known, "fmla")}
    work = MultiplyAdds(
        integer=sum(doing[name] * each for name, each in known.items()), float32=4 * doing["fmla"]
    )
    more = {name: data.draw(AMOUNT, name) for name in ("scalar_alu", "branch", "load_bytes_16")}
    misses = sorted((data.draw(AMOUNT, "misses") for _ in range(3)), reverse=True)
    counts = InstructionCounts(
        **dict.fromkeys(NAMES, 0)
        | doing
        | more
        | dict(zip(("l1d_misses", "l2_misses", "l3_misses"), misses, strict=True))
        | {"total": 1 + sum(doing.values()) + sum(more.values())}
    )
    latency = predict_latency(counts, cluster)
    energy = model_energy(counts, latency, cluster)
    assert isinstance(energy, ModelledEnergy)
    assert least_latency(work, cluster) <= latency.low_ms * (1 + 1e-12)
    least = least_energy(work, cluster)
    assert least is not None
    assert least <= energy.low_mj * (1 + 1e-12)


@pytest.mark.parametrize("cluster", SHIPPED, ids=lambda each: f"{each.core}-{each.max_mhz}")
def test_the_bound_is_reached_by_nothing_but_the_best_instruction(cluster: Cluster) -> None:
    """A file of that alone would take exactly as long: no higher bound holds for all files."""
    core, known = core_model(cluster.core), instructions(cluster)
    rates = {"vector_int": core.vector, "sdot": core.sdot, "smmla": core.smmla}
    best = max(known, key=lambda name: known[name] * rates[name])
    for name, work in (
        (best, MultiplyAdds(integer=known[best] * 10**6)),
        ("fmla", MultiplyAdds(float32=4 * 10**6)),
    ):
        counts = InstructionCounts(**dict.fromkeys(NAMES, 0) | {"total": 10**6, name: 10**6})
        latency = predict_latency(counts, cluster)
        assert least_latency(work, cluster) == pytest.approx(latency.low_ms)
        energy = model_energy(counts, latency, cluster)
        assert isinstance(energy, ModelledEnergy)
        assert least_energy(work, cluster) == pytest.approx(energy.low_mj)


def test_figures_by_hand() -> None:
    """A Cortex-X4 at 3105 MHz does 4 SMMLA of 32 in a cycle, or 4 FMLA of 4."""
    (big,) = [
        each for each in profiles.load_profile("pixel-9").clusters if each.core == "cortex-x4"
    ]
    assert least_latency(MultiplyAdds(integer=128 * 3_105_000), big) == pytest.approx(1.0)
    assert least_latency(MultiplyAdds(float32=16 * 3_105_000), big) == pytest.approx(1.0)
    # Two bits have no kernel with SMMLA there: SDOT of 16, 4 in a cycle.
    slow = MultiplyAdds(integer=64 * 3_105_000, without_i8mm=64 * 3_105_000)
    assert least_latency(slow, big) == pytest.approx(1.0)
    plain = Cluster(core="cortex-a53", cores=4, max_mhz=1000, source="test")
    assert least_latency(MultiplyAdds(integer=8 * 10**6), plain) == pytest.approx(1.0)
