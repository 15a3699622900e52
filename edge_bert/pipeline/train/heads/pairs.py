"""Embeddings whose cosines have the order of the scores of pairs."""

from __future__ import annotations

import dataclasses

import numpy as np

from edge_bert.compress.train.examples import LabelledTexts
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.pipeline.train.heads.head_kind import HeadKind
from edge_bert.pipeline.train.heads.numbers import read_numbers
from edge_bert.pipeline.train.labels import tokenize_texts
from edge_bert.records.checkpoint import Head, Pooling, Task


def choose_head(data: EvaluationSet, own: Head | None, asked: bool) -> Head:
    """The model's own, else the mean of the tokens."""
    del asked
    read_numbers(data)
    return own or Head(Task.EMBEDDING, (Pooling.MEAN,))


def make_examples(data: EvaluationSet, tokenizer: Tokenizer, head: Head) -> LabelledTexts:
    """The first texts, the second ones, and a score for each pair [n]."""
    del head
    return LabelledTexts(
        tokenize_texts(tokenizer, data.sentences),
        np.array(data.labels, np.float32),
        tokenize_texts(tokenizer, data.second),
    )


def add_head(weights: EncoderWeights, head: Head, examples: LabelledTexts) -> EncoderWeights:
    """The encoder with its tokens pooled."""
    del examples
    return dataclasses.replace(weights, head=head, head_layers=(), output_name="embedding")


KIND = HeadKind(choose_head, make_examples, add_head)
