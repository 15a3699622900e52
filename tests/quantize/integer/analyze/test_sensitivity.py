"""The sensitivity search on tiny encoders, and the simulation that it rests on."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.quantize.integer.analyze.fake_quant import (
    FakeQuant,
    dequantize_constant,
    fake_quantize,
)
from edge_bert.quantize.integer.analyze.recipe_graphs import build_recipe_graphs
from edge_bert.quantize.integer.analyze.sensitivity import measure_sensitivity
from edge_bert.quantize.integer.calibrate.assign_quant_params import assign_quant_params
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder, calibrate_encoder
from edge_bert.quantize.integer.ir.graph import OperatorNode
from edge_bert.quantize.integer.ir.interpret import interpret_graph
from edge_bert.quantize.integer.ir.quant_params import QuantParams
from edge_bert.quantize.integer.lower.tensor_groups import (
    TensorGroup,
    group_by_layer,
    group_by_role,
    group_of,
    layer_label,
)
from edge_bert.quantize.integer.statistics.range_estimators import RangeEstimator
from tests.quantize.integer import encoders as tiny


@pytest.fixture(scope="module")
def calibrated() -> CalibratedEncoder:
    """A tiny BERT."""
    weights = tiny.weights_of("bert")
    return calibrate_encoder(weights, tiny.sentences(weights))


def test_every_output_has_one_group(calibrated: CalibratedEncoder) -> None:
    """Kinds and layers each hold every operator's output exactly once."""
    graph = calibrated.graph(8)
    outputs = {node.output for node in graph.nodes}
    constants = {"weights", "tables"}
    for grouping in (group_by_role, group_by_layer):
        members = [name for group in grouping(graph) if group.name not in constants
                   for name in group.members]  # fmt: skip
        assert sorted(members) == sorted(outputs)


@pytest.mark.parametrize(
    ("name", "group", "layer"),
    [
        ("embeddings.typed", "embeddings", "embeddings"),
        ("embeddings.norm.variance.0.0", "norm.variance", "embeddings"),
        ("layer.1.attention_norm.variance.0.0", "norm.variance", "layer.1"),
        ("layer.0.ffn_norm.unit", "norm.normalized", "layer.0"),
        ("layer.0.attention_residual", "residual", "layer.0"),
        ("layer.0.ffn_input", "input", "layer.0"),
        ("layer.0.ffn_input/8", "input", "layer.0"),
        ("layer.0.attention_output/16", "attention_output", "layer.0"),
        ("layer.0.attention_output/32", "attention_output", "layer.0"),
        ("layer.0.input", "input", "layer.0"),
        ("layer.0.query.split", "query", "layer.0"),
        ("layer.0.mask", "scores", "layer.0"),
        ("layer.0.masked", "scores", "layer.0"),
        ("layer.0.shares", "probs", "layer.0"),
        ("layer.0.context.joined", "context", "layer.0"),
        ("layer.0.attention_output", "attention_output", "layer.0"),
        ("layer.0.attention_norm.update.0", "norm.update", "layer.0"),
        ("layer.0.ffn_norm.squared", "norm.squared", "layer.0"),
        ("layer.0.ffn.0.inner", "ffn.intermediate", "layer.0"),
        ("pooling.shares", "output", "output"),
        ("output.rows", "output", "output"),
    ],
)
def test_a_tensor_says_what_it_is(
    calibrated: CalibratedEncoder, name: str, group: str, layer: str
) -> None:
    """The groups that the tables are about, in every width."""
    tensors = {
        name: tensor
        for bits in (8, 16, 32)
        for name, tensor in calibrated.recipe_graph(8, bits).tensors.items()
    }
    assert (group_of(tensors[name]), layer_label(tensors[name])) == (group, layer)


def test_rounding_and_clipping() -> None:
    """Values go to the nearest step, and to the end of the range beyond it."""
    how = QuantParams(np.array([0.5], np.float32), -128, "int8")
    values = np.array([0.2, 0.3, -1.0, 500.0], np.float32)
    np.testing.assert_array_equal(fake_quantize(values, how), [0.0, 0.5, 0.0, 127.5])
    matrix = QuantParams(np.array([1.0, 0.1], np.float32), 0, "int8", np.full((2, 3), 10, np.int8))
    np.testing.assert_allclose(dequantize_constant(matrix), [[10.0] * 3, [1.0] * 3], rtol=1e-6)


