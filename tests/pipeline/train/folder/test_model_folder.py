"""Model folders that are written: edge-bert reads the same weights, and so do others."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from edge_bert.compress.train.new_head import add_classifier, strip_head
from edge_bert.data.buckets import encode_unpadded
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.architectures.registry import ARCHITECTURES
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.numpy_forward import run_encoder
from edge_bert.encoder.weights import DenseWeights, EncoderWeights, HeadDense, LayerWeights
from edge_bert.errors import ModelError
from edge_bert.pipeline.train.folder.model_folder import write_model_folder
from edge_bert.records.checkpoint import Checkpoint, Head, Pooling, Task
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.tiny import models

TEXTS = ["the first of two texts", "short"]
LABELS = ("no", "yes", "maybe")


def encode(checkpoint: Checkpoint, weights: EncoderWeights) -> np.ndarray:
    """The output of a model for a few texts."""
    tokenizer = Tokenizer.open_file(checkpoint.tokenizer, checkpoint.max_length)
    return run_encoder(weights, encode_unpadded(tokenizer, weights.input_names, TEXTS))


def write(weights: EncoderWeights, checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    """The folder of these weights, read again."""
    folder.mkdir()
    write_model_folder(weights, checkpoint, folder)
    return load_checkpoint(str(folder), folder.parent)


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "roberta", "electra", "albert"])
def test_an_embedding_model_comes_back(architecture: str, tmp_path: Path) -> None:
    """The same arrays, bit for bit, and the same head."""
    checkpoint = models.checkpoint(tmp_path / "m", architecture, "mean-normalize")
    weights = encoder_weights(checkpoint)
    read = write(weights, checkpoint, tmp_path / "written")
    again = encoder_weights(read)
    assert read.head == checkpoint.head
    assert weights.arrays.keys() == again.arrays.keys()
    for name, array in weights.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array, err_msg=name)


def keep_heads(layer: LayerWeights, heads: tuple[int, ...], size: int) -> LayerWeights:
    """A layer with these of its heads, each `size` channels wide."""
    channels = [head * size + channel for head in heads for channel in range(size)]
    assert layer.relative_bias is not None

    def select(dense: DenseWeights) -> DenseWeights:
        return DenseWeights(dense.kernel[:, channels], dense.bias[channels])

    output = layer.attention_output
    return dataclasses.replace(
        layer,
        query=select(layer.query),
        key=select(layer.key),
        value=select(layer.value),
        attention_output=DenseWeights(output.kernel[channels], output.bias),
        relative_bias=layer.relative_bias[:, list(heads)],
    )


@pytest.mark.parametrize("heads", [((0,), (1, 2)), ((0, 1), (2, 3))])
def test_layers_with_other_heads_keep_their_relative_biases(
    heads: tuple[tuple[int, ...], ...], tmp_path: Path
) -> None:
    """MPNet has one table for all layers, of which each layer's heads read their own columns."""
    checkpoint = models.checkpoint(tmp_path / "m", "mpnet", "mean-normalize")
    weights = encoder_weights(checkpoint)
    pairs = zip(weights.layers, heads, strict=True)
    size = weights.config.head_size
    weights = weights.with_layers([keep_heads(layer, kept, size) for layer, kept in pairs])
    again = encoder_weights(write(weights, checkpoint, tmp_path / "written"))
    assert weights.arrays.keys() == again.arrays.keys()
    for name, array in weights.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array, err_msg=name)


