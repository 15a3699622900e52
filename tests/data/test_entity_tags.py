"""Tags of tokens in every scheme give the same entities."""

from __future__ import annotations

import pytest

from edge_bert.data.entity_tags import is_tag, join_tags, join_tokens

TOKENS = ["Ann", "Lee", "left", "New", "York", "Oslo", "today"]
SCHEMES = {
    "BIO": ["B-PER", "I-PER", "O", "B-LOC", "I-LOC", "B-LOC", "O"],
    "IOB1": ["I-PER", "I-PER", "O", "I-LOC", "I-LOC", "B-LOC", "O"],
    "BILOU": ["B-PER", "L-PER", "O", "B-LOC", "L-LOC", "U-LOC", "O"],
    "BIOES": ["B-PER", "E-PER", "O", "B-LOC", "E-LOC", "S-LOC", "O"],
    "underscores": ["B_PER", "I_PER", "O", "B_LOC", "I_LOC", "B_LOC", "O"],
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_all_schemes_give_the_same_entities(scheme: str) -> None:
    """Offsets are characters of the tokens with a space between them."""
    text, entities = join_tokens(TOKENS, SCHEMES[scheme])
    assert [(text[entity.start : entity.end], entity.label) for entity in entities] == [
        ("Ann Lee", "PER"),
        ("New York", "LOC"),
        ("Oslo", "LOC"),
    ]


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        (["O", "I-A", "I-B", "I-B"], [(1, 2, "A"), (2, 4, "B")]),
        (["I-A", "O", "I-A"], [(0, 1, "A"), (2, 3, "A")]),
        (["E-A", "I-A"], [(0, 1, "A"), (1, 2, "A")]),
        (["B-A", "B-A"], [(0, 1, "A"), (1, 2, "A")]),
        ([], []),
    ],
)
def test_malformed_sequences_are_read_as_conlleval_does(
    tags: list[str], spans: list[tuple[int, int, str]]
) -> None:
    """An inside without a begin begins; another type begins."""
    assert [(span.start, span.end, span.label) for span in join_tags(tags)] == spans


@pytest.mark.parametrize("tag", ["", "PER", "B-", "X-PER", "o", "B PER"])
def test_what_is_no_tag(tag: str) -> None:
    """A column that is no tags must not be read as tags."""
    assert not is_tag(tag)
    with pytest.raises(ValueError, match="is no tag"):
        join_tags([tag])