def test_nothing_quantized_changes_nothing(calibrated: CalibratedEncoder) -> None:
    """The simulation of an empty group is the float form; of a group, it is another value."""
    simulation = FakeQuant(build_recipe_graphs(calibrated, 8, estimator=RangeEstimator.PERCENTILE))
    sentences = tiny.sentences(calibrated.weights, repeats=1, seed=5)
    plain = simulation.outputs(sentences, frozenset())
    wanted = [tiny.rewritten_output(calibrated.weights, calibrated.equalized, s) for s in sentences]
    for value, right in zip(plain, wanted, strict=True):
        np.testing.assert_allclose(value, right, atol=1e-5)
    changed = simulation.outputs(sentences, frozenset({"layer.0.query"}))
    assert any((value != right).any() for value, right in zip(changed, plain, strict=True))


def test_harm_is_found_where_it_is(calibrated: CalibratedEncoder) -> None:
    """A tensor whose range is made 30 times too wide becomes the most harmful group."""
    sentences = tiny.sentences(calibrated.weights, repeats=1, seed=5)
    graph = calibrated.graph(8)
    before = measure_sensitivity(
        build_recipe_graphs(calibrated, 8), sentences, group_by_role(graph)
    )
    histogram = calibrated.ranges.histograms["layer.1.value"]
    low, high = histogram.low, histogram.high
    histogram.low, histogram.high = 30 * low, 30 * high
    after = measure_sensitivity(build_recipe_graphs(calibrated, 8), sentences, group_by_role(graph))
    histogram.low, histogram.high = low, high
    assert before[0].group == after[0].group == "everything"
    assert before[1].group != "value"
    assert after[1].group == "value"
    assert after[1].recovery > before[0].output_error
    assert after[1].output_error > 10 * next(
        each.output_error for each in before if each.group == "value"
    )


def test_costs_are_those_of_the_longest_sentence(calibrated: CalibratedEncoder) -> None:
    """Elements and multiply-accumulates of one group, worked out by hand."""
    sentences = tiny.sentences(calibrated.weights, repeats=1, counts=(4, 9))
    group = TensorGroup("queries", frozenset({"layer.0.query", "layer.1.query"}))
    _, found = measure_sensitivity(build_recipe_graphs(calibrated, 8), sentences, [group])
    hidden = calibrated.weights.config.hidden
    assert (found.tensors, found.elements) == (2, 2 * 9 * hidden)
    assert found.operations == 2 * 9 * hidden * hidden


@pytest.mark.parametrize("bits", [16, 32])
def test_other_widths_are_simulated_too(calibrated: CalibratedEncoder, bits: int) -> None:
    """Float tensors are in no group, and the integers together cost what is left of them."""
    source = build_recipe_graphs(calibrated, bits)
    graph = source.graph(8)
    floats = {name for name, tensor in graph.tensors.items() if tensor.bits == 32}
    assert bool(floats) == (bits == 32)
    for grouping in (group_by_role, group_by_layer):
        assert not floats & {name for group in grouping(graph) for name in group.members}
    sentences = tiny.sentences(calibrated.weights, repeats=1, seed=5)
    first, *_ = measure_sensitivity(source, sentences, group_by_layer(graph))
    assert 0 < first.output_error < 0.02


def test_rounding_a_copy_leaves_the_original(calibrated: CalibratedEncoder) -> None:
    """What reads the float tensor itself does not see how its int8 copy was rounded."""
    source = build_recipe_graphs(calibrated, 32)
    graph = source.graph(8)
    (sentence,) = tiny.sentences(calibrated.weights, repeats=1, counts=(8,), seed=5)
    known = assign_quant_params(graph, source.calibrated.ranges, source.estimator)
    copies = {node.output: node.inputs[0] for node in graph.nodes if node.operator == "QUANTIZE"}
    values: dict[str, np.ndarray] = {}

    def see(node: OperatorNode, value: np.ndarray) -> None:
        values[node.output] = value
        if node.output in copies:
            value[...] = fake_quantize(value, known[node.output])

    interpret_graph(graph, sentence, see)
    assert any((values[name] != values[copy]).any() for copy, name in copies.items())
