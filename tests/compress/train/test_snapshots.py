"""Snapshots: whole or refused by name, and never of another run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_bert.compress.train import snapshots
from edge_bert.compress.train.keras_student import select_backend
from edge_bert.compress.train.snapshots import STATE, TrainingState
from edge_bert.errors import EdgeBertError, InputError, TrainingError
from edge_bert.records.training import CurvePoint
from tests.full_disk import mounted_disk
from tests.one_line import refused

SAVED = TrainingState(step=7, seconds=0.1, points=(CurvePoint(4, 0.7, 0.5, 0.1),), best_step=4)
Pair = tuple[Any, Any]


@pytest.fixture
def pair() -> Pair:
    """A model of two layers with its optimizer, both of random values."""
    return make_pair(3)


def make_pair(width: int) -> Pair:
    """A model and an optimizer, as the loop has them."""
    select_backend()
    import keras

    model = keras.Sequential([keras.layers.Dense(width), keras.layers.Dense(2)])
    model.build((1, 5))
    optimizer = keras.optimizers.AdamW()
    optimizer.build(model.trainable_variables)
    return model, optimizer


@pytest.fixture
def folder(pair: Pair, tmp_path: Path) -> Path:
    """A run's folder with its snapshot and its best weights."""
    folder = tmp_path / "run"
    folder.mkdir()
    snapshots.write_best(folder, SAVED.best_step, pair[0])
    snapshots.write_snapshot(folder, SAVED, *pair)
    return folder


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A real file system of a few pages."""
    with mounted_disk(tmp_path_factory.mktemp("disk"), "24k") as disk:
        yield disk


def values_of(pair: Pair) -> list[np.ndarray]:
    """All that a snapshot holds."""
    return [np.array(variable) for part in pair for variable in part.variables]


def test_what_was_saved_comes_back(pair: Pair, folder: Path) -> None:
    """State, weights and moments, into another model."""
    other = make_pair(3)
    assert snapshots.read_snapshot(folder, *other) == SAVED
    for old, new in zip(values_of(pair), values_of(other), strict=True):
        np.testing.assert_array_equal(old, new)
    snapshots.read_best(folder, SAVED.best_step, other[0])


def test_a_folder_without_one_is_a_start(pair: Pair, tmp_path: Path) -> None:
    """Nothing is read, and nothing is wrong."""
    assert snapshots.read_snapshot(tmp_path, *pair) == TrainingState()


def test_no_changed_byte_is_trained_on(pair: Pair, folder: Path) -> None:
    """Wherever a bit flips, the file is refused, or says what it said."""
    whole = (folder / STATE).read_bytes()
    expected = values_of(pair)
    random = np.random.default_rng(0)
    header = random.integers(0, 8 + int.from_bytes(whole[:8], "little"), 40)
    refusals = 0
    for place in (*range(8), *header, *random.integers(0, len(whole), 40)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(random.integers(8))
        (folder / STATE).write_bytes(flipped)
        try:
            assert snapshots.read_snapshot(folder, *pair) == SAVED
        except InputError:
            refusals += 1
        for old, new in zip(expected, values_of(pair), strict=True):
            np.testing.assert_array_equal(old, new)
    assert refusals >= 80  # a place of the header may be a space


@pytest.mark.parametrize("count", [0, 7, 100, 600, -1])
def test_a_file_cut_short_is_refused(pair: Pair, folder: Path, count: int) -> None:
    """By name, and with what to do."""
    (folder / STATE).write_bytes((folder / STATE).read_bytes()[:count])
    with refused(InputError, r"snapshot\.safetensors is damaged .* delete its folder"):
        snapshots.read_snapshot(folder, *pair)


def test_a_snapshot_of_another_run_is_refused(pair: Pair, folder: Path) -> None:
    """Though all of its shapes are right."""
    other = folder.rename(folder.with_name("other"))
    with refused(InputError, "of another run"):
        snapshots.read_snapshot(other, *pair)


@pytest.mark.parametrize("width", [4, 1])
def test_a_snapshot_of_another_model_is_refused(folder: Path, width: int) -> None:
    """Its tensors have other shapes."""
    with refused(InputError, "tensors of another model"):
        snapshots.read_snapshot(folder, *make_pair(width))


def test_a_snapshot_of_another_version_is_refused(pair: Pair, folder: Path) -> None:
    """Where its state has a field that this version does not know."""

    class LaterState(TrainingState, frozen=True):
        later: int = 1

    later = LaterState(**msgspec.structs.asdict(SAVED))
    snapshots.write_snapshot(folder, later, *pair)
    with refused(InputError, "of another version"):
        snapshots.read_snapshot(folder, *pair)


def test_weights_that_are_no_numbers_are_not_kept(pair: Pair, folder: Path) -> None:
    """The loss of the step before was one; the snapshot before stays, and is usable."""
    before = (folder / STATE).read_bytes()
    model, optimizer = pair
    model.trainable_variables[0].assign(np.full((5, 3), np.nan, np.float32))
    with refused(TrainingError, "no numbers after step 8; .*--learning-rate"):
        snapshots.write_snapshot(folder, msgspec.structs.replace(SAVED, step=8), model, optimizer)
    assert (folder / STATE).read_bytes() == before
    assert snapshots.read_snapshot(folder, model, optimizer) == SAVED


@pytest.mark.parametrize(
    "write",
    [
        lambda folder, pair: snapshots.write_snapshot(folder, SAVED, *pair),
        lambda folder, pair: snapshots.write_best(folder, 8, pair[0]),
    ],
    ids=["snapshot", "best"],
)
def test_a_full_disk_keeps_the_snapshot_before(
    write: Callable[..., None], pair: Pair, small_disk: Path
) -> None:
    """One line; what was there is as it was, and nothing lies beside it."""
    folder = small_disk / "run"
    folder.mkdir()
    snapshots.write_snapshot(folder, SAVED, *pair)
    with refused(InputError, "cannot be written .No space left on device.; make room"):
        write(folder, make_pair(4000))
    assert [path.name for path in folder.iterdir()] == [STATE]
    assert snapshots.read_snapshot(folder, *pair) == SAVED
    shutil.rmtree(folder)


def test_the_old_best_goes_when_a_snapshot_names_the_new_one(pair: Pair, folder: Path) -> None:
    """Until then a kill finds both, and the state says which."""
    later = msgspec.structs.replace(SAVED, step=8, best_step=8)
    snapshots.write_best(folder, later.best_step, pair[0])
    snapshots.read_best(folder, SAVED.best_step, pair[0])
    snapshots.write_snapshot(folder, later, *pair)
    with pytest.raises(EdgeBertError, match=r"best-4\.safetensors is damaged .it is gone"):
        snapshots.read_best(folder, SAVED.best_step, pair[0])


def test_a_run_that_ended_needs_its_best_weights_alone(pair: Pair, folder: Path) -> None:
    """Curve and best weights stay; the moments go."""
    ended = snapshots.end_run(folder, SAVED)
    assert snapshots.read_snapshot(folder, *pair) == ended
    assert (folder / STATE).stat().st_size < 2000
    snapshots.read_best(folder, ended.best_step, pair[0])
