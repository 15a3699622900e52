"""JSON files with a checksum: a flipped bit is never read."""

from __future__ import annotations

import pytest

from edge_bert.records.base import Record
from edge_bert.store.content_store import encode_json
from edge_bert.store.sealed_json import read_sealed, seal_json, unseal_json


class Sample(Record, frozen=True):
    """A figure and words."""

    figure: float
    words: tuple[str, ...] = ()


SAMPLE = Sample(1.25, ("one", "\n}\n"))


def test_what_is_sealed_is_read() -> None:
    """Without its seal it is what an earlier version wrote, which is read too where it may be."""
    assert unseal_json(seal_json(SAMPLE)) == encode_json(SAMPLE)
    for data in (seal_json(SAMPLE), encode_json(SAMPLE)):
        assert read_sealed(data, Sample) == SAMPLE
    with pytest.raises(ValueError, match="checksum"):
        unseal_json(encode_json(SAMPLE))


def test_a_flipped_bit_is_never_read() -> None:
    """Of the content or of the seal."""
    whole = seal_json(SAMPLE)
    for place in range(8 * len(whole)):
        data = bytearray(whole)
        data[place // 8] ^= 1 << place % 8
        with pytest.raises(ValueError):  # noqa: PT011 (of several kinds)
            unseal_json(bytes(data))
        with pytest.raises(ValueError):  # noqa: PT011
            read_sealed(bytes(data), Sample)
