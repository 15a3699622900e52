"""`invoke cluster` as a job: a folder whose file has few integers, its sizes, what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from edge_bert.cli.clustering_lines import describe_clustering
from edge_bert.compress.cluster.cluster_encoder import count_integers
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.errors import InputError, ModelError, WeightError
from edge_bert.formats.tflite import flatbuffer
from edge_bert.pipeline.train import shipped_size
from edge_bert.pipeline.train.cluster.cluster_model import cluster_model
from edge_bert.pipeline.train.options import ClusterOptions
from edge_bert.pipeline.train.shipped_size import build_file, diff_bytes
from edge_bert.pipeline.train.trained_model import TrainedModel
from edge_bert.records.recipe import WI8_AFP32
from edge_bert.records.training import TrainingRun
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.tiny import models

CENTROIDS = 12
WORDS = ("yes", "no", "cat", "mat", "keys", "report", "friday", "train", "city", "word")
TOKEN_TYPES = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models."""
    folder = tmp_path_factory.mktemp("cluster")
    models.write(folder / "plain", "bert", "mean-normalize", hidden_size=64, num_hidden_layers=1)
    return folder


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_BERT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def options_of(folder: Path, **values: Any) -> ClusterOptions:
    """Options of a run on the tiny model."""
    given: dict[str, Any] = {
        "name": "clustered",
        "model": str(folder / "plain"),
        "out": str(folder / "checkpoints"),
        "centroids": CENTROIDS,
    }
    return ClusterOptions(**(given | values))


@pytest.fixture(scope="module")
def clustered(folder: Path) -> TrainedModel:
    return cluster_model(options_of(folder))


def test_the_built_file_has_few_integers_in_each_matrix(clustered: TrainedModel) -> None:
    """As many as were asked for, in every int8 matrix of the layers and in the word table."""
    weights = encoder_weights(load_checkpoint(str(clustered.folder), clustered.folder))
    counts = list_integer_counts(build_file(weights, WI8_AFP32))
    assert len(counts) == 6 * weights.config.layers + 1
    assert all(2 < count <= CENTROIDS for count in counts), counts


def list_integer_counts(data: bytes) -> list[int]:
    """How many different integers each int8 matrix has, and each table but that of token types."""
    model = flatbuffer.read_model(data)
    types = flatbuffer.load_schema().TensorType
    constants = [
        np.asarray(model.buffers[tensor.buffer].data).view(np.int8)
        for tensor in model.subgraphs[0].tensors
        if tensor.type == types.INT8
        and len(shape := flatbuffer.shape_of(tensor)) == 2
        and shape[0] > TOKEN_TYPES
        and model.buffers[tensor.buffer].data is not None
    ]
    return [len(np.unique(constant)) for constant in constants]


def test_the_record_has_the_sizes_as_shipped(clustered: TrainedModel) -> None:
    """The file is as large as before; packed it is smaller."""
    written = (clustered.folder / "training.json").read_bytes()
    run = msgspec.json.decode(written, type=TrainingRun)
    assert run == clustered.run
    assert run.clustering is not None
    (before,), (after,) = run.clustering.unclustered, run.clustering.clustered
    assert after.file_bytes == pytest.approx(before.file_bytes, rel=0.01)
    assert after.zip_bytes < 0.9 * before.zip_bytes
    assert after.zstd_bytes < 0.9 * before.zstd_bytes
    assert before.patch_bytes is None
    assert after.patch_bytes is not None
    assert 0 < after.patch_bytes < after.file_bytes


def test_a_patch_makes_the_new_file_of_the_old() -> None:
    """As bsdiff's own patch program applies it."""
    import bsdiff4

    old, new = bytes(range(256)) * 8, bytes(range(256)) * 7 + b"new"
    patch = diff_bytes(old, new)
    assert bsdiff4.patch(old, patch) == new
    assert len(patch) < len(new)


def test_terminal_page_and_card_have_the_sizes(clustered: TrainedModel) -> None:
    """Zip, zstd and patch, each with what it was without clustering, and no curve."""
    lines = "\n".join(describe_clustering(clustered.run))
    page = (clustered.folder / "report.html").read_text("utf-8")
    card = (clustered.folder / "README.md").read_text("utf-8")
    for text in (lines, page, card):
        assert "At most 12 integers" in text
        assert all(words in text for words in ("zip archive", "zstd", "bsdiff patch"))
    assert "Nothing was trained" in page
    assert "Held-out" not in page
    assert "Held-out" not in card


