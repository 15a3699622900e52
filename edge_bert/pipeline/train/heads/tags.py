"""A classifier of tokens: entities in texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edge_bert.bundle.tag import OVERLAP, list_types, read_tags
from edge_bert.compress.train.examples import LabelledTexts
from edge_bert.data.entity_tags import OUTSIDE
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.tokenizing import Tokenizer, Window
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import DataError
from edge_bert.evaluate.entities import match_entity_types
from edge_bert.evaluate.spelling import fold_name
from edge_bert.pipeline.train.heads.head_kind import HeadKind
from edge_bert.pipeline.train.heads.matching import refuse_unknown
from edge_bert.pipeline.train.heads.token_layers import (
    NO_TARGET,
    add_token_layer,
    sample_examples,
)
from edge_bert.pipeline.train.labels import join_windows
from edge_bert.records.checkpoint import Head, Task
from edge_bert.records.spans import EntitySpan

NOT_COUNTED = -100  # the label of special tokens, as in transformers


def choose_head(data: EvaluationSet, own: Head | None, asked: bool) -> Head:
    """The model's tags where they have the data's types of entities, else BIO tags of these."""
    types = sorted(list_labels(data))
    if not types:
        raise DataError(f"{data.name}: has no entity at all; give texts with labelled entities.")
    if own is not None:
        known = {fold_name(name) for name in list_types(own)}
        unknown = [name for name in types if fold_name(name) not in known]
        if not unknown:
            return own
        if len(unknown) < len(types) and not asked:
            refuse_unknown(data.name, unknown, list_types(own))
    labels = (OUTSIDE, *(f"{prefix}-{name}" for name in types for prefix in "BI"))
    return Head(Task.TOKEN_CLASSIFICATION, (), labels=labels, activation="softmax")


def list_labels(data: EvaluationSet) -> set[str]:
    """The types of entities that occur."""
    return {entity.label for entities in data.entities for entity in entities}


def make_examples(data: EvaluationSet, tokenizer: Tokenizer, head: Head) -> LabelledTexts:
    """Texts, cut into windows where they are long, with a tag for each token [tokens].

    All tokens of a word are tagged, because all of them count when entities are read.
    """
    numbers = {tag: number for number, tag in reversed([*enumerate(read_tags(head.labels))])}
    expected = match_entity_types(data.name, data.entities, list_types(head))
    windows: list[Window] = []
    labels: list[int] = []
    for text, entities in zip(data.sentences, expected, strict=True):
        for window in tokenizer.encode_windows(text, overlap=OVERLAP):
            windows.append(window)
            labels += tag_tokens(window, entities, numbers)
    texts = join_windows(windows, tokenizer.pad_id)
    return LabelledTexts(texts, np.array(labels, np.int32), by_token=True)


def tag_tokens(
    window: Window, entities: Sequence[EntitySpan], numbers: Mapping[str, int]
) -> list[int]:
    """The number of each token's tag; NOT_COUNTED for special tokens."""
    outside = numbers.get(OUTSIDE, NOT_COUNTED)
    labels = [NOT_COUNTED if text is None else outside for text in window.sequences]
    for entity in entities:
        tokens = [
            index
            for index, (start, end) in enumerate(window.offsets)
            if window.sequences[index] is not None
            and start < entity.end
            and max(end, start + 1) > entity.start
        ]
        for place, index in enumerate(tokens):
            tag = choose_tag(entity.label, place, len(tokens), numbers)
            labels[index] = numbers[tag]
    return labels


def choose_tag(kind: str, place: int, count: int, numbers: Mapping[str, int]) -> str:
    """The tag of one token of an entity, in the scheme that the tags are of (IO to BIOES)."""
    if count == 1:
        prefixes = "USBI"
    elif place == 0:
        prefixes = "BI"
    else:
        prefixes = "LEI" if place == count - 1 else "I"
    tags = [f"{prefix}{mark}{kind}" for prefix in (*prefixes, "B") for mark in "-_"]
    return next(tag for tag in tags if tag in numbers)


def add_head(weights: EncoderWeights, head: Head, examples: LabelledTexts) -> EncoderWeights:
    """A layer that is nearest to the tags of the tokens."""
    sample = sample_examples(examples)
    targets = np.eye(len(head.labels), dtype=np.float32)[np.maximum(sample.labels, 0)]
    targets[sample.labels < 0] = NO_TARGET
    return add_token_layer(weights, head, sample, targets)


KIND = HeadKind(choose_head, make_examples, add_head, list_labels)
