"""`invoke supernet` as a job: one folder for many sizes, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_bert.compress.train.loop import StageStatus, TrainingStatus
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.errors import InputError, ModelError
from edge_bert.pipeline.train.options import SupernetOptions
from edge_bert.pipeline.train.start_model import open_teacher
from edge_bert.pipeline.train.supernet.supernet_model import train_supernet_model
from edge_bert.pipeline.train.supernet.supernet_start import check_start
from edge_bert.pipeline.train.trained_model import TrainedModel
from edge_bert.records.recipe import WI4C_AFP32
from edge_bert.records.trained_bits import TrainedBits
from edge_bert.records.training import TrainingRun
from edge_bert.records.weight_bits import WeightBits
from edge_bert.sources.load import load_checkpoint
from edge_bert.sources.supernet import read_supernet
from tests.one_line import refused
from tests.pipeline.train.test_train_head import WORDS
from tests.tiny import models


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models and texts of four words, all of one bucket."""
    folder = tmp_path_factory.mktemp("supernet")
    models.write(folder / "embedding", "bert", "mean-normalize")
    models.write(folder / "shared", "albert", "mean-normalize")
    random = np.random.default_rng(0)
    texts = dict.fromkeys(" ".join(random.choice(WORDS, 4)) for _ in range(96))
    (folder / "texts.txt").write_text("\n".join(texts), "utf-8")
    return folder


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_BERT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def options_of(folder: Path, **values: Any) -> SupernetOptions:
    """Options of a short run."""
    given: dict[str, Any] = {
        "name": "many",
        "model": str(folder / "embedding"),
        "text": (str(folder / "texts.txt"),),
        "out": str(folder / "checkpoints"),
        "epochs": 2,
        "batch_size": 16,
        "learning_rate": 3e-3,
        "held_out": 0.3,
        "drawn": 0,
        "least_neurons": 0.5,
        "importance": "obs",
    }
    return SupernetOptions(**(given | values))


@pytest.fixture(scope="module")
def trained(folder: Path) -> TrainedModel:
    """A run of a few steps."""
    return train_supernet_model(options_of(folder))


def test_a_folder_is_the_whole_model_with_its_sub_networks(trained: TrainedModel) -> None:
    """It reads as any checkpoint of the same sizes, and supernet.json names what can be cut."""
    checkpoint = load_checkpoint(str(trained.folder), trained.folder)
    config = encoder_weights(checkpoint).config
    assert (config.heads, config.ffn) == ((4, 4), (64, 64))
    supernet = read_supernet(checkpoint.folder, config.heads, config.ffn)
    assert supernet is not None
    assert [len(layers) for layers in supernet.grid.layers] == [1, 2]
    assert supernet.grid.heads[0][1] != config.heads
    assert sum(supernet.grid.ffn[0][1]) == 64
    for name in ("report.html", "README.md"):
        assert "Sub-networks" in (trained.folder / name).read_text("utf-8")


def test_sub_networks_learn(trained: TrainedModel) -> None:
    """The loss falls and the mean score rises; the record has the curve of score against work."""
    record = msgspec.json.decode((trained.folder / "training.json").read_bytes(), type=TrainingRun)
    assert record == trained.run
    curve = record.trained_curve
    assert curve.points[-1].loss < 0.9 * curve.points[0].loss
    assert curve.start_score is not None
    assert curve.best_score > curve.start_score + 0.01
    assert record.supernet is not None
    rungs = record.supernet.rungs
    assert [rung.share for rung in rungs] == sorted(rung.share for rung in rungs)
    assert rungs[-1].share == 1
    assert np.mean([rung.score for rung in rungs]) == pytest.approx(curve.best_score, abs=1e-5)


def test_the_same_command_again_trains_nothing(folder: Path, trained: TrainedModel) -> None:
    """It takes the sorted weights and the run from the cache, and writes the same weights."""
    before = (trained.folder / "model.safetensors").read_bytes()
    reported: list[TrainingStatus | StageStatus] = []
    again = train_supernet_model(options_of(folder), reported.append)
    assert not [status for status in reported if isinstance(status, TrainingStatus)]
    assert not [status for status in reported if "importance" in getattr(status, "stage", "")]
    assert (trained.folder / "model.safetensors").read_bytes() == before
    assert again.run.supernet == trained.run.supernet


def test_a_file_of_other_weights_or_layers_is_refused(
    trained: TrainedModel, tmp_path: Path
) -> None:
    """Damaged, of another version, of other weights, or with more than the model has."""
    text = (trained.folder / "supernet.json").read_text("utf-8")
    heads, ffn = (4, 4), (64, 64)
    (tmp_path / "model.safetensors").write_bytes(
        (trained.folder / "model.safetensors").read_bytes()
    )
    assert read_supernet(tmp_path, heads, ffn) is None

    def refuse(content: str, match: str, heads: tuple[int, ...] = heads) -> None:
        (tmp_path / "supernet.json").write_text(content, "utf-8")
        with refused(ModelError, match):
            read_supernet(tmp_path, heads, ffn)

    refuse(text[:-20], "does not hold the JSON")
    refuse(text.replace('"format_version": 1', '"format_version": 2'), "has format version 2")
    refuse(text, "that the model lacks", (4,))
    fields = msgspec.json.decode(text)
    twice = fields | {"head_order": [[0, 0, 1, 2], [0, 1, 2, 3]]}
    refuse(msgspec.json.encode(twice).decode(), "each place once")
    grid = fields["grid"] | {"layers": [[0], [1]]}
    refuse(msgspec.json.encode(fields | {"grid": grid}).decode(), "must hold the one before")
    with (tmp_path / "model.safetensors").open("ab") as file:
        file.write(b" ")
    refuse(text, "of other weights")


@pytest.mark.parametrize(
    ("values", "error", "match"),
    [
        ({"fewest_layers": 3}, InputError, "--fewest-layers 3: the model has 2"),
        ({"least_heads": 0.0}, InputError, "--least-heads 0: give a share"),
        ({"drawn": -1}, InputError, "--drawn -1: give 0 to 16"),
        ({"importance": "taylor"}, InputError, "the texts have none"),
        ({"importance": "magic"}, InputError, "give one of obs, fisher, taylor"),
        (
            {"fewest_layers": 2, "least_heads": 1.0, "least_neurons": 1.0},
            InputError,
            "the only sub-network",
        ),
        ({"model": "shared"}, ModelError, "its layers share their weights"),
    ],
)
def test_bad_options_are_refused(
    folder: Path, values: dict[str, Any], error: type[Exception], match: str
) -> None:
    """By name, in one line."""
    model = values.get("model")
    given = values | ({"model": str(folder / model)} if model else {})
    with refused(error, match):
        train_supernet_model(options_of(folder, **given))


def test_models_on_a_grid_are_refused(folder: Path) -> None:
    """Training would leave the grid."""
    models.write(folder / "rounded", "bert", "mean-normalize")
    bits = WeightBits.of_recipe(WI4C_AFP32, 2)
    trained = TrainedBits(1, WI4C_AFP32.name, bits)
    (folder / "rounded" / "quantization.json").write_bytes(msgspec.json.encode(trained))
    with refused(ModelError, "has weights on a grid"):
        check_start(open_teacher(str(folder / "rounded")))
