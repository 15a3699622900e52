"""The least time and energy against what real files took on emulated phones."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge_bert import profiles
from edge_bert.devices.emulator import cpu_files
from edge_bert.estimate.energy_model import model_energy
from edge_bert.estimate.latency_model import predict_latency
from edge_bert.estimate.lower_bound import least_energy, least_latency
from edge_bert.estimate.macs import count_macs
from edge_bert.records.base import Record
from edge_bert.records.energy import ModelledEnergy
from edge_bert.records.measurement import InstructionCounts
from edge_bert.records.recipe import RECIPES
from tests.estimate.test_macs import MINILM

FILE = Path(__file__).resolve().parents[2] / "recordings" / "counts" / "minilm.json"


class Recorded(Record, frozen=True):
    """What one inference of all-MiniLM-L6-v2 took: see tests/recordings/README.md."""

    profile: str
    artifact: str
    length: int
    counts: InstructionCounts


EVERY = msgspec.json.decode(FILE.read_bytes(), type=tuple[Recorded, ...])


def test_every_kind_of_core_and_recipe_was_recorded() -> None:
    """With 8-bit products, with dot products alone, and with neither; the search's recipes."""
    found = {(each.profile, each.artifact, each.length) for each in EVERY}
    assert len(found) == len(EVERY) == 4 * 5 * 2
    assert {each.artifact for each in EVERY} >= {"wi8_afp32", "wi8_ai8_afp32", "wi4_afp32"}
    assert {each.profile for each in EVERY if each.counts.smmla} == {"pixel-9"}
    assert not any(each.counts.sdot for each in EVERY if each.profile in ("pixel-3a", "wear-watch"))


@pytest.mark.parametrize(
    "each", EVERY, ids=lambda each: f"{each.profile}-{each.artifact}-{each.length}"
)
def test_no_real_file_is_below_the_bound(each: Recorded) -> None:
    """Not even the models' low estimates are; the budget is held against higher ones."""
    profile = profiles.load_profile(each.profile)
    cluster = cpu_files.find_cluster(profile, None)
    work = count_macs(MINILM, RECIPES[each.artifact], each.length)
    latency = predict_latency(each.counts, cluster, profile.memory)
    energy = model_energy(each.counts, latency, cluster)
    assert isinstance(energy, ModelledEnergy)
    assert least_latency(work, cluster) <= latency.low_ms
    least = least_energy(work, cluster)
    assert least is not None
    assert least <= energy.low_mj
    if each.length == 128:  # and it is no empty promise
        assert least_latency(work, cluster) >= 0.2 * latency.ms
