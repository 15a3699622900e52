"""Advice of messages about bundles, taken at its word: what a message says to do then works."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_bert import Bundle
from edge_bert.bundle.vector_precision import measure_ranges
from edge_bert.errors import InputError
from tests.pipeline import tiny_bundle as tiny

TEXTS = ["the cat", "a dog sat on the mat", "two birds"]


def build_again(out: Path) -> Path:
    """What `invoke build` does when it is typed again."""
    return tiny.build_in(out, recipes=["float32"], lengths=[16]).folder


def message_of(call: Callable[[], object]) -> str:
    """The message that `call` ends with."""
    with pytest.raises(InputError) as refusal:
        call()
    return str(refusal.value)


def damage_model(folder: Path) -> None:
    path = folder / "float32.tflite"
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def damage_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}", "utf-8")


def damage_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{", "utf-8")


def make_older(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"format_version": 1}), "utf-8")


def remove_model(folder: Path) -> None:
    (folder / "float32.tflite").unlink()


def remove_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


@pytest.mark.parametrize(
    "fault",
    [
        damage_model,
        damage_tokenizer,
        damage_manifest,
        make_older,
        remove_model,
        remove_manifest,
    ],
)
def test_a_bundle_that_is_built_again_is_sound(
    fault: Callable[[Path], None], tmp_path: Path
) -> None:
    """Each message about a damaged bundle says to build it (again), and that mends it."""
    folder = build_again(tmp_path)
    expected = Bundle.open(folder).encode(TEXTS)
    fault(folder)
    message = message_of(lambda: Bundle.open(folder).encode(TEXTS))
    assert re.search(r"build the bundle again|run `invoke build`", message)
    if "move it away" in message:
        folder.rename(tmp_path / "away")
    assert build_again(tmp_path) == folder
    np.testing.assert_array_equal(Bundle.open(folder).encode(TEXTS), expected)


def test_what_encode_says_to_give_is_taken() -> None:
    """A list in place of a text, an artifact that is listed, ranges, a thread."""
    bundle = Bundle.open(tiny.built().folder)
    assert "put the text in a list" in message_of(lambda: bundle.encode("the cat"))
    assert len(bundle.encode(["the cat"])) == 1

    message = message_of(lambda: bundle.encode(TEXTS, artifact="int5"))
    names = message.split("it holds ")[1].rstrip(".").split(", ")
    assert all(len(bundle.encode(TEXTS, artifact=name)) == len(TEXTS) for name in names)

    message = message_of(lambda: bundle.encode(TEXTS[:1], precision="int8"))
    assert "ranges=measure_ranges(embeddings of your corpus)" in message
    ranges = measure_ranges(bundle.encode(TEXTS))
    assert bundle.encode(TEXTS[:1], precision="int8", ranges=ranges).dtype == np.int8

    message = message_of(lambda: bundle.encode(TEXTS, precision="int5"))  # type: ignore[arg-type]
    precisions = message.split("there are ")[1].rstrip(".").split(", ")
    for precision in precisions:
        assert len(bundle.encode(TEXTS, precision=precision, ranges=ranges)) == len(TEXTS)

    assert "1 or more" in message_of(lambda: bundle.encode(TEXTS, threads=0))
    assert len(bundle.encode(TEXTS, threads=1)) == len(TEXTS)


def test_a_model_of_classes_is_encoded_without_a_precision() -> None:
    """The message says to leave it out."""
    bundle = Bundle.open(tiny.built("bert", "classification").folder)
    assert "leave it out" in message_of(lambda: bundle.encode(TEXTS, precision="binary"))
    assert bundle.encode(TEXTS).shape == (3, 3)


def test_without_a_file_for_mediapipe_the_other_way_is_there(tmp_path: Path) -> None:
    """The reason names a tokenizer and a file; both are in the bundle."""
    built = tiny.build_in(tmp_path, recipes=["float32"], lengths=[16], source=tiny.model("roberta"))
    (skipped,) = built.report.manifest.skipped
    named = re.findall(r"\w+\.(?:json|tflite)", skipped.reason)
    assert named
    assert all((built.folder / name).is_file() for name in named)
