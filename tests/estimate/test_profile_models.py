"""The profiles that we ship, through the cost model and the energy model."""

from __future__ import annotations

import msgspec
import pytest

from edge_bert import profiles
from edge_bert.errors import InputError
from edge_bert.estimate.energy_model import model_energy
from edge_bert.estimate.latency_model import predict_latency
from edge_bert.records.energy import ModelledEnergy
from edge_bert.records.measurement import InstructionCounts
from edge_bert.records.profile import Cluster

SHIPPED = profiles.profile_names(profiles.PROFILE_FOLDER)
# About what one inference of a small encoder takes, without instructions that only some cores have.
COUNTS = InstructionCounts(
    **dict.fromkeys(InstructionCounts.__struct_fields__, 0)
    | dict.fromkeys(("system_misses", "smallest", "largest"))
    | {
        "total": 30_000_000,
        "fmla": 8_000_000,
        "scalar_alu": 5_000_000,
        "load_bytes_16": 9_000_000,
        "l1d_misses": 400_000,
        "l2_misses": 200_000,
        "l3_misses": 100_000,
    }
)


def energy(cluster: Cluster) -> ModelledEnergy:
    modelled = model_energy(COUNTS, predict_latency(COUNTS, cluster), cluster)
    assert isinstance(modelled, ModelledEnergy)
    return modelled


@pytest.mark.parametrize("name", SHIPPED)
def test_every_cluster_has_a_time_and_an_energy(name: str) -> None:
    """On one core and on all of them; no core lacks rates, none a power table of its kind."""
    profile = profiles.load_profile(name)
    for cluster in profile.clusters:
        for threads in {1, cluster.cores}:
            latency = predict_latency(COUNTS, cluster, profile.memory, threads=threads)
            assert 0 < latency.low_ms <= latency.ms <= latency.high_ms
        assert energy(cluster).estimates


@pytest.mark.parametrize("name", SHIPPED)
def test_named_tables_are_the_ones_used(name: str) -> None:
    """Each table that a profile names exists for its core, reaches its clock, and is used alone."""
    for cluster in profiles.load_profile(name).clusters:
        if cluster.power_tables:
            used = [estimate.table for estimate in energy(cluster).estimates]
            assert used == list(cluster.power_tables)


def test_a_table_that_there_is_not_is_refused() -> None:
    """The error names the tables of the core."""
    cluster = profiles.load_profile("pixel-9").clusters[0]
    wrong = msgspec.structs.replace(cluster, power_tables=("wattson: Tensor G9",))
    with pytest.raises(InputError, match=r"no power table 'wattson: Tensor G9'.*Tensor G4"):
        energy(wrong)


def test_a_watch_is_not_taken_for_a_phone() -> None:
    """The watch's tables serve the profile that names them, and no phone with the same core."""
    watch, phone = (profiles.load_profile(name).clusters[0] for name in ("wear-watch", "redmi-4x"))
    assert watch.core == phone.core == "cortex-a53"
    assert {estimate.table for estimate in energy(watch).estimates} == set(watch.power_tables)
    assert not any("Snapdragon W5" in estimate.table for estimate in energy(phone).estimates)


def test_devices_are_in_the_order_that_one_expects() -> None:
    """The same work takes longer on an older and on a smaller device."""
    names = ("pixel-9", "pixel-6", "pixel-3a", "redmi-note-11", "wear-watch", "redmi-4x")
    times = [predict_latency(COUNTS, profiles.load_profile(name).clusters[0]).ms for name in names]
    assert times[0] < times[1] < min(times[2:4])
    assert max(times[2:4]) < times[4] < times[5]


def test_one_table_alone_is_no_bracket() -> None:
    """The Cortex-A73 has one maker's figure; other middle cores widen it, and say what they are."""
    estimates = energy(profiles.load_profile("redmi-note-11").clusters[0]).estimates
    assert sum("(a " not in each.table for each in estimates) == 1
    assert len(estimates) > 5
    powers = [each.core_mw for each in estimates]
    assert max(powers) > 2 * min(powers)
