"""Stages of a model with exits: parts of its whole path, on the same constants."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge_bert.convert.keras_to_tflite import convert_to_tflite
from edge_bert.encoder.numpy_forward import embed_tokens, join_sentences, run_layers
from edge_bert.encoder.numpy_head import apply_exit
from edge_bert.errors import ModelError
from edge_bert.formats.tflite.inspect import inspect_bytes
from edge_bert.records.bundle import Stage
from tests.pipeline.staged_model import make_float_file
from tests.tiny import exits


@pytest.fixture(scope="module")
def file() -> exits.StagedFile:
    return exits.StagedFile(make_float_file())


def test_the_whole_path_stands_beside_its_stages() -> None:
    """Consumers of signatures see what a file without exits has."""
    contents = inspect_bytes(make_float_file())
    assert list(contents.signatures) == ["length_8", "length_16"]
    assert [x.name for x in contents.signatures["length_8"].outputs] == ["embedding"]
    assert list(contents.stages) == [*exits.list_names(8), *exits.list_names(16)]
    assert [_outline(stage) for stage in list(contents.stages.values())[3:]] == [
        (16, 0, 1, [*sorted(exits.make_weights().input_names)], ["agreement", "embedding", "rows"]),
        (16, 1, 2, ["attention_mask", "rows"], ["agreement", "embedding", "rows"]),
        (16, 2, 3, ["attention_mask", "rows"], ["embedding"]),
    ]


def _outline(stage: Stage) -> tuple[int, int, int, list[str], list[str]]:
    names = [[spec.name for spec in specs] for specs in (stage.inputs, stage.outputs)]
    return stage.length, stage.first, stage.last, names[0], names[1]


def test_constants_stand_once_in_the_file() -> None:
    """No stage brings a matrix of its own, and LayerNorms are folded into none at an exit."""
    weights = exits.make_weights()
    kernels = [x for name, x in weights.arrays.items() if name.endswith("kernel")]
    contents = inspect_bytes(make_float_file())
    assert contents.bytes_by_kind["matrices"] == sum(x.nbytes for x in kernels)


@pytest.mark.parametrize(("length", "tokens"), [(8, 5), (16, 16)])
def test_stages_give_what_the_whole_path_gives(
    file: exits.StagedFile, length: int, tokens: int
) -> None:
    """And each exit what numpy computes from the rows there."""
    weights = exits.make_weights()
    inputs = exits.make_inputs(weights, length, tokens)
    outputs = file.run_stages(inputs, exits.list_names(length))
    whole = file.run(f"length_{length}", inputs)
    np.testing.assert_allclose(outputs[-1]["embedding"], whole["embedding"], rtol=0, atol=1e-6)
    batch = join_sentences([{name: x[:, :tokens] for name, x in inputs.items()}])
    layers = run_layers(weights, embed_tokens(weights, batch).output, tokens)
    for exit_weights, layer, output in zip(weights.exits, layers, outputs, strict=False):
        expected, agreement = apply_exit(exit_weights, layer.output, tokens)
        np.testing.assert_allclose(output["embedding"], expected, atol=1e-5)
        assert agreement is not None
        np.testing.assert_allclose(output["agreement"], agreement, atol=1e-5)
        np.testing.assert_allclose(output["rows"][0, :tokens], layer.output, atol=1e-4)


@pytest.mark.parametrize(
    ("after", "complaint"),
    [
        ((3,), "after layer 3 of 3 is not inside the model; exits stand after layers 1 to 2"),
        ((4,), "after layer 4 of 3"),
        ((0,), "after layer 0 of 3"),
        ((2, 1), "rising order"),
        ((1, 1), "rising order"),
    ],
)
def test_exits_that_are_not_inside_the_model_are_refused(
    after: tuple[int, ...], complaint: str
) -> None:
    weights = dataclasses.replace(exits.make_weights(), exits=())
    with pytest.raises(ModelError, match=complaint):
        convert_to_tflite(exits.add_exits(weights, after), [8])


def test_a_model_that_answers_for_tokens_has_no_exits() -> None:
    weights = exits.make_weights("token_classification")
    with pytest.raises(ModelError, match="answers for each token has no exits"):
        convert_to_tflite(weights, [8])
