"""`invoke compress` killed at any moment: nothing is half written, the same command goes on."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edge_bert.pipeline.compress.run_plan import read_compression
from edge_bert.records.plan import Compression
from edge_bert.sources.load import load_checkpoint
from edge_bert.sources.training_run import read_training_run
from tests.pipeline.train.forked_commands import Ended, Forked, forked_commands
from tests.pipeline.train.test_train_head import example_rows, write_data
from tests.tiny import models

KILLS = int(os.environ.get("EDGE_BERT_KILLS", "4"))
SEED = int(os.environ.get("EDGE_BERT_KILL_SEED", "0"))
KILLED = 128 + signal.SIGKILL
STEP = "[[steps]]\nkind = 'train'\nepochs = 1\nbatch_size = 32\nlearning_rate = {}\n"
# The backend that starts quickest; what a file scores is not looked at here.
ENVIRONMENT = {"KERAS_BACKEND": "torch", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Place:
    """A cache and a folder of trained models, and the command that takes a plan there."""

    root: Path
    server: Forked
    words: tuple[str, ...]

    @property
    def out(self) -> Path:
        """The folder of the models."""
        return self.root / "out"

    def compress(self, **when: object) -> Ended:
        """Take the plan, ended where `when` says."""
        return self.server.run(*self.words, **when)

    def check_models(self) -> list[str]:
        """The names of the models that are there, each of which is whole."""
        names = sorted(path.name for path in self.out.glob("[!.]*") if path.is_dir())
        for name in names:
            load_checkpoint(str(self.out / name), self.root)
            assert read_training_run(self.out / name) is not None
            read_compression(self.out / name)
        return names

    def clear(self) -> None:
        """Nothing was ever trained here."""
        for folder in (self.root / "cache", self.out):
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place with a tiny model, its data, and a plan of two steps."""
    pytest.importorskip("torch")
    root = tmp_path_factory.mktemp("place")
    model = models.write(root / "m", num_hidden_layers=1)
    (root / "two.toml").write_text(STEP.format(1e-3) + STEP.format(1e-4), "utf-8")
    words = ["compress", "--profile", "pixel-9", "--plan", root / "two.toml", "--model", model]
    words += ["--data", write_data(root / "weather.csv", example_rows(100)), "--name", "weather"]
    words += ["--out", root / "out", "--threads", 1, "--no-build"]
    environment = ENVIRONMENT | {"EDGE_BERT_CACHE": str(root / "cache")}
    with forked_commands("tests.pipeline.compress.forked_plans", **environment) as server:
        assert server.threads == 1  # or a fork could find a lock that no one opens
        yield Place(root, server, tuple(map(str, words)))


def digests(compression: Compression | None) -> list[str]:
    """The keys of a plan's result and of its models' weights."""
    assert compression is not None
    return [compression.digest, *(effect.model_sha256 for effect in compression.effects)]


def test_killed_at_random_moments(place: Place) -> None:
    """Half of the kills after some processor time, half before some change of a file; in the end
    the models are those of a run that nothing cut short."""
    whole = place.compress()
    assert whole.code == 0, whole.stderr
    expected = digests(read_compression(place.out / "weather"))
    names = ["weather", "weather-1-train", "weather-2-train"]
    assert place.check_models() == names
    place.clear()
    draw = np.random.default_rng(SEED)
    kills = 0
    while kills < KILLS:
        after_s = draw.uniform(0, whole.seconds)
        change = int(draw.integers(1, whole.changes, endpoint=True))
        when = {"after_s": after_s} if kills % 2 == 0 else {"before_change": change}
        ended = place.compress(**when)
        if ended.code == KILLED:
            kills += 1
            assert set(place.check_models()) <= set(names)
            continue
        assert ended.code == 0, ended.stderr
        assert digests(read_compression(place.out / "weather")) == expected
        place.clear()
    ended = place.compress()
    assert ended.code == 0, ended.stderr
    assert digests(read_compression(place.out / "weather")) == expected
    assert place.check_models() == names
    assert not list(place.out.glob(".*"))