@pytest.mark.parametrize("layers", [(0, 1), (1,)])
def test_sentence_transformers_opens_a_model_with_fewer_layers(
    layers: tuple[int, ...], tmp_path: Path
) -> None:
    """And gives the vectors that edge-bert gives."""
    from sentence_transformers import SentenceTransformer

    checkpoint = models.checkpoint(tmp_path / "m", "bert", "mean-normalize")
    weights = encoder_weights(checkpoint)
    weights = weights.with_layers([weights.layers[layer] for layer in layers])
    write(weights, checkpoint, tmp_path / "written")
    expected = SentenceTransformer(str(tmp_path / "written"), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(encode(checkpoint, weights), expected, atol=1e-4)


def test_a_classifier_on_pooled_tokens_comes_back(tmp_path: Path) -> None:
    """transformers has no class for it; edge_bert.json says what it is."""
    checkpoint = models.checkpoint(tmp_path / "m", "bert", "mean-normalize")
    stripped = strip_head(encoder_weights(checkpoint))
    vectors, classes = encode(checkpoint, stripped), np.array([0, 2], np.int32)
    weights = add_classifier(stripped, LABELS, "softmax", vectors, classes)
    read = write(weights, checkpoint, tmp_path / "written")
    assert (read.head.task, read.head.labels) == (Task.CLASSIFICATION, LABELS)
    assert read.head.activation == "softmax"
    np.testing.assert_allclose(
        encode(read, encoder_weights(read)), encode(checkpoint, weights), atol=1e-5
    )


def test_a_new_classifier_knows_its_classes(tmp_path: Path) -> None:
    """Each text scores highest in its own class, before any step of training."""
    checkpoint = models.checkpoint(tmp_path / "m", "bert", "mean-normalize")
    stripped = strip_head(encoder_weights(checkpoint))
    vectors, classes = encode(checkpoint, stripped), np.array([0, 2], np.int32)
    weights = add_classifier(stripped, LABELS, "softmax", vectors, classes)
    assert encode(checkpoint, weights).argmax(axis=1).tolist() == [0, 2]


def pruned(weights: EncoderWeights) -> EncoderWeights:
    """Layers that differ: fewer neurons in the first, fewer heads in the second."""
    first, second = weights.layers
    ffn_in, ffn_out = first.ffn_in, first.ffn_out
    width = weights.config.head_size * 2
    return weights.with_layers(
        [
            dataclasses.replace(
                first,
                ffn_in=dataclasses.replace(
                    ffn_in, kernel=ffn_in.kernel[:, :9], bias=ffn_in.bias[:9]
                ),
                ffn_out=dataclasses.replace(ffn_out, kernel=ffn_out.kernel[:9]),
            ),
            dataclasses.replace(
                second,
                **{
                    name: dataclasses.replace(
                        getattr(second, name),
                        kernel=getattr(second, name).kernel[:, :width],
                        bias=getattr(second, name).bias[:width],
                    )
                    for name in ("query", "key", "value")
                },
                attention_output=dataclasses.replace(
                    second.attention_output, kernel=second.attention_output.kernel[:width]
                ),
            ),
        ]
    )


def test_a_pruned_encoder_comes_back_and_others_refuse_it(tmp_path: Path) -> None:
    """config.json names no type that transformers would read wrongly."""
    from transformers import AutoConfig

    checkpoint = models.checkpoint(tmp_path / "m", "bert", "mean-normalize")
    weights = pruned(encoder_weights(checkpoint))
    read = write(weights, checkpoint, tmp_path / "written")
    again = encoder_weights(read)
    assert (again.config.heads, again.config.ffn) == ((4, 2), (9, 64))
    np.testing.assert_array_equal(encode(read, again), encode(checkpoint, weights))
    with pytest.raises(ValueError, match="edge-bert"):
        AutoConfig.from_pretrained(str(tmp_path / "written"))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"format_version": 9}, "format version 9"),
        ({"heads": [4]}, "differ in their layers"),
        ({"heads": []}, "differ in their layers"),
        ({"ffn": [0, 64]}, "JSON it should"),
        ({"head_size": "8"}, "JSON it should"),
        ({"task": "magic"}, "JSON it should"),
        ({"heads": [4, 3]}, "asks for"),
    ],
)
def test_a_damaged_structure_is_refused(
    change: dict[str, object], match: str, tmp_path: Path
) -> None:
    """One line that says what is wrong."""
    checkpoint = models.checkpoint(tmp_path / "m", "bert", "mean-normalize")
    write(pruned(encoder_weights(checkpoint)), checkpoint, tmp_path / "written")
    models.change_json(tmp_path / "written" / "edge_bert.json", **change)
    with refused(ModelError, match):
        encoder_weights(load_checkpoint(str(tmp_path / "written"), tmp_path))


FAMILIES = ("bert", "distilbert", "roberta", "xlm-roberta", "albert", "electra", "mpnet")
HEADS = {
    "tags": (Head(Task.TOKEN_CLASSIFICATION, (), labels=LABELS, activation="softmax"), None),
    "span": (Head(Task.QUESTION_ANSWERING, ()), None),
    "one of many": (
        Head(Task.CLASSIFICATION, (Pooling.CLS,), labels=LABELS, activation="softmax"),
        "single_label_classification",
    ),
    "many at once": (
        Head(Task.CLASSIFICATION, (Pooling.CLS,), labels=LABELS, activation="sigmoid"),
        "multi_label_classification",
    ),
    "number": (Head(Task.CLASSIFICATION, (Pooling.CLS,), labels=("score",)), "regression"),
}


