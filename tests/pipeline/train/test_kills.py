"""`invoke train` under fire: killed at any moment and run again, it ends as if nothing had been."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_bert.records.training import TrainingRun
from edge_bert.store.held_folder import LOCK, hold_folder
from tests.full_disk import mounted_disk
from tests.pipeline.train.forked_commands import ROOT, Ended, Forked, forked_commands
from tests.pipeline.train.test_train_head import example_rows, write_data
from tests.tiny import models

KILLS = int(os.environ.get("EDGE_BERT_KILLS", "8"))
SEED = int(os.environ.get("EDGE_BERT_KILL_SEED", "0"))
NAME = "weather"
STEPS = 18
KILLED, INTERRUPTED, ENDED = (
    128 + number for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
)
# The backend that starts quickest; test_loop.py holds TensorFlow to the same.
ENVIRONMENT = {"KERAS_BACKEND": "torch", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Place:
    """A cache, a folder of trained models, and what trains there."""

    root: Path
    server: Forked
    words: tuple[str, ...]

    def train(self, *more: object, **when: object) -> Ended:
        """`train` in this place, with more words, ended where `when` says."""
        return self.server.run(*self.words, *more, **when)

    @property
    def folder(self) -> Path:
        """The trained model."""
        return self.root / "out" / NAME

    @property
    def runs(self) -> list[Path]:
        """Where runs work."""
        return list((self.root / "cache" / "training").iterdir())

    def weights(self) -> bytes:
        """The bytes of the trained model, whose folder must be whole."""
        for name in ("training.json", "tokenizer.json", "1_Pooling/config.json", "README.md"):
            assert (self.folder / name).is_file()
        return (self.folder / "model.safetensors").read_bytes()

    def curve(self) -> list[tuple[int, float, float | None]]:
        """Steps, losses and scores."""
        record = (self.folder / "training.json").read_bytes()
        run = msgspec.json.decode(record, type=TrainingRun)
        return [(point.step, point.loss, point.score) for point in run.curve.points]

    def left(self) -> list[str]:
        """The files of runs, and what lies beside the trained model; locks do not count."""
        files = [path for run in self.runs for path in run.iterdir()]
        files += [path for path in self.folder.parent.glob("*") if path != self.folder]
        return sorted(path.name for path in files if not path.name.endswith(LOCK))

    def clear(self) -> None:
        """Nothing was ever trained here."""
        for folder in (self.root / "cache", self.root / "out"):
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place with a tiny model and its data."""
    pytest.importorskip("torch")
    root = tmp_path_factory.mktemp("place")
    model = models.write(tmp_path_factory.mktemp("tiny") / "m", num_hidden_layers=1)
    data = write_data(model.with_name("weather.csv"), example_rows(100))
    words = ("train", "--model", model, "--data", data, "--name", NAME, "--out", root / "out")
    options = ("--epochs", 3, "--batch-size", 16, "--threads", 1, "--learning-rate", "1e-3")
    with forked_commands(**ENVIRONMENT, EDGE_BERT_CACHE=str(root / "cache")) as server:
        assert server.threads == 1  # or a fork could find a lock that no one opens
        yield Place(root, server, tuple(map(str, (*words, *options))))


@dataclass(frozen=True)
class Whole:
    """A run that nothing cut short."""

    weights: bytes
    curve: list[tuple[int, float, float | None]]
    ended: Ended


@pytest.fixture(scope="module")
def whole(place: Place) -> Whole:
    """The run, in a forked process."""
    ended = place.train()
    assert ended.code == 0, ended.stderr
    return Whole(place.weights(), place.curve(), ended)


@pytest.fixture(autouse=True)
def cleared(place: Place) -> None:
    """Every test starts where nothing was trained."""
    place.clear()


def check_end(place: Place, whole: Whole) -> None:
    """The model is that of the run that nothing cut short, and nothing lies about."""
    assert (place.weights(), place.curve()) == (whole.weights, whole.curve)
    best = max(whole.curve, key=lambda point: point[2] or 0)[0]
    assert place.left() == [f"best-{best}.safetensors", "snapshot.safetensors"]


def check_line(ended: Ended, code: int, text: str) -> None:
    """The process ended with this code, and its last line says so; there is no traceback."""
    assert ended.code == code, ended.stderr
    lines = ended.stderr.splitlines()
    assert lines[-1].startswith("error: ")
    assert text in lines[-1]
    assert all(line.startswith("[") for line in lines[:-1]), ended.stderr


