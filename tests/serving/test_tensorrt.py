"""What builds a TensorRT engine, as far as a machine without a GPU can tell."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_bert.serving import tensorrt

NAMES = ("input_ids", "attention_mask")


def plan(onnx: str = "model.onnx") -> tensorrt.EnginePlan:
    return tensorrt.plan_engine(
        onnx, NAMES, "embedding", vocabulary=100, lengths=[128, 16, 64, 32], max_batch=32
    )


def build(folder: Path, path: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["/bin/sh", str(folder / "build_engine.sh"), *options]
    return subprocess.run(
        command, env={"PATH": path}, capture_output=True, text=True, check=False, timeout=60
    )


def test_shapes_go_from_one_token_to_the_largest_batch() -> None:
    """All inputs get the least, best and largest shape."""
    words = tensorrt.trtexec_arguments(plan())
    assert "--minShapes=input_ids:1x1,attention_mask:1x1" in words
    assert "--optShapes=input_ids:8x64,attention_mask:8x64" in words
    assert "--maxShapes=input_ids:32x128,attention_mask:32x128" in words


def test_the_builder_gets_its_arguments_whole(tmp_path: Path) -> None:
    """A program in trtexec's place is given every word as it was meant, and further options."""
    made = plan("a b; $(touch gone) 'c'.onnx")
    tensorrt.write_engine_files(tmp_path, made)
    stand_in = tmp_path / "bin" / "trtexec"
    stand_in.parent.mkdir()
    stand_in.write_text('#!/bin/sh\npwd\nprintf "%s\\n" "$@"\n')
    stand_in.chmod(0o755)
    done = build(tmp_path, f"{stand_in.parent}{os.pathsep}/usr/bin:/bin", "--verbose")
    expected = [str(tmp_path.resolve()), *tensorrt.trtexec_arguments(made)[1:], "--verbose"]
    assert (done.returncode, done.stdout.splitlines()) == (0, expected)
    assert not (tmp_path / "gone").exists()


def test_without_trtexec_the_script_says_so(tmp_path: Path) -> None:
    """Exit status 3 and one line."""
    tensorrt.write_engine_files(tmp_path, plan())
    empty = tmp_path / "bin"
    empty.mkdir()
    (empty / "dirname").symlink_to("/usr/bin/dirname")
    done = build(tmp_path, str(empty))
    assert done.returncode == 3
    assert "trtexec is not installed" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(
    importlib.util.find_spec("tensorrt") is not None, reason="TensorRT is installed here"
)
def test_without_tensorrt_the_measuring_script_says_so(tmp_path: Path) -> None:
    """It starts by itself, far from edge-bert, and exits with 3 and one line."""
    tensorrt.write_engine_files(tmp_path, plan())
    done = subprocess.run(
        [sys.executable, "-I", str(tmp_path / "measure_engine.py")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 3, done.stderr
    assert "pip install tensorrt" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_measuring_script_finds_its_shapes(tmp_path: Path) -> None:
    """Every key that it reads is in engine.json."""
    tensorrt.write_engine_files(tmp_path, plan())
    found = json.loads((tmp_path / "engine.json").read_text())
    text = (tmp_path / "measure_engine.py").read_text()
    assert found["most"] == [32, 128]
    for key in ("onnx", "inputs", "output", "vocabulary", "best", "most"):
        assert f'shapes["{key}"]' in text
        assert key in found
