"""What a build is asked for is checked before any long work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.errors import DataError, EdgeBertError, InputError, ModelError, ProfileError
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.records.recipe import RECIPES
from tests.one_line import refused
from tests.pipeline import tiny_bundle as tiny
from tests.tiny import models

MAXIMUM = models.MAX_LENGTH


def opened(profile: str = "pixel", **options: object) -> BuildSession:
    """The session of a tiny model."""
    with tiny.own_cache():
        return tiny.open_session(profile, **options)


def test_defaults() -> None:
    """Four lengths, 256 of our own sentences, the folder build/PROFILE."""
    found = opened()
    assert found.lengths == (16, 32, 64, 128)
    assert found.calibration.info.count == 256
    assert found.folder == Path("build/pixel")
    assert found.profile.name == "pixel-9"
    assert not found.explicit
    assert {"float32", "float16", "wi8_afp32", "wi8_ai8"} <= {r.name for r in found.recipes}


def test_a_short_model_gets_the_lengths_that_fit(tmp_path: Path) -> None:
    """Lengths above the model's maximum are left out; the maximum stands in where none fits."""
    short = models.write(tmp_path / "short", max_position_embeddings=40)
    assert opened(model=str(short)).lengths == (16, 32)
    shorter = models.write(tmp_path / "shorter", max_position_embeddings=9)
    assert opened(model=str(shorter)).lengths == (9,)


def test_recipes_that_were_named_are_explicit() -> None:
    """In the user's order, each once."""
    found = opened(recipes=["wi8_ai8", "float32", "wi8_ai8"])
    assert [recipe.name for recipe in found.recipes] == ["wi8_ai8", "float32"]
    assert found.explicit


@given(st.sets(st.integers(1, MAXIMUM), min_size=1, max_size=5))
def test_sorted_lengths_are_taken_as_they_are(lengths: set[int]) -> None:
    """Any lengths from 1 to the maximum that can hold the special tokens."""
    ordered = sorted(lengths)
    if ordered[-1] >= 2:
        assert opened(lengths=ordered).lengths == tuple(ordered)


@pytest.mark.parametrize(
    ("lengths", "match"),
    [
        ([0], "0 is too small"),
        ([-4, 16], "-4 is too small"),
        ([MAXIMUM + 1], f"above the model's maximum of {MAXIMUM}"),
        ([32, 16], "sort"),
        ([16, 16], "given twice"),
    ],
)
def test_lengths_that_cannot_be(lengths: list[int], match: str) -> None:
    """Zero, negative, too long, unsorted, duplicate: each says what to change."""
    with refused(InputError, match):
        opened(lengths=lengths)


def test_an_unknown_profile_names_the_nearest() -> None:
    """A typing error is answered with what was meant."""
    with refused(ProfileError, "pixel"):
        opened("pixle")
    with refused(ProfileError, "raspberry-pi-4"):
        opened("raspberry-pi4")


def test_an_unknown_recipe_lists_all() -> None:
    """The list of recipes is in the message."""
    with refused(InputError, "wi3_ai3.*" + ".*".join(RECIPES)):
        opened(recipes=["wi3_ai3"])


def test_a_length_without_room_for_the_special_tokens() -> None:
    """A bucket of one token holds no sentence; told before anything is converted."""
    with refused(InputError, "no room for the 2 special tokens"):
        opened(lengths=[1])


def test_a_tokenizer_of_another_model(tmp_path: Path) -> None:
    """Ids beyond the embedding table would read outside of it on the device."""
    folder = models.write(tmp_path / "small", vocab_size=100)
    with refused(ModelError, "100 embeddings"):
        opened(model=str(folder))


def test_a_damaged_tokenizer(tmp_path: Path) -> None:
    """Told before anything is converted."""
    folder = models.write(tmp_path / "damaged")
    (folder / "tokenizer.json").write_text("{}")
    with refused(ModelError, r"tokenizer\.json"):
        opened(model=str(folder))


CALIBRATION = {
    "empty": b"",
    "one sentence": b"Only this one.\n",
    "one sentence many times": b"Only this one.\n" * 500,
    "binary": bytes(range(256)) * 40,
    "a picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(100),
    "Latin-1": "Über die Brücke fährt heute kein Bus.\n".encode("latin-1") * 20,
    "UTF-16 without a mark": "Eine Zeile nach der anderen.\n".encode("utf-16-be") * 20,
    "blank lines": b"\n   \n\t\n" * 100,
}


@pytest.mark.parametrize("name", list(CALIBRATION))
def test_calibration_files_that_cannot_be(name: str, tmp_path: Path) -> None:
    """Each is refused in one line that names the file."""
    path = tmp_path / "calibration.txt"
    path.write_bytes(CALIBRATION[name])
    with refused(DataError, r"calibration\.txt"):
        opened(calibration=path)


def test_a_calibration_file_that_is_not_there(tmp_path: Path) -> None:
    """Missing, or a folder."""
    with refused(DataError, "nothing.txt"):
        opened(calibration=tmp_path / "nothing.txt")
    with refused(DataError):
        opened(calibration=tmp_path)


def test_a_calibration_file_of_the_users(tmp_path: Path) -> None:
    """Its sentences and no others; the manifest will say its name and hash."""
    path = tmp_path / "mine.txt"
    path.write_text("".join(f"Sentence number {n} of mine.\n" for n in range(40)), "utf-8")
    found = opened(calibration=path, calibration_count=20, seed=3).calibration
    assert len(found.sentences) == found.info.count == 20
    assert all("of mine" in sentence for sentence in (*found.sentences, *found.held_out))
    assert not set(found.sentences) & set(found.held_out)
    assert (found.info.source, found.info.seed) == ("mine.txt", 3)


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_that_cannot_be(count: int) -> None:
    """No sentences give no ranges."""
    with refused(InputError, "too small"):
        opened(calibration_count=count)


def test_a_folder_with_only_pickles(tmp_path: Path) -> None:
    """pytorch_model.bin is not read; the message says what to do instead."""
    folder = models.write(tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with refused(ModelError, "safetensors"):
        opened(model=str(folder))


def test_an_architecture_that_we_do_not_have(tmp_path: Path) -> None:
    """The message lists those that we have."""
    folder = models.write(tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "t5"}))
    with refused(ModelError, "t5.*bert, distilbert, roberta"):
        opened(model=str(folder))


@pytest.mark.parametrize("data", ["nothing", "stsb:", "sst2:missing.tsv", "missing.csv:text=a"])
def test_data_that_cannot_be(data: str) -> None:
    """Evaluation data is read before the model is converted."""
    with refused(DataError if "missing" in data else InputError):
        opened(data=[data])


def test_cheap_checks_come_first(tmp_path: Path) -> None:
    """With several faults the profile's is told, before any file of a model is opened."""
    with pytest.raises(EdgeBertError, match="profile"):
        opened("no-such-phone", model=str(tmp_path / "nowhere"), lengths=[0])
