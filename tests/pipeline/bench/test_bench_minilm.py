"""Counted instructions of the real all-MiniLM-L6-v2, against counts that others took."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edge_bert import profiles
from edge_bert.convert.keras_to_tflite import convert_to_tflite
from edge_bert.devices.emulated import EmulatedDevice
from edge_bert.devices.runner.start import RunnerRequest, install_runner
from edge_bert.pipeline.build.artifacts import host_runtime
from edge_bert.quantize import apply_recipe
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.records.measurement import InstructionCounts
from edge_bert.records.profile import Cluster
from edge_bert.records.recipe import RECIPES
from tests.devices.emulator_programs import need_emulator

pytestmark = [pytest.mark.slow, pytest.mark.model]
TIMEOUT_S = 900
LENGTH = 128
A76 = Cluster(
    core="cortex-a76", cores=4, max_mhz=2400, features=("asimd", "dotprod"), source="test"
)


@pytest.fixture(scope="module")
def device() -> Iterator[EmulatedDevice]:
    need_emulator()
    phone = profiles.load_profile("pixel-9")
    device = EmulatedDevice(msgspec.structs.replace(phone, name="four-a76", clusters=(A76,)))
    yield device
    device.close()


@pytest.fixture(scope="module")
def reference(device: EmulatedDevice, minilm: Checkpoint) -> bytes:
    del device  # nothing is converted where nothing can be counted
    return convert_to_tflite(minilm, (LENGTH,))


def counted(device: EmulatedDevice, data: bytes, folder: Path) -> InstructionCounts:
    """The first inference, whose preparations are under 1%: see docs/measuring.md."""
    (folder / "model.tflite").write_bytes(data)
    command = install_runner(device, "arm64-v8a", own_c_library=False)
    remote = device.push(folder / "model.tflite", "model.tflite")
    request = RunnerRequest(remote, f"length_{LENGTH}", warmup=0, repetitions=1)
    run = device.run_counted([*command, *request.arguments()], TIMEOUT_S)
    assert run.completed.exit_code == 0, run.completed.stdout
    return run.counts.marked_repetitions[-1]


def test_float_takes_508_million(device: EmulatedDevice, reference: bytes, tmp_path: Path) -> None:
    """An independent count of float32 on Cortex-A76 at 128 tokens, within 5%."""
    assert counted(device, reference, tmp_path).total == pytest.approx(508e6, rel=0.05)


def test_hybrid_takes_196_million_each_time(
    device: EmulatedDevice, reference: bytes, tmp_path: Path
) -> None:
    """An independent count of int8 weights there, within 5%; a second run counts the same."""
    data = apply_recipe.apply_weight_recipe(reference, RECIPES["wi8_afp32"], host_runtime())
    first, second = (counted(device, data, tmp_path) for _ in range(2))
    assert first.total == pytest.approx(196e6, rel=0.05)
    assert first.sdot > 0
    assert first == second
