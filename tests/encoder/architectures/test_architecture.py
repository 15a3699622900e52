"""Configurations and weights that contradict each other are refused before anything is built."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.convert.keras_to_tflite import convert_to_tflite
from edge_bert.encoder.architectures.registry import ARCHITECTURES, CUSTOM
from edge_bert.encoder.checkpoint import (
    encoder_weights,
    input_names,
    output_name,
    resolve_architecture,
)
from edge_bert.encoder.keras_model import build_keras_model
from edge_bert.errors import InputError, ModelError
from edge_bert.records.checkpoint import Checkpoint
from tests import one_line
from tests.encoder.running import ModelOf
from tests.one_line import refused
from tests.tiny.models import ARCHITECTURES as TINY
from tests.tiny.models import checkpoint

SIZES = {
    "bert": (
        *("hidden_size", "intermediate_size", "max_position_embeddings", "num_attention_heads"),
        *("num_hidden_layers", "type_vocab_size", "vocab_size"),
    ),
    "distilbert": (
        *("dim", "hidden_dim", "max_position_embeddings", "n_heads", "n_layers", "vocab_size"),
    ),
}
EVERY_HEAD = [
    *(f"{family}-{head}" for family in TINY for head in ("mean", "classification")),
    *("albert-cls", "albert-classification", "albert-groups"),
    *("electra-one-width", "electra-cls-normalize", "electra-classification"),
]
NONSENSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def _with(model: Checkpoint, **config: Any) -> Checkpoint:
    return dataclasses.replace(model, config={**model.config, **config})


KNOWN = [*ARCHITECTURES, *CUSTOM]


def test_an_unknown_architecture_is_refused_with_the_list(model: ModelOf) -> None:
    """The error names what the model is and what edge-bert has."""
    strange = dataclasses.replace(model("bert-mean"), architecture="t5")
    with refused(ModelError, f"'t5'; edge-bert has {', '.join(KNOWN)}"):
        build_keras_model(strange)
    with refused(ModelError, "edge-bert has bert"):
        convert_to_tflite(dataclasses.replace(strange, architecture="x\n" * 5000), (16,))


@pytest.mark.parametrize("value", [None, 0, -1, 2**24, 1.5, True, "32", [32], {}])
@pytest.mark.parametrize(("name", "key"), [(name, key) for name in SIZES for key in SIZES[name]])
def test_a_size_that_is_none_is_refused(name: str, key: str, value: object, model: ModelOf) -> None:
    """Sizes are positive whole numbers; the error names the key."""
    with refused(ModelError, key):
        resolve_architecture(_with(model(f"{name}-mean"), **{key: value}))


@pytest.mark.parametrize("change", [-1, 1, 2**22])
@pytest.mark.parametrize(
    ("name", "key"),
    [(name, key) for name in SIZES for key in SIZES[name] if "heads" not in key],
)
def test_a_size_that_the_weights_contradict_is_refused(
    name: str, key: str, change: int, model: ModelOf
) -> None:
    """Smaller, larger and much larger: in no time, and without the memory it asks for."""
    tiny = model(f"{name}-mean")
    if change == -1 and "layers" in key:
        return  # fewer layers than the file has is a model that transformers cuts, too
    with refused(ModelError):
        build_keras_model(_with(tiny, **{key: tiny.config[key] + change}))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"position_embedding_type": "relative_key_query"}, "relative_key_query"),
        ({"position_embedding_type": ["absolute"]}, "position embeddings"),
        ({"is_decoder": True}, "is_decoder"),
        ({"hidden_act": "silu"}, "'silu' is not among gelu, "),
        ({"hidden_act": None}, "not among gelu"),
        ({"hidden_act": {"a": "b" * 10_000}}, "not among gelu"),
        ({"num_attention_heads": 5}, "do not divide by 5"),
        ({"layer_norm_eps": 1}, "layer_norm_eps"),
        ({"layer_norm_eps": -1e-12}, "layer_norm_eps"),
        ({"layer_norm_eps": "small"}, "layer_norm_eps"),
    ],
)
def test_what_the_encoder_cannot_compute_is_refused(
    change: dict[str, Any], match: str, model: ModelOf
) -> None:
    """A model that we would compute otherwise than its authors is no model of ours."""
    with refused(ModelError, match):
        encoder_weights(_with(model("bert-mean"), **change))


@pytest.mark.parametrize("pad", [-1, 129, 10**9, "1", True])
def test_roberta_positions_must_be_left_after_padding(pad: object, model: ModelOf) -> None:
    """The first token takes row pad_token_id + 1, which must be in the table."""
    with refused(ModelError, "pad_token_id"):
        resolve_architecture(_with(model("roberta-mean"), pad_token_id=pad))


@pytest.mark.parametrize("name", EVERY_HEAD)
def test_every_missing_weight_is_noticed(name: str, model: ModelOf) -> None:
    """Without any one of its weights a model is refused, and the error names the weight."""
    whole = model(name)
    for lost in whole.weights:
        rest = {key: value for key, value in whole.weights.items() if key != lost}
        with refused(ModelError, f"lack {lost.partition('.')[2]}|lack {lost}"):
            encoder_weights(dataclasses.replace(whole, weights=rest))


@pytest.mark.parametrize("name", EVERY_HEAD)
def test_every_weight_of_another_shape_is_noticed(name: str, model: ModelOf) -> None:
    """One row more, transposed, or a dimension more: each is refused for each weight."""
    whole = model(name)
    for key, value in whole.weights.items():
        changes = [np.concatenate([value, value[:1]]), value[None], value[..., :0]]
        if value.ndim == 2 and value.shape[0] != value.shape[1]:
            changes.append(value.T)
        for changed in changes:
            weights = {**whole.weights, key: changed}
            with refused(ModelError, "config.json asks for|dimensions"):
                encoder_weights(dataclasses.replace(whole, weights=weights))


@pytest.mark.parametrize("name", EVERY_HEAD)
def test_names_of_old_files_are_read(name: str, model: ModelOf) -> None:
    """gamma and beta for LayerNorm, and an encoder's weights under the model's prefix or bare."""
    new = model(name)
    prefix = f"{new.architecture}."
    old = {_old(key, prefix): value for key, value in new.weights.items()}
    assert set(old).isdisjoint(key for key in new.weights if "orm" in key)
    found = encoder_weights(dataclasses.replace(new, weights=old)).arrays
    for key, value in encoder_weights(new).arrays.items():
        np.testing.assert_array_equal(found[key], value)


def _old(key: str, prefix: str) -> str:
    if "orm." in key:
        key = key.replace(".weight", ".gamma").replace(".bias", ".beta")
    return key.removeprefix(prefix) if key.startswith(prefix) else prefix + key


def test_token_types_are_an_input_only_where_they_differ(model: ModelOf) -> None:
    """One type is part of the graph; two are an input; DistilBERT has none."""
    two = ("input_ids", "attention_mask", "token_type_ids")
    assert input_names(model("bert-mean")) == two
    assert input_names(model("roberta-two-token-types")) == two
    for name in ("bert-one-token-type", "distilbert-mean", "roberta-mean"):
        assert input_names(model(name)) == two[:2]


def test_outputs_are_named_by_the_task(model: ModelOf) -> None:
    """Users read `embedding` or `logits`."""
    assert output_name(model("bert-cls")) == "embedding"
    assert output_name(model("roberta-classification")) == "logits"


def test_another_keras_backend_is_refused_with_a_hint(
    model: ModelOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TFLite files are made through TensorFlow only."""
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with refused(InputError, "jax.*KERAS_BACKEND"):
        convert_to_tflite(model("bert-mean"), (16,))


@pytest.fixture(scope="module", params=["bert-mean", "distilbert-classification", "roberta-mean"])
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A sound model, to be given odd configurations."""
    architecture, _, head = request.param.partition("-")
    return checkpoint(tmp_path_factory.mktemp("sound") / "model", architecture, head)


@given(data=st.data(), value=NONSENSE)
def test_any_value_in_a_configuration_is_used_or_refused(
    sound: Checkpoint, data: st.DataObject, value: object
) -> None:
    """Whatever stands under a key, the result is a checked encoder or one line."""
    key = data.draw(st.sampled_from([*sound.config, "is_decoder", "position_embedding_type"]))
    try:
        found = encoder_weights(_with(sound, **{key: value}))
    except ModelError as error:
        one_line.check(error, ModelError)
    else:
        rows = found.arrays["embeddings.word"].shape
        assert rows == (found.config.vocabulary, found.config.hidden)
