"""onnxruntime's own quantizers, as we call them to compare with."""

from __future__ import annotations

import collections
from pathlib import Path

import pytest

from edge_bert.quantize.onnx import ort_quantizer
from edge_bert.quantize.onnx.convert import write_float_onnx
from tests.quantize.integer.encoders import sentences, weights_of

onnx = pytest.importorskip("onnx", reason="pip install 'edge-bert[onnx]'")
pytest.importorskip("onnxruntime", reason="pip install 'edge-bert[onnx]'")


def _operators(path: Path) -> collections.Counter[str]:
    return collections.Counter(node.op_type for node in onnx.load(path).graph.node)


def test_static_quantizes_what_it_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """All that it can, or matrices and tables alone; and it says nothing that a user would read."""
    weights = weights_of("bert")
    source, everything, matrices = (tmp_path / f"{name}.onnx" for name in ("f", "all", "some"))
    source.write_bytes(write_float_onnx(weights))
    ort_quantizer.quantize_static(source, everything, sentences(weights))
    ort_quantizer.quantize_static(source, matrices, sentences(weights), ort_quantizer.MATRICES)
    many, few = (_operators(path)["QuantizeLinear"] for path in (everything, matrices))
    assert many > few >= 6 * weights.config.layers
    assert not caplog.records
    assert capfd.readouterr().err == ""


def test_dynamic_quantizes_when_the_model_runs(tmp_path: Path) -> None:
    """Matrices multiply integers, and nothing was calibrated."""
    source, target = tmp_path / "float.onnx", tmp_path / "int8.onnx"
    source.write_bytes(write_float_onnx(weights_of("bert")))
    ort_quantizer.quantize_dynamic(source, target)
    found = _operators(target)
    assert found["DynamicQuantizeLinear"]
    assert found["MatMulInteger"]
    assert not found["QuantizeLinear"]
