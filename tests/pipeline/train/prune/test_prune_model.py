"""`invoke prune` as a job: a smaller folder that reads as any checkpoint, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_bert.compress.prune.block_sparsity import zero_share
from edge_bert.compress.train.loop import StageStatus, TrainingStatus
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.errors import BudgetError, DataError, InputError, ModelError
from edge_bert.pipeline.train.options import PruneOptions
from edge_bert.pipeline.train.prune.fit_latency import FINEST, largest_share
from edge_bert.pipeline.train.prune.prune_model import prune_model
from edge_bert.pipeline.train.trained_model import TrainedModel
from edge_bert.records.training import TrainingRun
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.pipeline.train.test_train_head import WORDS
from tests.tiny import models


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models and texts of four words, all of one bucket."""
    folder = tmp_path_factory.mktemp("prune")
    models.write(folder / "embedding", "bert", "mean-normalize")
    models.write(folder / "classifier", "bert", "classification")
    models.write(folder / "shared", "albert", "mean-normalize")
    models.write(folder / "tagger", "bert", "token_classification")
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


def options_of(folder: Path, **values: Any) -> PruneOptions:
    """Options of a short run."""
    given: dict[str, Any] = {
        "name": "pruned",
        "model": str(folder / "embedding"),
        "text": (str(folder / "texts.txt"),),
        "out": str(folder / "checkpoints"),
        "steps": 1,
        "final_epochs": 1,
        "batch_size": 32,
        "learning_rate": 1e-3,
        "held_out": 0.3,
    }
    return PruneOptions(**(given | values))


@pytest.fixture(scope="module")
def pruned(folder: Path) -> TrainedModel:
    """Half of the neurons and three quarters of the heads."""
    return prune_model(options_of(folder, neurons=0.5, heads=0.75))


def test_a_pruned_folder_is_a_smaller_model(folder: Path, pruned: TrainedModel) -> None:
    """It has the heads and neurons that were asked for, and reads as any checkpoint."""
    checkpoint = load_checkpoint(str(pruned.folder), pruned.folder)
    config = encoder_weights(checkpoint).config
    assert (sum(config.heads), sum(config.ffn)) == (6, 64)
    assert (pruned.folder / "edge_bert.json").is_file()  # its heads are narrower than its rows
    sizes = [
        (path / "model.safetensors").stat().st_size
        for path in (pruned.folder, folder / "embedding")
    ]
    assert sizes[0] < sizes[1]


def test_the_record_has_each_step(pruned: TrainedModel) -> None:
    """Structure, scores and seconds, and where it comes from."""
    record = msgspec.json.decode((pruned.folder / "training.json").read_bytes(), type=TrainingRun)
    assert record == pruned.run
    assert record.kind == "pruning"
    assert [(sum(step.heads), step.ffn) for step in record.pruning] == [(6, (32, 32))]
    assert record.pruning[-1].score_after == record.curve.best_score
    assert all(step.seconds > 0 for step in record.pruning)
    assert [ancestor.role for ancestor in record.ancestors] == ["start", "teacher"]


def test_the_same_command_again_trains_nothing(folder: Path, pruned: TrainedModel) -> None:
    """And writes the same weights."""
    before = (pruned.folder / "model.safetensors").read_bytes()
    steps: list[TrainingStatus | StageStatus] = []
    prune_model(options_of(folder, neurons=0.5, heads=0.75), steps.append)
    assert not [status for status in steps if isinstance(status, TrainingStatus)]
    assert (pruned.folder / "model.safetensors").read_bytes() == before


@pytest.mark.slow
def test_blocks_of_zeros_make_a_smaller_download(folder: Path) -> None:
    """Not a smaller file: the record has both, and the dense model's beside them."""
    sparse = prune_model(options_of(folder, name="sparse", sparsity=0.75, steps=1))
    weights = encoder_weights(load_checkpoint(str(sparse.folder), sparse.folder))
    sparsity = sparse.run.sparsity
    assert sparsity is not None
    assert sparsity.share == zero_share(weights, (1, 16)) == 0.75
    (after,), (before,) = sparsity.sparse, sparsity.dense
    assert after.file_bytes == pytest.approx(before.file_bytes, rel=0.01)
    assert after.zip_bytes < 0.95 * before.zip_bytes
    assert after.zstd_bytes < 0.95 * before.zstd_bytes


