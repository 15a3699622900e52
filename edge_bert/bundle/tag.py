"""Entities of texts from the labels of their tokens, over windows where a text is long."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edge_bert.data.entity_tags import OUTSIDE, is_tag, join_tags
from edge_bert.data.tokenizing import Tokenizer, Window
from edge_bert.evaluate.outputs import finish_outputs
from edge_bert.records.checkpoint import FloatArray, Head
from edge_bert.records.spans import Entity

# Raw outputs [tokens, channels] of each window, without padding.
RowsOf = Callable[[Sequence[Window]], Sequence[FloatArray]]
OVERLAP = 64  # tokens that neighboring windows share, at most half of one


def tag_texts(
    texts: Sequence[str], tokenizer: Tokenizer, head: Head, rows_of: RowsOf
) -> list[tuple[Entity, ...]]:
    """The entities of each text, in their order.

    A text longer than the tokenizer's limit goes through the model in overlapping windows; each
    token's label comes from the window in which most stands around it (Devlin et al. 2018,
    arXiv:1810.04805, did so for SQuAD).
    """
    windows = [tokenizer.encode_windows(text, overlap=OVERLAP) for text in texts]
    flat = [window for pieces in windows for window in pieces if len(window)]
    rows = iter(rows_of(flat))
    return [
        _find_entities(text, *_join_windows([(x, next(rows)) for x in pieces if len(x)]), head)
        for text, pieces in zip(texts, windows, strict=True)
    ]


def _join_windows(
    pieces: Sequence[tuple[Window, FloatArray]],
) -> tuple[list[tuple[int, int]], list[FloatArray]]:
    """Offsets and outputs of all tokens of a text, special ones left out."""
    best: dict[int, tuple[int, tuple[int, int], FloatArray]] = {}
    for window, rows in pieces:
        tokens = [index for index, text in enumerate(window.sequences) if text is not None]
        for place, index in enumerate(tokens):
            context = min(place, len(tokens) - 1 - place)
            before = best.get(window.first + place)
            if before is None or context > before[0]:
                best[window.first + place] = (context, window.offsets[index], rows[index])
    ordered = [best[place] for place in sorted(best)]
    return [offsets for _, offsets, _ in ordered], [row for _, _, row in ordered]


def _find_entities(
    text: str, offsets: Sequence[tuple[int, int]], rows: Sequence[FloatArray], head: Head
) -> tuple[Entity, ...]:
    """Neighboring tokens of one entity joined, as transformers' `simple` strategy does.

    The score is the mean of the tokens' probabilities. The last letters of BILOU and BIOES end an
    entity, which transformers does not know.
    """
    if not rows:
        return ()
    probabilities = finish_outputs(np.stack(rows), head)
    labels = probabilities.argmax(axis=-1)
    scores = probabilities.max(axis=-1)
    tags = read_tags(head.labels)
    entities = []
    for span in join_tags([tags[label] for label in labels]):
        start, end = offsets[span.start][0], offsets[span.end - 1][1]
        score = float(scores[span.start : span.end].mean())
        entities.append(Entity(span.label, score, start, end, text[start:end]))
    return tuple(entities)


def list_types(head: Head) -> tuple[str, ...]:
    """The types of entities that a model tells apart."""
    spans = (span for tag in read_tags(head.labels) for span in join_tags([tag]))
    return tuple(dict.fromkeys(span.label for span in spans))


def read_tags(labels: Sequence[str]) -> tuple[str, ...]:
    """The tag that each label of a model is; one without a prefix goes on while it is the same.

    A model whose labels are not all tags has B and I as the only prefixes.
    """
    if all(map(is_tag, labels)):
        return tuple(labels)
    return tuple(
        label if label == OUTSIDE or label.startswith(("B-", "I-")) else f"I-{label}"
        for label in labels
    )
