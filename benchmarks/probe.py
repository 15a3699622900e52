"""A linear probe trained on float embeddings and tested on the embeddings of every artifact.

    python -m benchmarks.probe build/pixel banking77/train.csv

The probe is softmax regression on unit-length embeddings, trained by gradient descent with
momentum on four fifths of the rows and tested on the last fifth, chosen by a hash of the text, so
that runs agree. One probe serves the embeddings of all artifacts: its accuracy shows what drift
costs a classifier.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_bert import Bundle
from edge_bert.cli.console import error_boundary
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.records.checkpoint import FloatArray

ITERATIONS, RATE, MOMENTUM = 400, 20.0, 0.9
TEST_FIFTH = 0


def select_test_rows(data: EvaluationSet) -> npt.NDArray[np.bool_]:
    """True for the test rows: a fifth, by a hash of the sentence."""
    digests = [hashlib.sha256(text.encode()).digest()[0] % 5 for text in data.sentences]
    return np.array([digest == TEST_FIFTH for digest in digests], np.bool_)


def train_probe(rows: FloatArray, classes: npt.NDArray[np.int64], count: int) -> FloatArray:
    """The weights [hidden + 1, classes] of softmax regression on `rows` [n, hidden]."""
    inputs = _with_one(rows)
    weights = np.zeros((inputs.shape[1], count), np.float32)
    speed = np.zeros_like(weights)
    expected = np.eye(count, dtype=np.float32)[classes]
    for _ in range(ITERATIONS):
        logits = inputs @ weights
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        error = powers / powers.sum(axis=1, keepdims=True) - expected
        speed = MOMENTUM * speed - RATE / len(inputs) * (inputs.T @ error)
        weights += speed
    return weights


def probe_accuracy(weights: FloatArray, rows: FloatArray, classes: npt.NDArray[np.int64]) -> float:
    """The share of `rows` whose class the probe names."""
    return float(np.mean((_with_one(rows) @ weights).argmax(axis=1) == classes))


def _with_one(rows: FloatArray) -> FloatArray:
    return np.concatenate([rows, np.ones((len(rows), 1), np.float32)], axis=1)


def main() -> None:
    """Print the accuracy of the probe on every artifact of a bundle."""
    parser = argparse.ArgumentParser(description="A linear probe on every artifact of a bundle.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument(
        "data", help="labelled sentences, such as FILE.csv:text=text,label=category"
    )
    arguments = parser.parse_args()
    with error_boundary():
        bundle, data = Bundle.open(arguments.bundle), parse_reference(arguments.data)
        names = sorted({str(label) for label in data.labels})
        classes = np.array([names.index(str(label)) for label in data.labels])
        test = select_test_rows(data)
        reference = bundle.encode(data.sentences, "float32")
        weights = train_probe(reference[~test], classes[~test], len(names))
        tested = [text for text, is_test in zip(data.sentences, test, strict=True) if is_test]
        best = probe_accuracy(weights, reference[test], classes[test])
        for artifact in bundle.manifest.artifacts:
            accuracy = probe_accuracy(weights, bundle.encode(tested, artifact.name), classes[test])
            change = accuracy - best
            sys.stdout.write(f"{artifact.name}\t{100 * accuracy:.2f}\t{100 * change:+.2f}\n")


if __name__ == "__main__":
    main()
