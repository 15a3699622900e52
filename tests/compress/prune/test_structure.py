"""Layers, heads and neurons that go: the right ones, and nothing else changes."""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np
import pytest

from edge_bert.compress.prune import ffn, heads, layers
from edge_bert.compress.prune.importance import measure_importance
from edge_bert.compress.prune.output_error import output_error
from edge_bert.compress.prune.structure import prune_to_structure
from edge_bert.encoder import numpy_forward
from edge_bert.encoder.replace_arrays import replace_arrays
from edge_bert.errors import InputError
from tests.compress.smaller import (
    RAGGED,
    distance,
    importance_of,
    ragged,
    sentences_of,
    with_twins,
)
from tests.one_line import refused
from tests.quantize.integer import encoders as tiny
from tests.tiny.models import ARCHITECTURES

every = pytest.mark.parametrize("architecture", [*ARCHITECTURES, "mpnet"])
FFN = tiny.FFN


@every
def test_keeping_everything_changes_nothing(architecture: str) -> None:
    """The same arrays, not merely the same numbers."""
    weights, importance = tiny.weights_of(architecture), importance_of(architecture)
    whole = msgspec.structs.replace(RAGGED, ffn=(FFN, FFN), heads=(4, 4))
    found = prune_to_structure(weights, importance, whole, sentences_of(architecture))
    assert found.config == weights.config
    assert all(found.arrays[name] is array for name, array in weights.arrays.items())


@every
def test_every_array_has_the_size_that_the_shape_says(architecture: str) -> None:
    """Ragged widths in the shape and in the weights."""
    found, size = ragged(architecture), 8
    assert (found.config.ffn, found.config.heads) == (RAGGED.ffn, RAGGED.heads)
    for index, (width, count) in enumerate(zip(RAGGED.ffn, RAGGED.heads, strict=True)):
        assert found.arrays[f"layer.{index}.ffn_in.bias"].shape == (width,)
        assert found.arrays[f"layer.{index}.ffn_out.kernel"].shape == (width, 32)
        assert found.arrays[f"layer.{index}.key.kernel"].shape == (32, count * size)
        assert found.arrays[f"layer.{index}.attention_output.kernel"].shape == (count * size, 32)
    assert all(array.dtype == np.float32 for array in found.arrays.values())


