"""Digests of what calibration gives of one encoder, for a process with a number of threads.

The encoder is wide enough for BLAS to deal its products out to threads.
"""

from __future__ import annotations

import dataclasses
import hashlib
import sys

import numpy as np

from edge_bert.encoder.config import EncoderConfig, MatrixRole
from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.encoder.weights import (
    DenseWeights,
    EmbeddingWeights,
    EncoderWeights,
    LayerNormWeights,
    LayerWeights,
)
from edge_bert.quantize.gptq import quantize_gptq
from edge_bert.quantize.input_hessians import collect_hessians
from edge_bert.quantize.integer.calibrate.calibrate import calibrate_encoder, convert_integer
from edge_bert.quantize.norm_rows import collect_norm_rows
from edge_bert.records.checkpoint import Head, Pooling, Task

HIDDEN, FFN, VOCABULARY, LENGTH = 384, 1536, 100, 24


def wide_encoder() -> EncoderWeights:
    """One layer of MiniLM's widths, with seeded weights."""
    random = np.random.RandomState(0)
    config = EncoderConfig(
        hidden=HIDDEN,
        head_size=32,
        heads=(12,),
        ffn=(FFN,),
        vocabulary=VOCABULARY,
        positions=LENGTH,
        token_types=0,
        epsilon=1e-12,
    )

    def dense(inputs: int, outputs: int) -> DenseWeights:
        kernel = random.standard_normal((inputs, outputs)) / inputs**0.5
        return DenseWeights(kernel.astype(np.float32), np.zeros(outputs, np.float32))

    norm = LayerNormWeights(np.ones(HIDDEN, np.float32), np.zeros(HIDDEN, np.float32))
    matrices = {role.value: dense(*config.matrix_shape(role, 0)) for role in MatrixRole}
    layer = LayerWeights(**matrices, attention_norm=norm, ffn_norm=norm)
    word, position = (
        random.standard_normal((rows, HIDDEN)).astype(np.float32) for rows in (VOCABULARY, LENGTH)
    )
    return EncoderWeights(
        config=config,
        embeddings=EmbeddingWeights(word, position, None, norm, None),
        layers=(layer,),
        head=Head(Task.EMBEDDING, (Pooling.MEAN,)),
        head_layers=(),
        input_names=("input_ids", "attention_mask"),
        output_name="embedding",
    )


def seeded_sentences() -> list[Sentence]:
    random = np.random.RandomState(1)
    ids = [random.randint(0, VOCABULARY, (1, 6 + n % 18)).astype(np.int32) for n in range(48)]
    return [{"input_ids": row, "attention_mask": np.ones_like(row)} for row in ids]


def main() -> None:
    """Print a digest of each kind of statistics, and of the bytes that are made with them."""
    weights, sentences = wide_encoder(), seeded_sentences()
    (hessians,) = collect_hessians(weights, sentences)
    (rows,) = collect_norm_rows(weights, sentences)
    values, scales = quantize_gptq(weights.layers[0].ffn_in.kernel.T, hessians.ffn_input, 64)
    calibrated = calibrate_encoder(weights, sentences)
    parts = {
        "hessians": b"".join(x.tobytes() for x in dataclasses.astuple(hessians)),
        "norm rows": rows.ffn.output.power.tobytes() + repr(rows).encode(),
        "gptq": values.tobytes() + scales.tobytes(),
        "wi8_ai8": convert_integer(calibrated, [LENGTH]),
        "wi8_ai8_afp32": convert_integer(calibrated, [LENGTH], 32),
    }
    for name, data in parts.items():
        sys.stdout.write(f"{name} {hashlib.sha256(data).hexdigest()}\n")


if __name__ == "__main__":
    main()
