"""Files for NPUs in a bundle: made where they can be, and never silently absent."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from edge_bert import profiles
from edge_bert.errors import RefusedError
from edge_bert.pipeline.build import npu
from edge_bert.records.profile import DeviceProfile
from edge_bert.runtimes import npu_compiler


def profile_with(**changes: object) -> DeviceProfile:
    """The Galaxy S24 with its NPU changed."""
    found = profiles.load_profile("galaxy-s24")
    (accelerator,) = found.accelerators
    return msgspec.structs.replace(
        found, accelerators=(msgspec.structs.replace(accelerator, **changes),)
    )


def test_what_is_missing_stands_in_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line for the NPU, with the reason, and no file."""
    monkeypatch.setattr(npu_compiler, "find_missing_tool", lambda chip: f"no SDK for {chip}")
    files, left_out = npu.compile_artifacts(profile_with(), ["float32"], tmp_path)
    assert files == []
    (only,) = left_out
    assert only.name == "files for Qualcomm Hexagon NPU"
    assert only.reason == "no SDK for Qualcomm SM8650"


def test_an_npu_without_a_chip_is_said(tmp_path: Path) -> None:
    """A profile may know an NPU and not what compilers call it."""
    _, left_out = npu.compile_artifacts(profile_with(chip=None), ["float32"], tmp_path)
    assert "names no `chip`" in left_out[0].reason


@pytest.mark.parametrize("profile", [profile_with(kind="gpu"), profiles.load_profile("pixel")])
def test_what_is_no_npu_is_not_compiled_for(profile: DeviceProfile, tmp_path: Path) -> None:
    """GPU delegates compile on the device."""
    assert npu.compile_artifacts(profile, ["float32"], tmp_path) == ([], [])


def test_each_artifact_is_compiled_or_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a vendor's compiler makes is kept with what it took; what it refuses is named. The
    compiler is a stand-in: no vendor's SDK may be passed on."""

    def compile_for_chip(chip: str, model: Path) -> npu_compiler.NpuModel:
        if model.stem == "wi8_ai8":
            raise RefusedError(f"{model.name} for {chip} failed: no")
        return npu_compiler.NpuModel(b"compiled", [npu_compiler.SubgraphStats(540, 548, 2)])

    monkeypatch.setattr(npu_compiler, "find_missing_tool", lambda _: None)
    monkeypatch.setattr(npu_compiler, "compile_for_chip", compile_for_chip)
    files, left_out = npu.compile_artifacts(profile_with(), ["float32", "wi8_ai8"], tmp_path)
    (made,) = files
    assert made.file == "npu_Qualcomm_SM8650_float32.tflite"
    assert made.sha256 == hashlib.sha256((tmp_path / made.file).read_bytes()).hexdigest()
    assert "540 of 548 operators on the NPU in 2 parts" in made.purpose
    assert "not run" in made.purpose
    assert [each.name for each in left_out] == ["wi8_ai8 for Qualcomm SM8650"]
