"""Losses: pure functions in `keras.ops` of what the student gives and what it should give.

Each gives one number, the mean over the texts or tokens that are there. `present` [batch] is 1
where a batch has a text, `mask` [batch, length] where a text has a token.
"""

from __future__ import annotations

from typing import Any

from keras import ops

LEAST = 1e-9
COSENT_SCALE = 20.0
FAR_BELOW = -1e9  # added to a score, exp() of the sum is 0


def cross_entropy(logits: Any, labels: Any, present: Any, smoothing: float = 0.0) -> Any:
    """Of classes [batch] and logits [batch, classes]; label smoothing as in arXiv:1512.00567."""
    classes = logits.shape[-1]
    target = ops.one_hot(labels, classes) * (1.0 - smoothing) + smoothing / classes
    return _mean(-ops.sum(target * ops.log_softmax(logits, axis=-1), axis=-1), present)


def token_cross_entropy(logits: Any, labels: Any, mask: Any, smoothing: float = 0.0) -> Any:
    """Of classes [batch, length] (below 0: not counted) and logits [batch, length, classes]."""
    counted, classes = mask * ops.cast(labels >= 0, "float32"), logits.shape[-1]
    target = ops.one_hot(ops.maximum(labels, 0), classes) * (1.0 - smoothing) + smoothing / classes
    return _mean(-ops.sum(target * ops.log_softmax(logits, axis=-1), axis=-1), counted)


def span_cross_entropy(logits: Any, spans: Any, mask: Any, present: Any) -> Any:
    """Of the first and the last token of an answer [batch, 2], and logits [batch, length, 2]."""
    scores = logits + ops.expand_dims((1.0 - mask) * FAR_BELOW, -1)
    log_probs = ops.log_softmax(scores, axis=1)
    target = ops.transpose(ops.one_hot(spans, logits.shape[1]), (0, 2, 1))
    return _mean(-ops.sum(target * log_probs, axis=(1, 2)) / 2.0, present)


def binary_cross_entropy(logits: Any, labels: Any, present: Any) -> Any:
    """Of several labels at once, 0 or 1, [batch, labels]."""
    losses = ops.maximum(logits, 0.0) - logits * labels + ops.log1p(ops.exp(-ops.abs(logits)))
    return _mean(ops.mean(losses, axis=-1), present)


def squared_error(values: Any, target: Any, present: Any) -> Any:
    """Of vectors [batch, channels]."""
    return _mean(ops.mean(ops.square(values - target), axis=-1), present)


def ranked_cosines(first: Any, second: Any, scores: Any, present: Any) -> Any:
    """How far the cosines of pairs [batch, channels] are from the order of their scores [batch].

    The logarithm of 1 + the sum of exp(20 (cosine of the lower - cosine of the higher)) over all
    two pairs of different scores: CoSENT (Su 2022, kexue.fm/archives/8847), as in CoSENTLoss of
    sentence-transformers, whose scale is 20. Only the order of the scores counts, not their range.
    """
    cosines = ops.sum(_unit(first) * _unit(second), axis=-1) * COSENT_SCALE
    lower = ops.expand_dims(scores, 1) < ops.expand_dims(scores, 0)
    there = ops.expand_dims(present, 1) * ops.expand_dims(present, 0)
    rises = ops.expand_dims(cosines, 1) - ops.expand_dims(cosines, 0)
    counted = rises + (1.0 - ops.cast(lower, "float32") * there) * FAR_BELOW
    return ops.logsumexp(ops.concatenate([ops.zeros(1), ops.reshape(counted, (-1,))]))


def soft_targets(logits: Any, teacher: Any, present: Any, temperature: float) -> Any:
    """Kullback-Leibler divergence from the teacher's classes (Hinton et al., arXiv:1503.02531).

    Times the squared temperature, so that its gradients are as large as those of labels.
    """
    target = ops.softmax(teacher / temperature, axis=-1)
    entropy = ops.sum(target * ops.log_softmax(teacher / temperature, axis=-1), axis=-1)
    crossed = ops.sum(target * ops.log_softmax(logits / temperature, axis=-1), axis=-1)
    return _mean(entropy - crossed, present) * temperature**2


def hidden_error(rows: Any, teacher: Any, mask: Any) -> Any:
    """Squared error of token vectors [batch, length, hidden] (TinyBERT, arXiv:1909.10351)."""
    return _mean(ops.mean(ops.square(rows - teacher), axis=-1), mask)


def relation_divergence(values: Any, teacher: Any, mask: Any, heads: int) -> Any:
    """Divergence of how tokens relate to each other by one kind of vectors (MiniLMv2,
    arXiv:2012.15828).

    `values` and `teacher` [batch, length, channels] may differ in channels; both are split into
    `heads`.
    """
    return _divergence(
        _relate(values, values, mask, heads), _relate(teacher, teacher, mask, heads), mask
    )


def attention_divergence(
    student: tuple[Any, Any], teacher: tuple[Any, Any], mask: Any, heads: int
) -> Any:
    """Divergence of attention maps, each of queries and keys [batch, length, channels].

    MiniLM, arXiv:2002.10957; both sides have `heads` of them.
    """
    return _divergence(_relate(*student, mask, heads), _relate(*teacher, mask, heads), mask)


def cosine_distance(vectors: Any, teacher: Any, present: Any) -> Any:
    """1 - cosine of embeddings [batch, channels]."""
    return _mean(1.0 - ops.sum(_unit(vectors) * _unit(teacher), axis=-1), present)


def similarity_error(vectors: Any, teacher: Any, present: Any) -> Any:
    """Squared error of the cosines between all texts of a batch (arXiv:1907.09682)."""
    ours = ops.matmul(_unit(vectors), ops.transpose(_unit(vectors)))
    theirs = ops.matmul(_unit(teacher), ops.transpose(_unit(teacher)))
    pairs = ops.expand_dims(present, 0) * ops.expand_dims(present, 1)
    return _mean(ops.square(ours - theirs), pairs)


def _relate(queries: Any, keys: Any, mask: Any, heads: int) -> Any:
    """Log-probabilities [batch, heads, length, length] of scaled products."""
    length, width = queries.shape[1], queries.shape[2] // heads

    def split(rows: Any) -> Any:
        return ops.transpose(ops.reshape(rows, (-1, length, heads, width)), (0, 2, 1, 3))

    scores = ops.matmul(split(queries), ops.transpose(split(keys), (0, 1, 3, 2))) / width**0.5
    bias = ops.reshape((1.0 - mask) * FAR_BELOW, (-1, 1, 1, length))
    return ops.log_softmax(scores + bias, axis=-1)


def _divergence(ours: Any, teacher: Any, mask: Any) -> Any:
    """Kullback-Leibler divergence, the mean over the rows of tokens that are there."""
    rows = ops.sum(ops.exp(teacher) * (teacher - ours), axis=-1)
    return _mean(ops.mean(rows, axis=1), mask)


def _unit(vectors: Any) -> Any:
    squared = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(squared, 1e-24))


def _mean(values: Any, weights: Any) -> Any:
    """The mean of values that count."""
    return ops.sum(values * weights) / ops.maximum(ops.sum(weights), LEAST)
