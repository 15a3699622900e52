"""Tiny models that go on with fewer tokens after some of their layers."""

from __future__ import annotations

import dataclasses
import functools
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.token_cuts import Cuts, TokenCut
from tests.tiny import models

CUTS = (TokenCut(1, 60), TokenCut(2, 30))
LAYERS, LENGTHS, COUNTS = 3, (16, 64), (3, 4, 12, 33, 64)
Inputs = dict[str, np.ndarray]


@functools.cache
def make_weights(
    cuts: Cuts = CUTS, architecture: str = "bert", head: str = "mean-normalize"
) -> EncoderWeights:
    """A model of three layers with these cuts."""
    with tempfile.TemporaryDirectory() as folder:
        sizes = {"num_hidden_layers": LAYERS}
        checkpoint = models.checkpoint(Path(folder) / "m", architecture, head, **sizes)
        return encoder_weights(dataclasses.replace(checkpoint, cuts=cuts))


@functools.cache
def make_file() -> bytes:
    """The float32 file of the model, a signature for each of LENGTHS."""
    from edge_bert.convert.keras_to_tflite import convert_to_tflite

    return convert_to_tflite(make_weights(), LENGTHS)


def write(folder: Path, head: str = "mean-normalize", **values: Any) -> Path:
    """A folder with such a model; `values` replace fields of tokens.json."""
    models.write(folder, "bert", head, num_hidden_layers=LAYERS)
    cuts = [{"after": cut.after, "percent": cut.percent} for cut in CUTS]
    schedule = {"format_version": 1, "cuts": cuts} | values
    (folder / "tokens.json").write_text(json.dumps(schedule), "utf-8")
    return folder


def draw_texts(names: Sequence[str], counts: Sequence[int] = COUNTS) -> list[Inputs]:
    """Texts of random tokens, int32 [1, n] each without padding."""
    random = np.random.default_rng(3)
    texts = []
    for count in counts:
        ids = random.integers(5, 40, (1, count)).astype(np.int32)
        whole = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        whole["token_type_ids"] = np.zeros_like(ids)
        texts.append({name: whole[name] for name in names})
    return texts


def pad_texts(texts: Sequence[Inputs], length: int) -> Inputs:
    """The texts as one batch [texts, length]."""
    return {
        name: np.concatenate(
            [np.pad(x[name], ((0, 0), (0, length - x[name].shape[1]))) for x in texts]
        )
        for name in texts[0]
    }
