"""Other ways to store the word table in fewer bytes, compared in numpy before any is built.

    python -m benchmarks.table_forms stsb:sts-dev.csv --pairs 300

Prints, for every form, its bytes and what the encoder, all else in float32, makes of the table that
it gives back: the drop in Spearman (points of 100) and the cosine to the original.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable

import numpy as np

from benchmarks.float_deviation import make_pair_scorer, take_first_pairs
from edge_bert.cli.console import error_boundary
from edge_bert.data.evaluation import parse_reference
from edge_bert.encoder import numpy_forward
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.evaluate.drift import measure_drift
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.quantize import blockwise
from edge_bert.quantize.uniform import quantize_int8, round_to_step
from edge_bert.records.checkpoint import FloatArray

Stored = tuple[FloatArray, int]  # the table given back, and its bytes
ROUNDS = 12  # of k-means
HEAD = "form\tMB\tSpearman drop\tcosine mean\tcosine min\n"


def store_int8_columns(table: FloatArray) -> Stored:
    """int8, a float32 scale per column: what wi8_afp32 has."""
    values, scales = quantize_int8(table, axis=1)
    return values * scales, values.size + 4 * scales.size


def store_int4(table: FloatArray, block: int) -> Stored:
    """int4, a float16 scale per block of a row."""
    values, scales = blockwise.quantize_blockwise(table, block)
    return blockwise.dequantize_blockwise(values, scales), values.size // 2 + 2 * scales.size


def store_int2(table: FloatArray, block: int) -> Stored:
    """int2 (-2 to 1), a float16 scale per block: the best of 30, its sign included."""
    blocks = table.reshape(len(table), -1, block)
    largest = np.abs(blocks).max(axis=-1, keepdims=True)
    least_error, best = np.full(largest.shape, np.inf), np.zeros_like(blocks)
    for share in np.concatenate([np.linspace(0.2, 0.9, 15), -np.linspace(0.2, 0.9, 15)]):
        scale = (largest * share).astype(np.float16).astype(np.float32)
        scale = np.where(scale == 0, 1, scale)
        rounded = round_to_step(blocks, scale, -2, 1) * scale
        error = np.square(rounded - blocks).sum(axis=-1, keepdims=True)
        best = np.where(error < least_error, rounded, best)
        least_error = np.minimum(error, least_error)
    return best.reshape(table.shape), table.size // 4 + 2 * largest.size


def store_int4_and_int2(table: FloatArray) -> Stored:
    """Residual quantization: int4 per row, plus int2 per row of its error."""
    first, size = store_int4(table, table.shape[1])
    second, more = store_int2(table - first, table.shape[1])
    return first + second, size + more


def store_low_rank(table: FloatArray, rank: int) -> Stored:
    """int8 rows of `rank` numbers times a float32 matrix, from the singular values."""
    u, singular, vt = np.linalg.svd(table, full_matrices=False)
    rows, scales = quantize_int8((u * singular)[:, :rank].astype(np.float32), axis=1)
    return (rows * scales) @ vt[:rank], rows.size + 4 * rank * table.shape[1]


def store_codebooks(table: FloatArray, width: int) -> Stored:
    """Product quantization (Jégou et al. 2011): a byte for one of 256 centroids of `width` values.

    Each subspace of a row has a codebook of its own, made by k-means.
    """
    decoded = np.empty_like(table)
    random = np.random.RandomState(0)
    for column in range(0, table.shape[1], width):
        subvectors = table[:, column : column + width]
        centroids = subvectors[random.choice(len(subvectors), 256, replace=False)]
        for _ in range(ROUNDS):
            distances = np.square(centroids).sum(1) - 2 * subvectors @ centroids.T
            code = distances.argmin(axis=1)
            counts = np.maximum(np.bincount(code, minlength=256), 1)[:, None]
            sums = [np.bincount(code, values, minlength=256) for values in subvectors.T]
            centroids = (np.stack(sums, axis=1) / counts).astype(np.float32)
        decoded[:, column : column + width] = centroids[code]
    return decoded, table.size // width + 256 * 4 * table.shape[1]


FORMS: dict[str, Callable[[FloatArray], Stored]] = {
    "int8, scale per column": store_int8_columns,
    "int4, scale per row": lambda table: store_int4(table, table.shape[1]),
    "int4 in 64": lambda table: store_int4(table, 64),
    "int4 in 32": lambda table: store_int4(table, 32),
    "int4 and int2 added": store_int4_and_int2,
    "int2 in 32": lambda table: store_int2(table, 32),
    "int2, scale per row": lambda table: store_int2(table, table.shape[1]),
    "rank 192 in int8": lambda table: store_low_rank(table, 192),
    "codebooks, 2 values a byte": lambda table: store_codebooks(table, 2),
    "codebooks, 4 values a byte": lambda table: store_codebooks(table, 4),
}


def embed_texts(weights: EncoderWeights, session: BuildSession, texts: list[str]) -> FloatArray:
    """The encoder's outputs [n, hidden] in float."""
    encodings = session.tokenizer.encode_batch(tuple(texts))
    sentences = [{"input_ids": np.array([encoding.ids], np.int32)} for encoding in encodings]
    return numpy_forward.run_encoder(weights, sentences)


def main() -> None:
    """Print a line for every form."""
    parser = argparse.ArgumentParser(description="Forms of the word table.")
    parser.add_argument("data", help="pairs with scores, such as stsb:sts-dev.csv")
    parser.add_argument("--pairs", type=int, help="the first so many pairs only")
    arguments = parser.parse_args()
    with error_boundary():
        data = take_first_pairs(parse_reference(arguments.data), arguments.pairs)
        session = BuildSession.open(BuildOptions(profile="pixel"))
        weights = session.weights
        texts = list(dict.fromkeys(data.sentences + data.second))
        score, expected = make_pair_scorer(data, texts), embed_texts(weights, session, texts)
        sys.stdout.write(HEAD)
        for title, form in FORMS.items():
            table, size = form(weights.embeddings.word)
            tables = dataclasses.replace(weights.embeddings, word=table)
            changed = dataclasses.replace(weights, embeddings=tables)
            actual = embed_texts(changed, session, texts)
            drift, drop = measure_drift(actual, expected), score(expected) - score(actual)
            sys.stdout.write(
                f"{title}\t{size / 1e6:.2f}\t{drop:+.2f}\t"
                f"{drift.cosine_mean:.4f}\t{drift.cosine_min:.4f}\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
