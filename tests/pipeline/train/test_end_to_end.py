"""The commands of training as a user types them, one after the other, on one tiny model."""

from __future__ import annotations

import contextlib
import io
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_bert.cli import program
from edge_bert.data.buckets import encode_unpadded
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.devices.emulator import host_tools
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.numpy_forward import run_encoder
from edge_bert.records.plan import Compression
from edge_bert.records.training import TrainingRun
from edge_bert.sources.load import load_checkpoint
from edge_bert.store.sealed_json import read_sealed
from tests.pipeline import tiny_bundle as tiny
from tests.pipeline.train.test_train_head import CLASSES, WORDS, write_data

# Of both students: what they learn comes from their teachers alone.
DISTILL = {"layers": 1, "epochs": 3, "batch_size": 16, "learning_rate": 1e-3, "label_weight": 0}
TRAIN = {"epochs": 3, "batch_size": 16, "learning_rate": 1e-3}
Rows = list[tuple[str, str]]


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it wrote on standard error."""

    code: int
    lines: list[str]

    @property
    def steps(self) -> list[int]:
        """The steps of training that it told of."""
        told = [re.search(r"step (\d+) of \d+: loss", line) for line in self.lines]
        return [int(match[1]) for match in told if match]


class InterruptedAt(io.StringIO):
    """A stream at which Ctrl-C is pressed, once: at a line with `text` after one with `stage`."""

    def __init__(self, stage: str, text: str) -> None:
        super().__init__()
        self._rest = [stage, text]

    def write(self, line: str) -> int:
        """Keep the line."""
        if self._rest and self._rest[0] in line:
            self._rest.pop(0)
            if not self._rest:
                signal.raise_signal(signal.SIGINT)
        return super().write(line)


def run(*words: object, stderr: io.StringIO | None = None) -> Said:
    """`edge-bert` with these words, in this process."""
    stderr, code = stderr or io.StringIO(), 0
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stderr(stderr),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        patch.setattr(sys, "argv", ["edge-bert", *map(str, words)])
        try:
            program.main()
        except SystemExit as stopped:
            code = int(stopped.code or 0)
    return Said(code, stderr.getvalue().splitlines())


def spell(options: dict[str, float]) -> list[object]:
    """Options of a plan's step as those of its command."""
    words = ((f"--{name.replace('_', '-')}", value) for name, value in options.items())
    return [word for pair in words for word in pair]


def make_rows(seed: int, count: int = 160) -> Rows:
    """Texts of random words; the first word says the class."""
    random = np.random.default_rng(seed)
    texts = [[WORDS[index % 2], *random.choice(WORDS[2:], 4)] for index in range(count)]
    return [(" ".join(text), CLASSES[index % 2]) for index, text in enumerate(texts)]


@dataclass(frozen=True)
class Place:
    """A folder with labelled texts and a plan of two steps, and where models are written."""

    root: Path

    def write_files(self) -> None:
        """The data, the same with labels that say nothing, and the plan."""
        rows, random = make_rows(0), np.random.default_rng(1)
        write_data(self.root / "weather.csv", rows)
        senseless = [(text, str(random.choice(CLASSES))) for text, _ in rows]
        write_data(self.root / "senseless.csv", senseless)
        steps = (("train", TRAIN), ("distill", DISTILL))
        lines = [
            "\n".join(["[[steps]]", f"kind = '{kind}'", *(f"{k} = {v}" for k, v in given.items())])
            for kind, given in steps
        ]
        (self.root / "plan.toml").write_text("\n".join(lines), "utf-8")

    def folder(self, name: str) -> Path:
        """That of a trained model."""
        return self.root / "out" / name

    def command(self, kind: str, name: str, data: str, **models: object) -> list[object]:
        """The words of a command that learns from data."""
        given = [word for option, value in models.items() for word in (f"--{option}", value)]
        words = [kind, *given, "--data", self.root / f"{data}.csv", "--name", name]
        return [*words, "--out", self.root / "out"]

    def compress(self, stderr: io.StringIO | None = None) -> Said:
        """The plan, on the tiny model."""
        words = self.command("compress", "weather", "weather", model=tiny.model())
        plan = ("--plan", self.root / "plan.toml", "--profile", "pixel-9", "--no-build")
        return run(*words, *plan, stderr=stderr)

    def read_run(self, name: str) -> TrainingRun:
        """What a model comes from."""
        return msgspec.json.decode(
            (self.folder(name) / "training.json").read_bytes(), type=TrainingRun
        )

    def score(self, name: str) -> float:
        """The share of new texts of which a model's folder knows the class."""
        checkpoint = load_checkpoint(str(self.folder(name)), self.root)
        tokenizer = Tokenizer.open_file(checkpoint.tokenizer, checkpoint.max_length)
        weights, rows = encoder_weights(checkpoint), make_rows(7, 60)
        texts = encode_unpadded(tokenizer, weights.input_names, [text for text, _ in rows])
        answers = run_encoder(weights, texts).argmax(axis=1)
        return float(np.mean([CLASSES[a] == c for a, (_, c) in zip(answers, rows, strict=True)]))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The place, on a machine that lacks the emulator."""
    place = Place(tmp_path_factory.mktemp("place"))
    place.write_files()
    with pytest.MonkeyPatch.context() as patch, tiny.own_cache("end-to-end"):
        patch.setattr(host_tools, "find_missing_tools", lambda: [object()])
        yield place


@pytest.fixture(scope="module")
def cut(place: Place) -> Said:
    """The plan, interrupted in its second step."""
    return place.compress(InterruptedAt("step 2 of 2: distill", "of 30: loss"))


@pytest.fixture(scope="module")
def resumed(place: Place, cut: Said) -> Said:
    """The plan again, to its end."""
    del cut
    resumed = place.compress()
    assert resumed.code == 0, resumed.lines
    return resumed


@pytest.fixture(scope="module")
def compression(place: Place, resumed: Said) -> Compression:
    """What its steps gave and cost."""
    del resumed
    path = place.folder("weather") / "compress.json"
    return read_sealed(path.read_bytes(), Compression)


def test_a_plan_goes_on_in_the_step_in_which_it_was_cut(cut: Said, resumed: Said) -> None:
    """The plan's step before it stands, and of its own no step is taken twice."""
    assert cut.code == 128 + signal.SIGINT, cut.lines
    assert cut.lines[-1].endswith("of 30; the same command again goes on from there")
    assert any("step 1, train: stands in" in line for line in resumed.lines)
    assert min(resumed.steps) > cut.steps[-1]