def with_head(checkpoint: Checkpoint, head: Head) -> EncoderWeights:
    """The encoder with a random head, laid out as the architecture's own."""
    weights, random = encoder_weights(checkpoint), np.random.default_rng(0)
    hidden, outputs = weights.config.hidden, len(head.labels) or 2
    names = ARCHITECTURES[checkpoint.architecture].head
    widths = [outputs] if head.gives_tokens else [hidden] * (len(names) - 1) + [outputs]
    layers = tuple(
        HeadDense(
            random.standard_normal((hidden, width)).astype(np.float32) / 4,
            random.standard_normal(width).astype(np.float32),
            "linear" if head.gives_tokens else dense.activation,
        )
        for dense, width in zip(names[-len(widths) :], widths, strict=True)
    )
    return dataclasses.replace(weights, head=head, head_layers=layers, output_name="logits")


@pytest.mark.parametrize(
    ("architecture", "kind"),
    [("bert", kind) for kind in HEADS]
    + [(family, kind) for family in FAMILIES[1:] for kind in ("tags", "span", "number")],
)
def test_transformers_opens_a_head_and_computes_the_same(
    architecture: str, kind: str, tmp_path: Path
) -> None:
    """By the class that config.json names, no weight missing or left over; so does edge-bert."""
    import torch
    import transformers

    checkpoint = models.checkpoint(tmp_path / "m", architecture, "mean")
    (head, problem) = HEADS[kind]
    weights = with_head(checkpoint, head)
    read = write(weights, checkpoint, tmp_path / "written")
    assert read.head == head
    again = encoder_weights(read)
    for name, array in weights.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array, err_msg=name)
    config = transformers.AutoConfig.from_pretrained(tmp_path / "written")
    assert config.problem_type == problem
    opener = getattr(transformers, config.architectures[0])
    model, report = opener.from_pretrained(tmp_path / "written", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    tokenizer = Tokenizer.open_file(checkpoint.tokenizer, checkpoint.max_length)
    (sentence,) = encode_unpadded(tokenizer, weights.input_names, TEXTS[:1])
    with torch.no_grad():
        inputs = {name: torch.tensor(np.atleast_2d(ids)) for name, ids in sentence.items()}
        outputs = model.eval()(**inputs)
    if kind == "span":
        expected = torch.stack([outputs.start_logits, outputs.end_logits], -1)[0]
    else:
        expected = outputs.logits[0]
    actual = run_encoder(weights, [sentence])
    np.testing.assert_allclose(actual.reshape(expected.shape), expected, atol=2e-4)


@pytest.mark.parametrize("kind", HEADS)
def test_a_pruned_encoder_keeps_its_head(kind: str, tmp_path: Path) -> None:
    """edge_bert.json says the task, the labels and what their logits become."""
    checkpoint = models.checkpoint(tmp_path / "m", "bert", "mean")
    weights = pruned(with_head(checkpoint, HEADS[kind][0]))
    read = write(weights, checkpoint, tmp_path / "written")
    assert read.head == weights.head
    np.testing.assert_allclose(
        encode(read, encoder_weights(read)), encode(checkpoint, weights), atol=1e-5
    )


def test_what_config_json_said_of_another_head_is_gone(tmp_path: Path) -> None:
    """A regression's problem_type must not stay beside a classifier."""
    checkpoint = models.checkpoint(
        tmp_path / "m", "bert", "classification", problem_type="multi_label_classification"
    )
    write(with_head(checkpoint, HEADS["one of many"][0]), checkpoint, tmp_path / "new")
    config = json.loads((tmp_path / "new" / "config.json").read_text("utf-8"))
    assert config["problem_type"] == "single_label_classification"
    assert list(config["label2id"]) == list(LABELS)
    write(strip_head(encoder_weights(checkpoint)), checkpoint, tmp_path / "bare")
    config = json.loads((tmp_path / "bare" / "config.json").read_text("utf-8"))
    assert not {"problem_type", "id2label", "architectures"} & set(config)
