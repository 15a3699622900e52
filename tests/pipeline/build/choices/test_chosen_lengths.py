"""Length buckets that are chosen for the user's texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_bert.cli.options import split_lengths
from edge_bert.errors import InputError
from edge_bert.pipeline.build.session import BuildSession
from tests.one_line import refused
from tests.pipeline import tiny_bundle as tiny
from tests.tiny import models


def opened(**options: object) -> BuildSession:
    """The session of a tiny model."""
    with tiny.own_cache():
        return tiny.open_session("pixel", **options)


@pytest.fixture
def sentences(tmp_path: Path) -> str:
    """Twenty short sentences and one long one, whose words are tokens of the tiny vocabulary or
    pieces of them."""
    path = tmp_path / "sentences.txt"
    lines = [" ".join(["a"] * 5 + [chr(ord("a") + index)]) for index in range(20)]
    path.write_text("\n".join([*lines, " ".join(["a"] * 40)]), "utf-8")
    return str(path)


def test_buckets_fit_the_users_texts(sentences: str) -> None:
    """The last one stays what it is without the choice, so that no text is cut sooner."""
    session = opened(auto_lengths=2, calibration=sentences)
    (texts,) = session.text_lengths
    assert texts.total == 21
    assert len(texts.by_tokens) == 2
    short, _ = sorted(texts.by_tokens)
    assert session.lengths == (short, 128)
    choice = session.length_choice
    assert choice is not None
    assert choice.texts == 21
    assert choice.saved > 0
    assert set(choice.longest_bucket_bytes) == {recipe.name for recipe in session.recipes}


def test_an_encoder_of_other_layers_counts_tokens(tmp_path: Path, sentences: str) -> None:
    """What its attention multiplies is not known, what is padded is."""
    model = str(models.write(tmp_path / "mobile", "mobilebert"))
    choice = opened(auto_lengths=2, calibration=sentences, model=model).length_choice
    assert choice is not None
    assert choice.unit == "tokens"
    assert not choice.longest_bucket_bytes


def test_lengths_of_the_user_are_not_judged(sentences: str) -> None:
    """But those of the texts are known, for what one of them costs in expectation."""
    session = opened(lengths=[16, 128], calibration=sentences)
    assert session.length_choice is None
    assert session.text_lengths


@pytest.mark.parametrize(
    ("count", "match"), [(0, "give 1 to 16 buckets"), (17, "give 1 to 16"), (4, "--calibration or")]
)
def test_a_choice_that_cannot_be(count: int, match: str) -> None:
    """Too few, too many, and none of the user's texts."""
    with refused(InputError, match):
        opened(auto_lengths=count)


def test_the_command_line_has_one_option_for_both() -> None:
    """`auto` is four buckets, as many as there are by default."""
    assert split_lengths("auto") == {"lengths": None, "auto_lengths": "4"}
    assert split_lengths("auto:6") == {"lengths": None, "auto_lengths": "6"}
    assert split_lengths("16,32") == {"lengths": "16,32"}
    assert split_lengths(None) == {"lengths": None}
