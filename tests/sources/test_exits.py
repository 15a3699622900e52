"""The files of exits as hostile input: whatever is wrong, one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.errors import EdgeBertError, ModelError, WeightError
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.tiny import models

LAYERS, HIDDEN = 3, 32


@dataclass
class Files:
    """What both files hold."""

    saved: dict[str, Any]
    arrays: dict[str, Any]


Change = Callable[[Files], None]


def describe() -> dict[str, Any]:
    """An exit after the first layer and one after the second, with a rule."""
    return {
        "format_version": 1,
        "exits": [{"after": 1, "dense": ["tanh", "linear"]}, {"after": 2, "dense": ["linear"]}],
        "rule": {
            "kind": "confidence",
            "points": [{"after": 1, "threshold": 0.9}, {"after": 2, "threshold": 0.8}],
            "wanted_agreement": 0.99,
        },
    }


def draw_arrays() -> dict[str, Any]:
    random = np.random.default_rng(0)
    sizes = {
        "exit.0.head.0": (HIDDEN, 8),
        "exit.0.head.1": (8, len(models.LABELS)),
        "exit.1.head.0": (HIDDEN, len(models.LABELS)),
    }
    arrays = {f"{name}.kernel": random.normal(size=size) for name, size in sizes.items()}
    arrays |= {f"{name}.bias": np.zeros(size[1]) for name, size in sizes.items()}
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def write(folder: Path, change: Change | None = None) -> Path:
    """A tiny classifier with exits, its files changed."""
    models.write(folder, "bert", "classification", num_hidden_layers=LAYERS, hidden_size=HIDDEN)
    files = Files(describe(), draw_arrays())
    if change is not None:
        change(files)
    (folder / "exits.json").write_text(json.dumps(files.saved), "utf-8")
    save_file(files.arrays, folder / "exits.safetensors")
    return folder


def test_exits_are_read_with_their_rule(tmp_path: Path) -> None:
    """Each array where it belongs, and the head that of the model."""
    folder = write(tmp_path / "m")
    weights = encoder_weights(load_checkpoint(str(folder), folder))
    assert [x.after for x in weights.exits] == [1, 2]
    assert [len(x.head_layers) for x in weights.exits] == [2, 1]
    assert all(x.head == weights.head for x in weights.exits)
    for name, array in load_file(folder / "exits.safetensors").items():
        np.testing.assert_array_equal(weights.arrays[name], array)


def put(room: str, **values: Any) -> Change:
    """Change fields of the rule, or of the first exit."""

    def change(files: Files) -> None:
        part = files.saved["rule"] if room == "rule" else files.saved["exits"][0]
        part.update(values)

    return change


def behind(files: Files) -> None:
    files.saved["exits"][1]["after"] = files.saved["rule"]["points"][1]["after"] = LAYERS


def twice(files: Files) -> None:
    files.saved["exits"][1]["after"] = files.saved["rule"]["points"][1]["after"] = 1


def newer(files: Files) -> None:
    files.saved["format_version"] = 2


def no_number(files: Files) -> None:
    files.arrays["exit.0.head.0.kernel"][3, 4] = np.nan


def wider(files: Files) -> None:
    files.arrays["exit.1.head.0.kernel"] = np.zeros((HIDDEN + 1, 3), np.float32)


def missing(files: Files) -> None:
    del files.arrays["exit.0.head.0.bias"]


def more(files: Files) -> None:
    files.arrays["exit.2.head.0.bias"] = np.zeros(3, np.float32)


@pytest.mark.parametrize(
    ("change", "kind", "match"),
    [
        (behind, ModelError, "an exit after layer 3, and the model has 3"),
        (twice, ModelError, "rising order"),
        (newer, ModelError, "format version 2"),
        (no_number, WeightError, "not finite"),
        (wider, ModelError, "33 x 3, and the model asks for 32 x 3"),
        (missing, ModelError, r"no usable exit\.0\.head\.0\.bias"),
        (more, ModelError, "has 7 arrays, and its exits have 6"),
        (put("exit", after=0), ModelError, "JSON it should"),
        (put("exit", dense=["softplus"]), ModelError, "JSON it should"),
        (put("exit", agreement=True), ModelError, "another kind of head"),
        (put("rule", kind="agreement"), ModelError, "another kind of head"),
        (put("rule", points=[{"after": 1}]), ModelError, "for other exits"),
        (put("rule", kind="patience"), ModelError, "patience"),
    ],
)
def test_what_is_wrong_with_them_is_told_in_one_line(
    tmp_path: Path, change: Change, kind: type[EdgeBertError], match: str
) -> None:
    """Nothing is left out in silence, and nothing is answered by half an exit."""
    folder = write(tmp_path / "m", change)
    with refused(kind, match):
        encoder_weights(load_checkpoint(str(folder), folder))


@pytest.mark.parametrize("name", ["exits.json", "exits.safetensors"])
def test_one_file_of_the_two_is_not_enough(tmp_path: Path, name: str) -> None:
    """The line names the one that is missing."""
    folder = write(tmp_path / "m")
    (folder / name).unlink()
    with refused(ModelError, f"{name} is missing"):
        load_checkpoint(str(folder), folder)
