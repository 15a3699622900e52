"""What onnxruntime's optimizer makes of a file, as optimum's O1 to O4 do, is read as it runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.numpy_forward import run_sentences
from edge_bert.errors import ModelError
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.recordings.onnx.make import HEADS, HIDDEN
from tests.recordings.onnx.running import (
    BERT,
    NEEDED,
    WITH_HEADS,
    mean_of,
    onnxruntime_outputs,
    placed,
    sentences,
)

for package in ("onnx", "onnxruntime"):
    pytest.importorskip(package, reason=NEEDED.format(package))
TOLERANCE, FLOAT16_TOLERANCE = 1e-4, 2e-2
# Level, and what then happens to floats: nothing, or float16 with outputs of either kind.
FORMS = [(0, None), (1, None), (2, None), (0, True), (1, False)]
FILES = (BERT[0], BERT[2], *WITH_HEADS[:5])


def _optimize(path: Path, level: int, keep_io_types: bool | None) -> None:
    from onnxruntime.transformers import optimizer

    model = optimizer.optimize_model(
        str(path), model_type="bert", num_heads=HEADS, hidden_size=HIDDEN, opt_level=level
    )
    if keep_io_types is not None:
        model.convert_float_to_float16(keep_io_types=keep_io_types)
    model.save_model_to_file(str(path))


@pytest.mark.parametrize(("level", "keep_io_types"), FORMS)
@pytest.mark.parametrize("name", FILES)
def test_optimized_files_are_read(
    name: str, level: int, keep_io_types: bool | None, tmp_path: Path
) -> None:
    """Fused or not, in float32 or float16: tokens, poolings and classifiers."""
    path = placed(tmp_path, name)
    _optimize(path, level, keep_io_types)
    checkpoint = load_checkpoint(str(path), tmp_path)
    assert checkpoint.onnx is not None
    assert checkpoint.onnx.float16 == (keep_io_types is not None)
    inputs, weights = sentences(), encoder_weights(checkpoint)
    rows = [
        {key: inputs[key][[at], :count].astype(np.int32) for key in weights.input_names}
        for at, count in enumerate(inputs["attention_mask"].sum(1))
    ]
    outputs = np.stack(run_sentences(weights, rows))
    expected = onnxruntime_outputs(path, inputs).astype(np.float32)
    expected = mean_of(expected, inputs) if checkpoint.onnx.needs_pooling else expected
    tolerance = TOLERANCE if keep_io_types is None else FLOAT16_TOLERANCE
    assert np.abs(outputs - expected).max() <= tolerance * max(1, np.abs(expected).max())


def test_attention_that_ignores_its_mask_is_refused(tmp_path: Path) -> None:
    """Padding would count as text."""
    onnx = pytest.importorskip("onnx")
    path = placed(tmp_path, BERT[1])
    model = onnx.load_model(path)
    user = next(node for node in model.graph.node if "attention_mask" in node.input)
    ones = onnx.helper.make_node("Mul", ["attention_mask", "zero"], ["no_mask"])
    zero = onnx.numpy_helper.from_array(np.array(0), "zero")
    user.input[list(user.input).index("attention_mask")] = "no_mask"
    model.graph.node.insert(0, ones)
    model.graph.initializer.append(zero)
    onnx.save_model(model, path)
    with refused(ModelError, "attention"):
        load_checkpoint(str(path), tmp_path)


def test_attention_of_other_scales_is_refused(tmp_path: Path) -> None:
    """Here softmax goes over another axis, which no trace of operators would show."""
    onnx = pytest.importorskip("onnx")
    path = placed(tmp_path, BERT[1])
    model = onnx.load_model(path)
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    softmax.attribute[0].i = 2
    onnx.save_model(model, path)
    with refused(ModelError, "attention before .* is no softmax of scaled products"):
        load_checkpoint(str(path), tmp_path)


def test_fused_attention_that_sees_the_past_only_is_refused(tmp_path: Path) -> None:
    """A decoder's, which the fused operator says by an attribute."""
    onnx = pytest.importorskip("onnx")
    path = placed(tmp_path, "bert-fused")
    model = onnx.load_model(path)
    for node in model.graph.node:
        if node.op_type == "Attention":
            node.attribute.append(onnx.helper.make_attribute("unidirectional", 1))
    onnx.save_model(model, path)
    with refused(ModelError, "but Attention at .*was fused by ONNX Runtime; give the model as"):
        load_checkpoint(str(path), tmp_path)
