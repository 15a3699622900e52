"""ONNX files run on onnxruntime in a process of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_bert.errors import MissingToolError, VerificationError
from edge_bert.runtimes import onnxruntime
from tests.one_line import refused
from tests.recordings.onnx.make import HERE
from tests.recordings.onnx.running import BERT, NEEDED, onnxruntime_outputs, sentences

pytest.importorskip("onnxruntime", reason=NEEDED.format("onnxruntime"))
OUTPUT = "last_hidden_state"


def _rows() -> list[dict[str, np.ndarray]]:
    inputs = sentences()
    return [{name: array[row] for name, array in inputs.items()} for row in range(3)]


@pytest.mark.parametrize("name", BERT[:3])
def test_rows_give_what_onnxruntime_gives(name: str) -> None:
    """One row at a time, of fixed or free sizes."""
    path = HERE / f"{name}.onnx"
    outputs = onnxruntime.run_onnx_model(path, _rows(), OUTPUT)
    assert np.array_equal(np.stack(outputs), onnxruntime_outputs(path, sentences()))


def test_no_model_is_reported_to_anybody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """onnxruntime's telemetry begins with a file among the temporary ones."""
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    onnxruntime.run_onnx_model(HERE / f"{BERT[0]}.onnx", _rows(), OUTPUT)
    assert not (tmp_path / ".ses").exists()


def test_a_short_row_is_filled_up_where_sizes_are_fixed() -> None:
    """With zeros in the mask too, so that the tokens that count stay the same."""
    path = HERE / f"{BERT[2]}.onnx"
    (full, short) = onnxruntime.run_onnx_model(
        path, [_rows()[1], {name: array[:11] for name, array in _rows()[1].items()}], OUTPUT
    )
    assert np.abs(full[:11] - short[:11]).max() < 1e-5


def test_a_row_that_is_too_long_is_refused() -> None:
    """For a graph of fixed length."""
    row = {name: np.concatenate([array, array]) for name, array in _rows()[0].items()}
    with refused(VerificationError, "32 tokens do not fit the fixed length of 16"):
        onnxruntime.run_onnx_model(HERE / f"{BERT[2]}.onnx", [row], OUTPUT)


@pytest.mark.parametrize("content", [b"", b"not ONNX"])
def test_a_file_that_does_not_run_says_why(content: bytes, tmp_path: Path) -> None:
    """In one line."""
    (tmp_path / "model.onnx").write_bytes(content)
    with refused(VerificationError, "^model.onnx on onnxruntime: "):
        onnxruntime.run_onnx_model(tmp_path / "model.onnx", _rows(), OUTPUT)


def test_without_onnxruntime_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """And how to get it."""
    monkeypatch.setattr(onnxruntime.importlib.util, "find_spec", lambda _: None)
    with refused(MissingToolError, r"pip install 'edge-bert\[onnx\]'"):
        onnxruntime.run_onnx_model(HERE / f"{BERT[0]}.onnx", _rows(), OUTPUT)