def test_a_clustered_folder_gives_nearly_the_answers_of_its_source(
    folder: Path, clustered: TrainedModel
) -> None:
    """Its arrays are those of the source but for rounding; its head and tables of positions are
    the same."""
    before, after = (
        load_file(path / "model.safetensors") for path in (folder / "plain", clustered.folder)
    )
    for name, array in before.items():
        error = np.square(after[name] - array).sum() / np.square(array).sum()
        assert error < 0.03, name
    assert np.array_equal(
        *(side["embeddings.position_embeddings.weight"] for side in (before, after))
    )


def test_texts_fine_tune_the_centroids(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the clustered start, towards the source; a weight leaves no cluster."""
    monkeypatch.setattr(shipped_size, "can_build", lambda: False)
    random = np.random.default_rng(0)
    texts = dict.fromkeys(" ".join(random.choice(WORDS, 4)) for _ in range(96))
    (folder / "texts.txt").write_text("\n".join(texts), "utf-8")
    tuned = cluster_model(
        options_of(
            folder,
            name="tuned",
            text=(str(folder / "texts.txt"),),
            batch_size=16,
            learning_rate=3e-3,
            held_out=0.3,
        )
    )
    curve = tuned.run.curve
    assert curve is not None
    assert curve.start_score is not None
    assert curve.best_score >= curve.start_score
    assert curve.metric == "cosine to the teacher"
    assert tuned.run.losses.cosine == 1.0
    assert [ancestor.role for ancestor in tuned.run.ancestors] == ["start", "teacher"]
    weights = encoder_weights(load_checkpoint(str(tuned.folder), tuned.folder))
    assert count_integers(weights) <= CENTROIDS
    assert "At most 12 integers" in (tuned.folder / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"centroids": 1}, "--centroids 1: give 2 to 255"),
        ({"centroids": 256}, "--centroids 256: give 2 to 255"),
        ({"entropy": -0.1}, "--entropy -0.1"),
        ({"entropy": float("nan")}, "--entropy nan"),
        ({"freeze": "nothing"}, "--freeze nothing"),
        ({"name": "../x"}, "--name"),
    ],
)
def test_options_that_cannot_be_are_refused(folder: Path, values: Any, match: str) -> None:
    """In one line, before anything is read."""
    with refused(InputError, match):
        cluster_model(options_of(folder, **({"model": "nowhere"} | values)))


def test_a_model_that_is_clustered_already_is_refused(
    folder: Path, clustered: TrainedModel
) -> None:
    """Finer or coarser than what is asked for: the line names the model that it comes from."""
    for centroids in (6, CENTROIDS, 40):
        with refused(ModelError, f"clustered already, to {CENTROIDS} integers.*plain"):
            cluster_model(
                options_of(folder, name="again", model=str(clustered.folder), centroids=centroids)
            )
    assert not (folder / "checkpoints" / "again").exists()


def test_weights_with_fewer_integers_than_centroids_are_refused(
    folder: Path, clustered: TrainedModel, tmp_path: Path
) -> None:
    """Where no record says that they are clustered."""
    copy = tmp_path / "copy"
    models.write(copy, "bert", "mean-normalize", hidden_size=64, num_hidden_layers=1)
    save_file(load_file(clustered.folder / "model.safetensors"), copy / "model.safetensors")
    with refused(ModelError, "at most 12 different integers.*--centroids 32 changes nothing"):
        cluster_model(options_of(folder, name="again", model=str(copy), centroids=32))


def test_weights_that_are_no_numbers_are_refused(folder: Path, tmp_path: Path) -> None:
    """Named by their tensor."""
    copy = tmp_path / "copy"
    models.write(copy, "bert", "mean-normalize")
    arrays = load_file(copy / "model.safetensors")
    name = "encoder.layer.1.attention.self.key.weight"
    arrays[name][0, 0] = np.nan
    save_file(arrays, copy / "model.safetensors")
    with refused(WeightError, "key.weight"):
        cluster_model(options_of(folder, model=str(copy)))
