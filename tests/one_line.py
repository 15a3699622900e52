"""What every error for users must be: of the right class, and one short line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge_bert.errors import EdgeBertError

MAX_CHARACTERS = 700


@contextmanager
def refused(kind: type[EdgeBertError], match: str = "") -> Iterator[None]:
    """The block must raise exactly `kind`, with one printable line that `match` is found in."""
    with pytest.raises(EdgeBertError) as caught:
        yield
    check(caught.value, kind)
    assert re.search(match, str(caught.value)), str(caught.value)


def check(error: EdgeBertError, kind: type[EdgeBertError]) -> None:
    """`error` is a `kind`, in one printable line, and the command would fail."""
    assert type(error) is kind
    message = str(error)
    assert message.isprintable(), repr(message)
    assert 20 <= len(message) <= MAX_CHARACTERS, message
    assert error.exit_code != 0
