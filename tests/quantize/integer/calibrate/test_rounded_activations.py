"""The list of rounded activations: what the file says, operator by operator."""

from __future__ import annotations

import pytest

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.integer.calibrate.assign_quant_params import assign_quant_params
from edge_bert.quantize.integer.calibrate.calibrate import (
    calibrate_encoder,
    convert_integer,
    default_estimator,
)
from edge_bert.quantize.integer.calibrate.rounded_activations import list_rounded_activations
from edge_bert.quantize.integer.lower.insert_casts import MOVES
from edge_bert.records.rounded_activation import RangeRule
from tests.quantize.integer import encoders as tiny
from tests.quantize.integer.running import operators


@pytest.mark.parametrize("bits", [8, 32])
def test_it_has_every_operator_of_the_file_that_rounds(bits: int) -> None:
    """Each int8 output but those of moves, once, with the scale and the zero point of the file."""
    weights = tiny.weights_of("bert", "mean")
    start = calibrate_encoder(weights, tiny.sentences(weights))
    start = start.unsplit if bits == 32 else start
    graph = start.recipe_graph(8, bits)
    params = assign_quant_params(graph, start.ranges, default_estimator(bits))
    listed = list_rounded_activations(graph, params)
    model = flatbuffer.read_model(convert_integer(start, (8,), bits))
    subgraph, int8 = model.subgraphs[0], flatbuffer.load_schema().TensorType.INT8
    expected = []
    for operator, (name, _, _) in zip(subgraph.operators, operators(model, subgraph), strict=True):
        tensor = subgraph.tensors[operator.outputs[0]]
        if name not in MOVES and tensor.type == int8:
            quantized = tensor.quantization
            expected.append(
                (name, tensor.name.decode(), quantized.scale[0], quantized.zeroPoint[0])
            )
    assert [(one.operator, one.name, one.scale, one.zero_point) for one in listed] == expected


def test_rules_say_what_training_may_change() -> None:
    """Softmax is its kernel's, roots are known, scores and variances depend on calibration."""
    weights = tiny.weights_of("bert", "mean")
    start = calibrate_encoder(weights, tiny.sentences(weights))
    graph = start.graph(8)
    params = assign_quant_params(graph, start.ranges, default_estimator(8))
    rules = {one.name: one.rule for one in list_rounded_activations(graph, params)}
    assert rules["layer.0.shares"] is RangeRule.KERNEL
    assert rules["layer.0.ffn_norm.inverse.0"] is RangeRule.KNOWN
    assert rules["layer.1.scores"] is rules["layer.1.masked"] is RangeRule.SCORES
    assert rules["layer.0.ffn_norm.variance.0.0"] is RangeRule.VARIANCE
    assert rules["layer.0.context"] is RangeRule.SENTENCES
