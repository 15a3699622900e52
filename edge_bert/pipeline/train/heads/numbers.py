"""A head of one output: a number for each text, or each pair of texts as one input."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from edge_bert.compress.train.examples import LabelledTexts
from edge_bert.compress.train.new_head import add_layer, fit_targets, scale_outputs, strip_head
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import DataError
from edge_bert.pipeline.train.heads.head_kind import HeadKind, compute_vectors
from edge_bert.pipeline.train.labels import tokenize_texts
from edge_bert.records.checkpoint import FloatArray, Head, Task

LABEL = "score"


@dataclass(frozen=True)
class Scale:
    """The mean and the deviation of numbers: training sees them as (number - mean) / deviation.

    So that one learning rate serves stars and prices; the model's own output is the number itself,
    as a regression of transformers has it.
    """

    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def of(cls, head: Head, labels: FloatArray) -> Scale:
        """That of labels [n, 1] of a head whose output is the number; 0 and 1 for other heads."""
        if head.task is not Task.CLASSIFICATION or len(head.labels) != 1:
            return cls()
        if head.activation == "sigmoid":
            return cls()
        return cls(float(labels.mean()), float(labels.std()) or 1.0)

    def standardize(
        self, weights: EncoderWeights, examples: LabelledTexts
    ) -> tuple[EncoderWeights, LabelledTexts]:
        """The head and the labels as training sees them."""
        if self == Scale():
            return weights, examples
        labels = np.asarray((examples.labels - self.mean) / self.deviation, np.float32)
        scaled = scale_outputs(weights, 1 / self.deviation, -self.mean / self.deviation)
        return scaled, dataclasses.replace(examples, labels=labels)

    def restore(self, weights: EncoderWeights) -> EncoderWeights:
        """The head with the numbers of the labels as output."""
        return weights if self == Scale() else scale_outputs(weights, self.deviation, self.mean)


def choose_head(data: EvaluationSet, own: Head | None, asked: bool) -> Head:
    """The model's one output, else a new one, whose number is that of the labels."""
    labels = read_numbers(data)
    if own is None:
        return Head(Task.CLASSIFICATION, labels=(LABEL,), activation="identity")
    if own.activation == "sigmoid" and (labels.min() < 0 or labels.max() > 1):
        if not asked:
            raise DataError(
                f"{data.name}: has scores from {labels.min():g} to {labels.max():g}, and the "
                "model's output is from 0 to 1; scale the scores, or give --head number for a new "
                "head."
            )
        return Head(Task.CLASSIFICATION, labels=(LABEL,), activation="identity")
    return own


def read_numbers(data: EvaluationSet) -> FloatArray:
    """The scores [n]. Raises DataError for labels that are none, and where all are equal."""
    if any(isinstance(label, str) for label in data.labels):
        raise DataError(f"{data.name} has names as labels; a head of one number needs numbers.")
    numbers = np.array(data.labels, np.float32)
    if np.ptp(numbers) == 0:
        raise DataError(f"{data.name}: all scores are equal; give rows with different scores.")
    return numbers


def make_examples(data: EvaluationSet, tokenizer: Tokenizer, head: Head) -> LabelledTexts:
    """Texts, or pairs of texts as one input, with their number [n, 1]."""
    del head
    numbers = np.array(data.labels, np.float32)[:, None]
    return LabelledTexts(tokenize_texts(tokenizer, data.sentences, data.second), numbers)


def add_head(weights: EncoderWeights, head: Head, examples: LabelledTexts) -> EncoderWeights:
    """A last layer that is nearest to the numbers of the texts."""
    stripped = strip_head(weights)
    dense = fit_targets(compute_vectors(stripped, examples), examples.labels)
    return add_layer(stripped, head, dense)


KIND = HeadKind(choose_head, make_examples, add_head)