def end_well(place: Place, whole: Whole) -> None:
    """The same command again gives what it would have given."""
    ended = place.train()
    assert ended.code == 0, ended.stderr
    check_end(place, whole)


def test_killed_at_random_moments(place: Place, whole: Whole) -> None:
    """Half of the kills after some of its processor time, half before some change of a file; each
    time run again, until it ends: bit for bit the same, and never a folder that is not whole."""
    draw = np.random.default_rng(SEED)
    kills = endings = 0
    while kills < KILLS or not endings:
        after_s = draw.uniform(0, whole.ended.seconds)
        change = int(draw.integers(1, whole.ended.changes, endpoint=True))
        is_timed = kills % 2 == 0
        ended = place.train(after_s=after_s) if is_timed else place.train(before_change=change)
        if ended.code == KILLED:
            kills += 1
            assert not place.folder.exists() or place.weights() == whole.weights
            continue
        assert ended.code == 0, ended.stderr
        check_end(place, whole)
        endings += 1
        place.clear()
    end_well(place, whole)


@pytest.mark.slow
def test_a_forked_run_is_an_ordinary_one(place: Place, whole: Whole) -> None:
    """`invoke` in a process of its own gives the same bytes."""
    environment = os.environ | ENVIRONMENT | {"EDGE_BERT_CACHE": str(place.root / "cache")}
    command = [sys.executable, "-m", "invoke", *place.words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    check_end(place, whole)


def test_signals_during_the_steps(place: Place, whole: Whole) -> None:
    """A snapshot, one line, the code that shells have for the signal; then it goes on."""
    for step, number, code in ((6, signal.SIGINT, INTERRUPTED), (12, signal.SIGTERM, ENDED)):
        ended = place.train(number=number, at_text=f"step {step} of {STEPS}")
        check_line(ended, code, f"of {STEPS}; the same command again goes on from there")
        assert not place.folder.exists()
        assert "snapshot.safetensors" in place.left()
    end_well(place, whole)


def test_signals_around_the_steps(place: Place, whole: Whole) -> None:
    """While the model is read, and while its folder is written: one line, and nothing half done."""
    for change in (1, whole.ended.changes - 9):
        ended = place.train(number=signal.SIGTERM, before_change=change)
        check_line(ended, ENDED, "stopped; what was there before is as it was")
        assert not place.folder.exists()
    end_well(place, whole)


def test_a_run_beside_another(place: Place) -> None:
    """The second one is refused with what goes on, and changes nothing."""
    assert place.train(at_text="step 6 of").code == KILLED
    (run,) = place.runs
    with hold_folder(run, "training"):  # which removes what the killed run left half written
        before = {path: path.read_bytes() for path in run.iterdir()}
        check_line(place.train(), 6, "Another process is training in")
        assert {path: path.read_bytes() for path in run.iterdir()} == before


@contextlib.contextmanager
def disk_at(folder: Path, size: str, options: str = "") -> Iterator[None]:
    """A small disk at a folder, which is empty afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    with mounted_disk(folder, size, options):
        yield


def test_a_full_disk_for_the_model(place: Place, whole: Whole) -> None:
    """One line; with room again it is written without a step."""
    with disk_at(place.folder.parent, "60k"):
        check_line(place.train(), 2, "is full; the trained model there is as it was")
        assert not place.folder.exists()
    again = place.train()
    assert f"of {STEPS}:" not in again.stderr
    check_end(place, whole)


def test_a_full_disk_for_snapshots(place: Place) -> None:
    """One line that says how to go on; no model."""
    for name in ("cache", "cache/training", "cache/code"):
        (place.root / name).mkdir(exist_ok=True)
    with disk_at(place.root / "cache/training", "60k"):
        check_line(place.train(), 2, "No space left on device); make room")
        assert not place.folder.exists()


def test_a_cache_that_is_read_only(place: Place) -> None:
    """One line before anything is trained."""
    with disk_at(place.root / "cache", "60k", ",ro"):
        ended = place.train()
    check_line(ended, 2, "Read-only file system); point EDGE_BERT_CACHE")
    assert "step" not in ended.stderr


def test_a_folder_that_cannot_be_written(place: Place) -> None:
    """One line before anything is trained."""
    with disk_at(place.folder.parent, "60k", ",ro"):
        ended = place.train()
    check_line(ended, 2, "cannot be written")
    assert "step" not in ended.stderr
