"""Spans of characters in a text."""

from __future__ import annotations

from edge_bert.records.base import Record


class EntitySpan(Record, frozen=True):
    """An entity of a text: its characters `start` up to, not including, `end`, and its type."""

    start: int
    end: int
    label: str


class Entity(Record, frozen=True):
    """An entity that a model found: its type, how sure the model is (0 to 1), and its characters.

    `word` is what the text has from `start` up to `end`.
    """

    label: str
    score: float
    start: int
    end: int
    word: str


class Answer(Record, frozen=True):
    """An answer that a model found in a context: its characters, and how sure the model is.

    An empty `text` says that the context holds no answer.
    """

    text: str
    score: float
    start: int
    end: int