@pytest.mark.parametrize(
    ("values", "error", "match"),
    [
        ({}, InputError, "Nothing says what to keep"),
        ({"neurons": 0.0}, InputError, "--neurons 0: give a share above 0"),
        ({"heads": 1.2}, InputError, "--heads 1.2: give a share above 0"),
        ({"sparsity": 1.0}, InputError, "nothing would be left"),
        ({"neurons": 1.0, "heads": 1.0}, InputError, "All of the model would be kept"),
        ({"neurons": 0.99}, InputError, "are all that it has"),
        ({"layers": 2}, InputError, "All of the model would be kept"),
        ({"layers": 3}, InputError, "--layers 3: the model has 2"),
        ({"layers": 0}, InputError, "--layers 0: give 1 to 1000"),
        ({"neurons": 0.5, "sparsity": 0.5}, InputError, "--neurons and --sparsity are two goals"),
        (
            {"heads": 0.5, "max_latency": 5.0, "profile": "pixel-9"},
            InputError,
            "--heads and --max-latency are two goals",
        ),
        ({"max_latency": 5.0}, InputError, "--max-latency and --profile go together"),
        ({"neurons": 0.5, "profile": "pixel-9"}, InputError, "go together"),
        ({"sparsity": 0.5, "block": "16"}, InputError, "give outputs x inputs"),
        ({"sparsity": 0.5, "block": "1x24"}, InputError, "no whole blocks"),
        ({"neurons": 0.5, "block": "1x8"}, InputError, "--block says what --sparsity"),
        ({"neurons": 0.5, "importance": "magic"}, InputError, "give one of obs, fisher, taylor"),
        ({"neurons": 0.5, "importance": "taylor"}, InputError, "the texts have none"),
        ({"neurons": 0.5, "steps": 0}, InputError, "--steps 0"),
        ({"neurons": 0.5, "text": ()}, InputError, "Neither --data nor --text"),
        ({"neurons": 0.5, "text": ("nowhere.txt",)}, DataError, "nowhere.txt"),
        ({"neurons": 0.5, "model": "shared"}, ModelError, "its layers share their weights"),
        ({"neurons": 0.5, "model": "tagger"}, ModelError, "takes embeddings and classifiers"),
        ({"neurons": 0.5, "name": "../away"}, InputError, "name of a folder"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    values: dict[str, Any], error: type[Exception], match: str, folder: Path
) -> None:
    """Before anything is trained or written."""
    if "model" in values:
        values = values | {"model": str(folder / values["model"])}
    with refused(error, match):
        prune_model(options_of(folder, **({"name": "refused"} | values)))
    assert not (folder / "checkpoints" / "refused").exists()


def test_an_impossible_latency_is_refused_before_anything_is_built(folder: Path) -> None:
    """By the multiply-adds alone, with the nearest."""
    wish = {"name": "refused", "max_latency": 1e-8, "profile": "pixel-9"}
    with refused(BudgetError, "out of reach: the multiply-adds of its smallest structure take"):
        prune_model(options_of(folder, **wish))


def test_the_largest_share_within_a_latency_is_chosen() -> None:
    """By few measurements; with the nearest where none is, and a word where nothing has to go."""
    asked: list[float] = []

    def latency_of(share: float) -> float:
        asked.append(share)
        return 2.0 + 8.0 * share

    share, latency = largest_share(latency_of, 5.0)
    assert share == 18 / FINEST  # 36 % take 4.88 ms, 38 % take 5.04 ms
    assert latency == pytest.approx(4.88)
    assert len(asked) <= 8
    with refused(BudgetError, r"out of reach: 2% of its heads and neurons take 2\.16 ms"):
        largest_share(latency_of, 2.1)
    with refused(InputError, r"takes 10\.00 ms; nothing has to go"):
        largest_share(latency_of, 10.0)
