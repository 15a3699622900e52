from __future__ import annotations

import json

import msgspec
import pytest

from edge_bert.errors import InputError
from edge_bert.report.json import decode, encode
from tests.report.sample_report import report


def test_what_is_written_reads_back() -> None:
    """A report survives the file, and gives the same bytes again."""
    content = encode(report())
    assert decode(content) == report()
    assert encode(decode(content)) == content


def test_order_of_insertion_does_not_show() -> None:
    """Dicts that are equal give equal bytes."""
    whole = report()
    turned = dict(reversed(whole.bytes_by_kind.items()))
    assert encode(msgspec.structs.replace(whole, bytes_by_kind=turned)) == encode(whole)


def _with(**changes: object) -> bytes:
    return json.dumps(json.loads(encode(report())) | changes).encode()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no report"),
        (b"\xff\xfe", "no report"),
        (b"[" * 100_000, "no report"),
        (encode(report())[:-100], "no report"),
        (_with(unknown=1), "unknown field"),
        (_with(format_version=99), "format 99"),
        (_with(bytes_by_kind={"wi9": {"graph": 1}}), "no artifact wi9"),
    ],
)
def test_bad_files_are_refused_in_one_line(content: bytes, words: str) -> None:
    """A damaged or foreign file gives one line that says what to do."""
    with pytest.raises(InputError, match=words) as caught:
        decode(content)
    assert "\n" not in str(caught.value)
    assert "build the profile again" in str(caught.value)
