"""The cost of a file on the emulated phone, counted once for its bytes and the device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bert.pipeline.bench.emulated import open_counter
from edge_bert.pipeline.build.findings.measurements import latency_bounds
from edge_bert.pipeline.build.running.run_signatures import inspect_model
from edge_bert.pipeline.sizing.cost_bounds import budget_length
from edge_bert.records.bundle import Signature
from edge_bert.records.candidate import CandidateCost
from edge_bert.records.energy import ModelledEnergy
from edge_bert.records.measurement import Measurement
from edge_bert.records.profile import Budget, DeviceProfile
from edge_bert.records.recipe import Recipe
from edge_bert.store.cached import cached_record
from edge_bert.store.digest import sha256_hex
from edge_bert.store.scratch import scratch_folder


@dataclass(frozen=True)
class CandidateFile:
    """A candidate's `.tflite` file on disk."""

    name: str
    path: Path
    signatures: Mapping[str, Signature]

    @property
    def file(self) -> str:
        """Its name."""
        return self.path.name


@contextmanager
def write_candidate(recipe: Recipe, data: bytes) -> Iterator[CandidateFile]:
    """The bytes of an artifact as a file, for as long as it is looked at."""
    with scratch_folder() as folder:
        path = folder / f"{recipe.name}.tflite"
        path.write_bytes(data)
        yield CandidateFile(
            recipe.name, path, inspect_model(data, sha256_hex(data), path.name).signatures
        )


def count_file(
    profile: DeviceProfile, file: CandidateFile, length: int | None = None
) -> Measurement:
    """`file` on the emulated device, in its bucket of `length`; without one, in that of the
    profile's budget or the nearest.

    Its time and energy are modelled. Raises DeviceError where the emulator fails.
    """
    lengths = {signature.length: name for name, signature in file.signatures.items()}
    name = lengths[budget_length(profile, lengths) if length is None else length]
    device = msgspec.json.encode(msgspec.structs.replace(profile, budget=Budget()))
    inputs = [sha256_hex(file.path.read_bytes()), file.name, name, device]
    return cached_record(
        Measurement, "counts", inputs, lambda: _count(profile, file, name), open_counter
    )


def emulated_cost(measurement: Measurement, size: int) -> CandidateCost:
    """The cost of a file of `size` bytes by its measurement."""
    _, middle, _ = latency_bounds(measurement)
    energy = measurement.energy
    return CandidateCost(
        size_bytes=size,
        latency_ms=middle,
        energy_mj=_middle(energy) if isinstance(energy, ModelledEnergy) else None,
        evidence=measurement.evidence,
        scaled_to=measurement.scaled_to,
    )


def _middle(energy: ModelledEnergy) -> float:
    """The middle of a bracket of factors."""
    return float((energy.low_mj * energy.high_mj) ** 0.5)


def _count(profile: DeviceProfile, file: CandidateFile, signature: str) -> Measurement:
    with open_counter(profile) as count:
        return next(count(file.path, file, signature))
