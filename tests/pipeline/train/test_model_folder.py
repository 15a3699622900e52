"""Model folders that are written: edge-bert reads the same weights, and so do others."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edge_bert.compress.train.new_head import add_classifier, strip_head
from edge_bert.data.buckets import encode_unpadded
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.numpy_forward import run_encoder
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import ModelError
from edge_bert.pipeline.train.model_folder import write_model_folder
from edge_bert.records.checkpoint import Checkpoint, Task
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
