"""Spans of characters in a text."""

from __future__ import annotations

from edge_bert.records.base import Record


class EntitySpan(Record, frozen=True):
    """An entity of a text: its characters `start` up to, not including, `end`, and its type."""

    start: int
    end: int
    label: str
