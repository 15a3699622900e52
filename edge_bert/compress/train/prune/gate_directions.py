"""Directions of a model's output that say which gates matter: of a loss on labels, or at random.

First order: the gradient of the loss on labels (Michel et al. 2019, arXiv:1905.10650). Second
order: directions drawn so that the mean square of the derivatives is the diagonal of the Fisher
matrix (Kwon et al. 2022, arXiv:2204.09656), which is the curvature of the distillation loss. The
unpruned model is at the minimum of that loss, where its gradient, which they square, is 0.
"""

from __future__ import annotations

import numpy as np

from edge_bert.compress.train.batches import Array
from edge_bert.encoder.numpy_ops import softmax
from edge_bert.records.checkpoint import FloatArray, Task

LEAST_LENGTH = 1e-12


def label_directions(outputs: FloatArray, labels: Array) -> FloatArray:
    """The gradient of the cross entropy by logits [n, classes]; 0 for labels below 0."""
    target = np.eye(outputs.shape[1], dtype=np.float32)[np.maximum(labels, 0)]
    known = (np.asarray(labels) >= 0)[:, None]
    return np.asarray((softmax(outputs) - target) * known, np.float32)


def fisher_directions(outputs: FloatArray, task: Task, seed: int) -> FloatArray:
    """A random direction for each output [n, width].

    Of a classifier: the gradient of the log-probability of a class that is drawn from what the
    model says. Of an embedding: a normal vector, in the plane in which its cosine changes.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    if task is Task.CLASSIFICATION:
        shares = softmax(outputs)
        below = shares.cumsum(axis=1) < random.random((len(outputs), 1))
        classes = np.minimum(below.sum(axis=1), outputs.shape[1] - 1)
        return np.asarray(np.eye(outputs.shape[1])[classes] - shares, np.float32)
    lengths = np.maximum(np.linalg.norm(outputs, axis=1, keepdims=True), LEAST_LENGTH)
    unit = outputs / lengths
    drawn = random.standard_normal(outputs.shape)
    across = drawn - (drawn * unit).sum(axis=1, keepdims=True) * unit
    return np.asarray(across / lengths, np.float32)