def test_the_same_plan_again_trains_nothing(place: Place, resumed: Said) -> None:
    """And leaves every byte."""
    del resumed
    files = [path for path in place.folder("weather").rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    again = place.compress()
    assert (again.code, again.steps) == (0, [])
    assert {path: path.read_bytes() for path in files} == before


def test_the_loss_falls(place: Place, compression: Compression) -> None:
    """Of each step, and new texts are known."""
    del compression
    for name, share in (("weather-1-train", 0.6), ("weather-2-distill", 0.93)):
        points = place.read_run(name).curve.points
        assert points[-1].loss < share * points[0].loss, points
    assert place.score("weather-1-train") >= 0.9


def test_a_better_teacher_gives_a_better_student(place: Place, compression: Compression) -> None:
    """One that learned from labels that say nothing teaches the same texts worse."""
    del compression
    words = place.command("train", "senseless", "senseless", model=tiny.model())
    assert run(*words, *spell(TRAIN)).code == 0
    teacher = place.folder("senseless")
    words = place.command("distill", "misled", "senseless", teacher=teacher)
    assert run(*words, *spell(DISTILL)).code == 0
    assert place.score("senseless") <= place.score("weather-1-train") - 0.2
    assert place.score("misled") <= place.score("weather") - 0.2
    assert place.score("weather") >= 0.85


def test_a_loss_that_is_no_number_has_a_line_and_a_code(place: Place) -> None:
    """Nothing is written under the name."""
    words = place.command("train", "diverged", "weather", model=tiny.model())
    said = run(*words, "--learning-rate", "1e30", "--epochs", 1, "--batch-size", 64)
    assert said.code == 4, said.lines
    assert said.lines[-1].startswith("error: The loss is no number at step ")
    assert not place.folder("diverged").exists()


def test_the_file_of_a_smaller_model_is_smaller(compression: Compression) -> None:
    """Built, scored and measured in bytes."""
    _, teacher, student = compression.effects
    assert student.size_bytes < teacher.size_bytes
    assert student.score is not None
    assert student.score >= 0.8


def test_a_pruned_model_still_knows_its_classes(place: Place, compression: Compression) -> None:
    """With half of the heads and neurons its weights are fewer bytes."""
    del compression
    teacher = place.folder("weather-1-train")
    words = place.command("prune", "pruned", "weather", model=teacher)
    kept = ("--neurons", "50%", "--heads", "50%", "--steps", 1, "--final-epochs", 1)
    said = run(*words, *kept, "--batch-size", 16, "--learning-rate", "1e-3")
    assert said.code == 0, said.lines
    sizes = [
        (folder / "model.safetensors").stat().st_size
        for folder in (place.folder("pruned"), teacher)
    ]
    assert sizes[0] < sizes[1]
    assert place.score("pruned") >= 0.85
