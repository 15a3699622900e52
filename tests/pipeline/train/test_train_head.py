"""`invoke train` as a job: labelled texts in, a folder out that builds like any other model."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_bert.compress.train.loop import TrainingStatus
from edge_bert.data.buckets import encode_unpadded
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.numpy_forward import run_encoder
from edge_bert.errors import DataError, InputError
from edge_bert.pipeline.train.options import FineTuneOptions
from edge_bert.pipeline.train.train_head import train_head
from edge_bert.pipeline.train.trained_model import TrainedModel
from edge_bert.records.checkpoint import Task
from edge_bert.records.training import TrainingRun
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.tiny import models

CLASSES = ("cold", "warm")
# A token each: a graph is traced for every eight tokens of length, which takes longer than steps.
WORDS = ("no", "table", "cat", "mat", "report", "train", "city", "lamp", "weather", "book")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny embedding model."""
    return models.write(tmp_path_factory.mktemp("tiny") / "m", "bert", "mean-normalize")


def write_data(path: Path, rows: list[tuple[str, str]]) -> str:
    """A CSV file with these texts and labels; gives the reference to it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return str(path)


def example_rows(count: int = 160) -> list[tuple[str, str]]:
    """Texts of random words; the first word says the class."""
    random = np.random.default_rng(0)
    rows = []
    for index in range(count):
        words = random.choice(WORDS[2:], 4).tolist()
        rows.append((" ".join([WORDS[index % 2], *words]), CLASSES[index % 2]))
    return rows


def options_in(folder: Path, model: Path) -> FineTuneOptions:
    """Options of a short run that writes into this folder."""
    return FineTuneOptions(
        name="weather",
        model=str(model),
        data=write_data(folder / "weather.csv", example_rows()),
        out=str(folder / "checkpoints"),
        epochs=3,
        batch_size=16,
        learning_rate=1e-3,
    )


@pytest.fixture
def options(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FineTuneOptions:
    """Options of a short run, with a cache of its own."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))
    return options_in(tmp_path, model)


@pytest.fixture(scope="module")
def trained_options(
    model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FineTuneOptions]:
    """The options of `trained`, with the cache that its run is in."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_BERT_CACHE", str(folder / "cache"))
        yield options_in(folder, model)


@pytest.fixture(scope="module")
def trained(trained_options: FineTuneOptions) -> TrainedModel:
    """A model that no test changes."""
    return train_head(trained_options)


def read_scores(trained: TrainedModel, texts: list[str]) -> np.ndarray:
    """The logits of a trained model's folder."""
    checkpoint = load_checkpoint(str(trained.folder), trained.folder)
    tokenizer = Tokenizer.open_file(checkpoint.tokenizer, checkpoint.max_length)
    weights = encoder_weights(checkpoint)
    return run_encoder(weights, encode_unpadded(tokenizer, weights.input_names, texts))


def test_a_trained_folder_is_a_classifier(trained: TrainedModel) -> None:
    """It knows its labels, gives the right ones, and says what it comes from."""
    checkpoint = load_checkpoint(str(trained.folder), trained.folder)
    assert (checkpoint.head.task, checkpoint.head.labels) == (Task.CLASSIFICATION, CLASSES)
    texts = [text for text, _ in example_rows(40)]
    right = read_scores(trained, texts).argmax(axis=1) == np.arange(40) % 2
    assert right.mean() >= 0.9
    record = msgspec.json.decode((trained.folder / "training.json").read_bytes(), type=TrainingRun)
    assert record == trained.run
    assert record.ancestors[0].role == "start"
    assert record.data[0].held_out > 0
    assert "held-out accuracy" in (trained.folder / "README.md").read_text("utf-8")


def test_the_same_command_again_trains_nothing(
    trained: TrainedModel, trained_options: FineTuneOptions
) -> None:
    """The run has ended; its folder is written again with the same weights."""
    weights = (trained.folder / "model.safetensors").read_bytes()
    steps: list[TrainingStatus] = []
    second = train_head(trained_options, steps.append)
    assert not steps
    assert (second.folder / "model.safetensors").read_bytes() == weights


def test_a_classifier_goes_on_with_the_head_that_it_has(
    trained: TrainedModel, options: FineTuneOptions
) -> None:
    """Trained further on the same classes, it starts where it was."""
    again = msgspec.structs.replace(
        options, model=str(trained.folder), name="further", epochs=1, learning_rate=1e-7
    )
    second = train_head(again)
    assert second.run.curve.best_score >= trained.run.curve.best_score - 0.07


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([("a b", "x")] * 30, "all texts have the label x"),
        ([("a b", "x")] * 30 + [("c d", "y")], "the label y has one text"),
        ([("a", "x"), ("b", "x"), ("c", "y"), ("d", "y")], "are too few"),
    ],
)
def test_data_that_trains_nothing_is_refused(
    rows: list[tuple[str, str]], match: str, options: FineTuneOptions, tmp_path: Path
) -> None:
    """One line, before anything is computed."""
    data = write_data(tmp_path / "bad.csv", rows)
    with refused(DataError, match):
        train_head(msgspec.structs.replace(options, data=data))
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"epochs": 0}, "--epochs 0: "),
        ({"held_out": 2.0}, "--held-out 2.0: "),
        ({"freeze": "heads"}, "--freeze heads: give embeddings, encoder or nothing"),
        ({"learning_rate": -1.0}, "--learning-rate -1.0: "),
        ({"name": "../elsewhere"}, "name of a folder"),
        ({"name": ""}, "name of a folder"),
    ],
)
def test_options_that_cannot_be_are_refused(
    change: dict[str, object], match: str, options: FineTuneOptions
) -> None:
    """With the option's name."""
    with refused(InputError, match):
        train_head(msgspec.structs.replace(options, **change))


def test_a_folder_of_the_users_own_stays(options: FineTuneOptions) -> None:
    """Nothing that training did not write is replaced."""
    options.folder.mkdir(parents=True)
    (options.folder / "thesis.txt").write_text("mine", "utf-8")
    with refused(InputError, "holds no trained model"):
        train_head(options)
    assert (options.folder / "thesis.txt").read_text("utf-8") == "mine"