def test_twins_go_for_nothing() -> None:
    """Of neurons in pairs that are alike, one of each can go and the outputs stay."""
    weights = with_twins(tiny.weights_of("bert"))
    sentences = sentences_of("bert")
    importance = measure_importance(weights, sentences)
    for each in importance.neurons:
        pairs = [neuron // 2 for neuron in each.removals.keep(FFN // 2)]
        assert len(set(pairs)) > 0.95 * FFN // 2
    found = ffn.prune_ffn(weights, importance, [FFN // 2] * 2)
    assert (
        output_error(
            numpy_forward.run_encoder(found, sentences),
            numpy_forward.run_encoder(weights, sentences),
        )
        < 1e-3
    )


def test_a_silent_head_is_the_first_to_go() -> None:
    """A head whose values are constant is replaced by a bias, exactly."""
    weights = tiny.weights_of("bert")
    arrays = {name: array.copy() for name, array in weights.arrays.items()}
    arrays["layer.1.value.kernel"][:, 8:16] = 0
    silent = replace_arrays(weights, arrays)
    sentences = sentences_of("bert")
    found = heads.prune_heads(silent, measure_importance(silent, sentences), [4, 3])
    assert found.config.heads == (4, 3)
    np.testing.assert_array_equal(
        found.arrays["layer.1.query.kernel"],
        np.delete(arrays["layer.1.query.kernel"], range(8, 16), 1),
    )
    moved = distance(
        numpy_forward.run_encoder(found, sentences), numpy_forward.run_encoder(silent, sentences)
    )
    assert moved < 0.01


def test_a_head_takes_its_relative_bias_along() -> None:
    """Layer 1 keeps the columns of its three heads, layer 0 the table that all layers had."""
    weights, importance = tiny.weights_of("mpnet"), importance_of("mpnet")
    stays = list(importance.heads[1].removals.keep(3))
    found = heads.prune_heads(weights, importance, [4, 3])
    table = weights.layers[0].relative_bias
    assert table is not None
    assert found.layers[0].relative_bias is table
    np.testing.assert_array_equal(found.layers[1].relative_bias, table[:, stays])
    assert (weights.tied_biases, found.tied_biases) == ((0, 0), (0, 1))


def test_what_is_worth_most_stays() -> None:
    """On sentences not seen, the chosen neurons beat the same number of others by far."""
    weights, importance = tiny.weights_of("bert"), importance_of("bert")
    other = sentences_of("bert", seed=1)
    expected = numpy_forward.run_encoder(weights, other)
    turned = dataclasses.replace(
        importance,
        neurons=tuple(
            dataclasses.replace(
                each,
                removals=dataclasses.replace(each.removals, order=each.removals.order[::-1]),
            )
            for each in importance.neurons
        ),
    )
    best, worst = (
        output_error(
            numpy_forward.run_encoder(ffn.prune_ffn(weights, which, [128, 128]), other), expected
        )
        for which in (importance, turned)
    )
    assert best < 0.7 * worst


def test_layers_keep_their_order_and_their_own_widths() -> None:
    """Layer 1 becomes layer 0 with what it had; other weights are the same arrays."""
    weights = ragged("bert")
    found = layers.prune_layers(weights, [1])
    assert (found.config.ffn, found.config.heads, found.config.layers) == ((37,), (2,), 1)
    assert found.arrays["layer.0.ffn_in.kernel"] is weights.arrays["layer.1.ffn_in.kernel"]
    assert not any(name.startswith("layer.1.") for name in found.arrays)
    assert found.arrays["embeddings.word"] is weights.arrays["embeddings.word"]


def test_a_layer_that_does_nothing_goes_first() -> None:
    """Greedy ranking by what the outputs lose."""
    weights = tiny.weights_of("bert")
    arrays = dict(weights.arrays)
    for name in ("attention_output", "ffn_out"):
        for part in ("kernel", "bias"):
            arrays[f"layer.0.{name}.{part}"] = np.zeros_like(arrays[f"layer.0.{name}.{part}"])
    idle = replace_arrays(weights, arrays)
    assert layers.rank_layers(idle, sentences_of("bert")[:20]) == ((0, 1), (1,))


@pytest.mark.parametrize("kept", [[], [1, 0], [0, 0], [2], [-1]])
def test_layers_that_cannot_be_kept_are_refused(kept: list[int]) -> None:
    """Rising numbers of layers that there are."""
    with refused(InputError, "cannot be kept"):
        layers.prune_layers(tiny.weights_of("bert"), kept)


def test_layers_that_share_their_weights_only_go_whole() -> None:
    """Cut one by one, ALBERT's layers would become different and the file larger."""
    weights, sentences = tiny.weights_of("albert"), sentences_of("albert")
    importance = measure_importance(weights, sentences[:10])
    with refused(InputError, "share their weights"):
        prune_to_structure(weights, importance, RAGGED)
    single = msgspec.structs.replace(RAGGED, layers=(1,), ffn=(FFN,), heads=(4,))
    found = prune_to_structure(weights, importance, single, sentences)
    assert found.arrays["layer.0.key.kernel"] is weights.arrays["layer.0.key.kernel"]
    assert found.config.layers == 1


@pytest.mark.parametrize("counts", [[], [1], [0, 1], [1, FFN + 1], [1, 1, 1]])
def test_counts_that_cannot_be_kept_are_refused(counts: list[int]) -> None:
    """One number for every layer, from 1 to what it has."""
    weights, importance = tiny.weights_of("bert"), importance_of("bert")
    with refused(InputError, "neurons cannot be kept"):
        ffn.prune_ffn(weights, importance, counts)
    with refused(InputError, "heads cannot be kept"):
        heads.prune_heads(weights, importance, counts)
