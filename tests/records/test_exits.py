"""The rule by which inputs leave a model early."""

from __future__ import annotations

import msgspec
import pytest

from edge_bert.records.exits import ExitPoint, ExitRule


def read_rule(text: str) -> ExitRule:
    return msgspec.json.decode(text.encode(), type=ExitRule)


def test_a_rule_survives_its_json() -> None:
    rule = ExitRule("patience", (ExitPoint(2), ExitPoint(4)), 0.99, patience=1)
    assert msgspec.json.decode(msgspec.json.encode(rule), type=ExitRule) == rule


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ('"kind":"confidence","points":[{"after":4},{"after":2}]', "rising order"),
        ('"kind":"confidence","points":[{"after":2},{"after":2}]', "rising order"),
        ('"kind":"patience","points":[{"after":2}]', "patience"),
        ('"kind":"agreement","points":[{"after":2}],"patience":1', "patience"),
        ('"kind":"confidence","points":[]', "length >= 1"),
        ('"kind":"confidence","points":[{"after":0}]', ">= 1"),
        ('"kind":"confidence","points":[{"after":2,"temperature":0}]', "> 0"),
        ('"kind":"confidence","points":[{"after":2,"threshold":1.5}]', "<= 1"),
        ('"kind":"margin","points":[{"after":2}]', "margin"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(fields: str, complaint: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=complaint):
        read_rule("{" + fields + ',"wanted_agreement":0.99}')
