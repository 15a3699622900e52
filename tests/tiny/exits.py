"""Tiny models with exits, whose heads have seeded weights."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.weights import DenseWeights, EncoderWeights, ExitWeights, HeadDense
from edge_bert.formats.tflite import flatbuffer
from edge_bert.records.checkpoint import Task
from tests.tiny import models

LAYERS, AFTER, LENGTHS = 3, (1, 2), (8, 16)
Inputs = dict[str, np.ndarray]


def add_exits(weights: EncoderWeights, after: Sequence[int] = AFTER) -> EncoderWeights:
    """`weights` with an exit after each of these layers; embeddings with predicted agreement."""
    random = np.random.default_rng(7)
    hidden, embeds = weights.config.hidden, weights.head.task is Task.EMBEDDING

    def dense(outputs: int) -> DenseWeights:
        kernel = random.normal(0, 0.3, (hidden, outputs)).astype(np.float32)
        return DenseWeights(kernel, random.normal(0, 0.1, outputs).astype(np.float32))

    def head() -> HeadDense:
        layer = dense(hidden if embeds else len(weights.head.labels))
        return HeadDense(layer.kernel, layer.bias)

    exits = (ExitWeights(x, weights.head, (head(),), dense(1) if embeds else None) for x in after)
    return dataclasses.replace(weights, exits=tuple(exits))


@functools.cache
def make_weights(head: str = "mean-normalize", **config: Any) -> EncoderWeights:
    """A BERT of three layers with exits after the first two."""
    with tempfile.TemporaryDirectory() as folder:
        sizes = {"num_hidden_layers": LAYERS} | config
        return add_exits(
            encoder_weights(models.checkpoint(Path(folder) / "m", "bert", head, **sizes))
        )


def make_inputs(weights: EncoderWeights, length: int, tokens: int) -> Inputs:
    """One padded text of random tokens, int32 [1, length] each."""
    ids = np.zeros((1, length), np.int32)
    ids[0, :tokens] = np.random.default_rng(length + tokens).integers(5, 40, tokens)
    mask = (np.arange(length)[None] < tokens).astype(np.int32)
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    return {name: inputs[name] for name in weights.input_names}


def remove_stages(data: bytes) -> bytes:
    """The file with its whole paths alone, and without the heads of exits."""
    model = flatbuffer.read_model(data)
    whole = [x for x in model.signatureDefs if x.signatureKey.decode().startswith("length")]
    model.subgraphs = [model.subgraphs[entry.subgraphIndex] for entry in whole]
    for index, entry in enumerate(whole):
        entry.subgraphIndex = index
    model.signatureDefs = whole
    return flatbuffer.write_model(model)


class StagedFile:
    """A file with stages on this host's runtime."""

    def __init__(self, data: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.interpreter = Interpreter(model_content=data, num_threads=1)

    def run(self, name: str, inputs: Mapping[str, Any]) -> Inputs:
        """What a signature gives for those of `inputs` that it takes."""
        runner = self.interpreter.get_signature_runner(name)
        return dict(runner(**{key: inputs[key] for key in runner.get_input_details()}))

    def run_stages(self, inputs: Inputs, names: Sequence[str]) -> list[Inputs]:
        """What each stage gives, in order, rows handed from one to the next."""
        outputs: list[Inputs] = [{}]
        for name in names:
            outputs.append(self.run(name, inputs | outputs[-1]))
        return outputs[1:]


def list_names(length: int) -> list[str]:
    """The stages of a length."""
    return [f"start_{length}_1", f"continue_{length}_1_2", f"continue_{length}_2_3"]
