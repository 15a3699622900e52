"""Sixteen bits for single activations: what changes in the graph, and what does not."""

from __future__ import annotations

import numpy as np

from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder, calibrate_encoder
from edge_bert.quantize.integer.ir.graph import OperatorGraph, TensorKind
from edge_bert.quantize.integer.ir.interpret import interpret_graph
from edge_bert.quantize.integer.lower.insert_casts import insert_casts
from edge_bert.quantize.integer.lower.int16_groups import FIXED, int16_outputs
from tests.quantize.integer import encoders as tiny


def _mixed(start: CalibratedEncoder) -> OperatorGraph:
    """The graph of eight tokens with the fixed list in 16 bits."""
    return insert_casts(start.graph(8), int16_outputs(start.graph(8), FIXED))


def test_float_does_not_notice() -> None:
    """The widened graph computes the same float numbers."""
    weights = tiny.weights_of("roberta")
    start = calibrate_encoder(weights, tiny.sentences(weights))
    plain, wide = start.graph(8), _mixed(start)
    for sentence in tiny.sentences(weights, counts=(8,), repeats=2, seed=5):
        np.testing.assert_array_equal(
            interpret_graph(plain, sentence), interpret_graph(wide, sentence)
        )


def test_operands_have_one_width() -> None:
    """Every operator but QUANTIZE gets its activations and vectors in the width of its output."""
    weights = tiny.weights_of("bert")
    graph = _mixed(calibrate_encoder(weights, tiny.sentences(weights)))
    for node in graph.nodes:
        if node.operator == "QUANTIZE":
            continue
        bits = graph.tensors[node.output].bits
        for name in node.inputs:
            tensor = graph.tensors[name]
            if tensor.kind in (TensorKind.ACTIVATION, TensorKind.BIAS):
                assert tensor.bits == bits, node


def test_nothing_wide_is_the_graph_itself() -> None:
    """Without a wide output no operator is added."""
    weights = tiny.weights_of("bert")
    graph = calibrate_encoder(weights, tiny.sentences(weights)).graph(8)
    assert insert_casts(graph, ()).nodes == graph.nodes


def test_copies_are_known_by_their_plain_name() -> None:
    """A 16-bit copy takes the range that was observed for what it copies."""
    weights = tiny.weights_of("bert")
    graph = _mixed(calibrate_encoder(weights, tiny.sentences(weights)))
    copies = [node for node in graph.nodes if node.operator == "QUANTIZE"]
    assert copies
    for node in copies:
        assert graph.tensors[node.output].range_name == node.inputs[0]
