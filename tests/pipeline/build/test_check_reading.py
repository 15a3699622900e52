"""A model that was read wrongly from ONNX goes into no stage."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_bert.errors import VerificationError
from edge_bert.pipeline.build import check_reading
from edge_bert.pipeline.build.build import build_bundle
from edge_bert.pipeline.explain.explain import BuildInputs, explain_artifact
from edge_bert.pipeline.export.export import export_model
from edge_bert.pipeline.export.options import ExportOptions
from edge_bert.pipeline.matrix.matrix import request_matrix
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.sources import load
from tests.one_line import refused
from tests.pipeline import tiny_bundle as tiny
from tests.recordings.onnx.running import BERT, LENGTH, NEEDED, placed

for package in ("onnx", "onnxruntime"):
    pytest.importorskip(package, reason=NEEDED.format(package))
WRONG = "as read differs from model.onnx on onnxruntime"
BIAS = "encoder.layer.1.output.dense.bias"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that an earlier test made."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A recorded encoder with its tokenizer."""
    return placed(tmp_path / "model", BERT[0])


@pytest.fixture
def misread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Reads one bias a tenth too large from now on, and forgets what was checked."""
    read = load.load_onnx

    def read_wrongly(path: Path, tokenizer: Path | None = None) -> Checkpoint:
        checkpoint = read(path, tokenizer)
        weights = {**checkpoint.weights, BIAS: checkpoint.weights[BIAS] * 1.1}
        return dataclasses.replace(checkpoint, weights=weights)

    def begin() -> None:
        monkeypatch.setattr(load, "load_onnx", read_wrongly)
        monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "another"))

    return begin


def _options(model: Path, out: Path) -> Any:
    return tiny.make_options(
        model=str(model), recipes=["wi8_ai8"], lengths=[LENGTH], out=out, calibration_count=32
    )


def test_build_and_matrix_refuse_it(model: Path, misread: Any, tmp_path: Path) -> None:
    """When they open the model, before any long work."""
    misread()
    options = _options(model, tmp_path / "out")
    with refused(VerificationError, WRONG):
        tiny.BuildSession.open(options)
    with refused(VerificationError, WRONG):
        request_matrix(options, [tiny.PROFILE], [str(model)])


def test_export_refuses_it(model: Path, misread: Any, tmp_path: Path) -> None:
    """Nothing is written; read rightly, the file that it writes is checked too."""
    options = ExportOptions(
        model=str(model), recipes=("float32",), lengths=(LENGTH,), out=tmp_path / "out"
    )
    (artifact,) = export_model(options).artifacts
    assert artifact.difference is not None
    assert artifact.difference <= check_reading.TOLERANCE
    misread()
    with refused(VerificationError, WRONG):
        export_model(ExportOptions(model=str(model), out=tmp_path / "other"))
    assert not (tmp_path / "other").exists()


def test_explain_refuses_it(model: Path, misread: Any, tmp_path: Path) -> None:
    """The bundle was built while it was read rightly."""
    built = build_bundle(tiny.BuildSession.open(_options(model, tmp_path / "out")))
    misread()
    with refused(VerificationError, WRONG):
        explain_artifact(built.folder, "wi8_ai8", BuildInputs(model=str(model)))


def test_a_model_is_checked_once(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second session finds what the first one measured."""
    options = _options(model, tmp_path / "out")
    tiny.BuildSession.open(options)

    def run_again(*_: object) -> Any:
        raise AssertionError("onnxruntime runs a second time")

    monkeypatch.setattr(check_reading.onnxruntime, "run_onnx_model", run_again)
    assert tiny.BuildSession.open(options).checkpoint.onnx is not None
