"""Tags of tokens (BIO, IOB1, BILOU, BIOES) as entities of a text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edge_bert.records.spans import EntitySpan

OUTSIDE = "O"
_TAG = re.compile(r"O|(?P<prefix>[BIELSU])[-_](?P<kind>.+)", re.S)


def is_tag(text: str) -> bool:
    """Whether `text` is `O`, or a prefix of the schemes, a hyphen (or underscore) and a type."""
    return _TAG.fullmatch(text) is not None


def join_tags(tags: Sequence[str]) -> list[EntitySpan]:
    """The entities that tags spell, in numbers of tokens instead of characters.

    All schemes are read as one: B, S and U begin an entity, and so does another prefix whose
    type differs from that of the tag before; E, L, S and U end one. Source: `conlleval` of the
    CoNLL-2000 shared task, which reads malformed sequences so. Raises ValueError for no tag.
    """
    spans: list[EntitySpan] = []
    is_open = False
    for index, tag in enumerate(tags):
        match = _TAG.fullmatch(tag)
        if match is None:
            raise ValueError(f"{tag!r} is no tag")
        prefix, kind = match["prefix"], match["kind"]
        if prefix is None:
            is_open = False
            continue
        if is_open and prefix not in "BSU" and spans[-1].label == kind:
            spans[-1] = EntitySpan(spans[-1].start, index + 1, kind)
        else:
            spans.append(EntitySpan(index, index + 1, kind))
        is_open = prefix not in "ELSU"
    return spans


def join_tokens(tokens: Sequence[str], tags: Sequence[str]) -> tuple[str, tuple[EntitySpan, ...]]:
    """The text of tokens with a space between them, and its entities in characters of it."""
    starts, position = [], 0
    for token in tokens:
        starts.append(position)
        position += len(token) + 1
    entities = tuple(
        EntitySpan(
            start=starts[span.start],
            end=starts[span.end - 1] + len(tokens[span.end - 1]),
            label=span.label,
        )
        for span in join_tags(tags)
    )
    return " ".join(tokens), entities
