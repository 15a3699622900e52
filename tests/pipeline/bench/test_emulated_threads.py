"""How often an inference is counted for several numbers of threads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_bert import profiles
from edge_bert.bundle.manifest import read_manifest
from edge_bert.devices.runner.start import RunnerRequest
from edge_bert.measure.runner_output import RunnerOutput, parse_runner
from edge_bert.pipeline.bench import emulated
from edge_bert.records.measurement import DeviceDescription, Evidence, InstructionCounts
from tests.measure.test_runner_output import FOOTER, HEADER, RUN, WARMUP, text
from tests.pipeline.bench.made_up_phone import counts_of
from tests.pipeline.small_bundle import small_bundle


class NoDevice:
    """In QEMU's place: nothing is run."""

    def __init__(self, *_: object) -> None:
        """Of any profile."""

    def push(self, _: Path, name: str) -> str:
        return name

    def describe(self) -> DeviceDescription:
        return DeviceDescription(Evidence.EMULATED, "board", "arm64-v8a", "Linux", 4)

    def close(self) -> None:
        """Nothing is held."""


@pytest.mark.parametrize(
    ("profile", "sharers"), [("raspberry-pi-4", [1, 2, 4]), ("raspberry-pi-5", [1])]
)
def test_threads_that_share_a_level_2_are_counted_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str, sharers: list[int]
) -> None:
    """Four Cortex-A72 share one, and each number of threads has another part; Cortex-A76 do not."""
    seen = list[int]()

    def count(
        _: NoDevice, __: Sequence[str], ___: RunnerRequest, sharers: int
    ) -> tuple[RunnerOutput, InstructionCounts]:
        seen.append(sharers)
        return parse_runner(text(HEADER, WARMUP, RUN, FOOTER), 0), counts_of("float32", 8)

    monkeypatch.setattr(emulated, "EmulatedDevice", NoDevice)
    monkeypatch.setattr(emulated, "install_runner", lambda *_, **__: ["runner"])
    monkeypatch.setattr(emulated, "find_litert_library", lambda _: (tmp_path, "2.3.0"))
    monkeypatch.setattr(emulated, "count_inference", count)
    bundle = small_bundle(tmp_path, profile)
    (artifact,) = read_manifest(bundle).artifacts
    signature = next(iter(artifact.signatures))
    with emulated.open_counter(profiles.load_profile(profile), None, (1, 2, 4)) as counter:
        runs = list(counter(bundle / artifact.file, artifact, signature))
    assert [run.subject.threads for run in runs] == [1, 2, 4]
    assert seen == sharers
