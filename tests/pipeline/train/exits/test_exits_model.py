"""`invoke exits` as a job: a folder with heads between layers and a rule, and what it refuses."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_bert.cli.exit_lines import describe_exits
from edge_bert.compress.train.exits import train_jointly
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.weights import EncoderWeights, HeadDense
from edge_bert.errors import DataError, EdgeBertError, InputError, ModelError
from edge_bert.pipeline.train.cluster import cluster_model as clustering
from edge_bert.pipeline.train.cluster.cluster_model import cluster_model
from edge_bert.pipeline.train.exits import fit_exits
from edge_bert.pipeline.train.exits.exits_model import add_exits
from edge_bert.pipeline.train.options import ClusterOptions, ExitsOptions
from edge_bert.pipeline.train.start_model import open_model
from edge_bert.pipeline.train.trained_model import TrainedModel
from edge_bert.records.training import CurvePoint, TrainingCurve, TrainingRun
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.pipeline.train.test_train_head import WORDS
from tests.tiny import models

LAYERS, TEXTS = 3, 240
SMALL = {"hidden_size": 32, "num_hidden_layers": LAYERS}


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_BERT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models, and texts with and without labels."""
    folder = tmp_path_factory.mktemp("exits")
    for name, head in (("classes", "classification"), ("vectors", "mean-normalize")):
        models.write(folder / name, "bert", head, **SMALL)
    models.write(folder / "tags", "bert", "token_classification", **SMALL)
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, 5)) for _ in range(TEXTS)]
    (folder / "texts.txt").write_text("\n".join(texts), "utf-8")
    rows = [f"{text},{models.LABELS[len(text) % 3]}\n" for text in texts]
    (folder / "labels.csv").write_text("text,label\n" + "".join(rows), "utf-8")
    (folder / "one.csv").write_text(
        "text,label\n" + "".join(f"{text},neutral\n" for text in texts), "utf-8"
    )
    return folder


def options_of(folder: Path, **values: Any) -> ExitsOptions:
    """Options of a short run."""
    given: dict[str, Any] = {
        "name": "exits",
        "model": str(folder / "classes"),
        "out": str(folder / "checkpoints"),
        "after": (1, 2),
        "data": (f"{folder / 'labels.csv'}:text=text,label=label",),
        "agreement": 0.9,
        "joint_epochs": 0,
        "held_out": 0.3,
        "epochs": 30,
        "learning_rate": 1e-3,
        "batch_size": 16,
    }
    return ExitsOptions(**(given | values))


@pytest.fixture(scope="module")
def trained(folder: Path) -> TrainedModel:
    return add_exits(options_of(folder))


def test_the_folder_has_the_exits_beside_the_same_body(folder: Path, trained: TrainedModel) -> None:
    """Read back with all arrays and the rule; the body's own are those of the start, and the
    digest, which caches go by, is another."""
    start, checkpoint = (load_checkpoint(str(x), x) for x in (folder / "classes", trained.folder))
    before, weights = encoder_weights(start), encoder_weights(checkpoint)
    assert [x.after for x in weights.exits] == [1, 2]
    assert all(len(x.head_layers) == 2 for x in weights.exits)
    body = dataclasses.replace(weights, exits=()).arrays
    for name, array in before.arrays.items():
        np.testing.assert_array_equal(body[name], array)
    assert checkpoint.exits is not None
    assert trained.run.exits is not None
    assert checkpoint.exits.saved.rule == trained.run.exits.trials[0].rule
    for name in ("exits.json", "exits.safetensors"):
        path = trained.folder / name
        content = path.read_bytes()
        path.write_bytes(content.replace(b"0.9", b"0.8") if name == "exits.json" else content)
        same = load_checkpoint(str(trained.folder), trained.folder).sha256 == checkpoint.sha256
        assert same == (name != "exits.json")
        path.write_bytes(content)


def test_exits_answer_as_the_whole_model_does(trained: TrainedModel) -> None:
    """Far more often than a head that knows nothing, and at the wanted agreement by the rule."""
    exits = trained.run.exits
    assert exits is not None
    assert min(score.agreement for score in exits.exits) > 0.5
    chosen = exits.trials[0]
    assert chosen.reached
    assert chosen.agreement >= 0.9
    assert chosen.layers < 1
    assert sum(chosen.shares) == pytest.approx(1)
    assert {trial.rule.kind for trial in exits.trials} == {"confidence", "patience"}


def test_terminal_page_card_and_record_tell_of_the_exits(trained: TrainedModel) -> None:
    """The rule, its share of layers, and both rules that were tried."""
    written = (trained.folder / "training.json").read_bytes()
    assert msgspec.json.decode(written, type=TrainingRun) == trained.run
    lines = "\n".join(describe_exits(trained.run))
    page = (trained.folder / "report.html").read_text("utf-8")
    card = (trained.folder / "README.md").read_text("utf-8")
    for text in (lines, page, card):
        assert "held-out texts they pass" in text
        assert "by patience of" in text


def test_other_libraries_open_the_folder_and_run_all_layers(trained: TrainedModel) -> None:
    """transformers passes the files of exits by."""
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(trained.folder)
    assert model.config.num_hidden_layers == LAYERS


def test_the_same_command_again_changes_nothing(folder: Path, trained: TrainedModel) -> None:
    """It goes on from a run that has ended."""
    content = (trained.folder / "exits.safetensors").read_bytes()
    again = add_exits(options_of(folder))
    assert again.run.exits == trained.run.exits
    assert (again.folder / "exits.safetensors").read_bytes() == content


def test_embeddings_predict_how_near_their_exits_are(folder: Path) -> None:
    """The body learns too; the rule leaves by the prediction, which is shown beside the truth."""
    embedding = {"model": str(folder / "vectors"), "data": (), "text": (str(folder / "texts.txt"),)}
    made = add_exits(
        options_of(folder, name="near", joint_epochs=1, epochs=2, agreement=0.8, **embedding)
    )
    weights = encoder_weights(load_checkpoint(str(made.folder), made.folder))
    exits = made.run.exits
    assert exits is not None
    assert all(x.agreement is not None and len(x.head_layers) == 1 for x in weights.exits)
    chosen = exits.trials[0]
    assert chosen.rule.kind == "agreement"
    curve = made.run.trained_curve
    assert curve.metric.startswith("agreement with the model before")
    assert exits.joint == (curve.best_step > 0)
    assert chosen.agreement >= 0.8
    assert chosen.predicted is not None
    assert abs(chosen.predicted.predicted - chosen.predicted.real) < 0.2


@pytest.mark.parametrize(("most", "kept"), [(0.005, False), (1.0, True)])
def test_a_body_is_kept_where_the_whole_model_bears_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, most: float, kept: bool
) -> None:
    """One that learned to name other classes is not, and the output says so."""

    def turn_around(weights: EncoderWeights, *_: Any) -> tuple[EncoderWeights, TrainingCurve]:
        *others, last = weights.head_layers
        assert isinstance(last, HeadDense)
        turned = dataclasses.replace(last, kernel=-last.kernel)
        points = (CurvePoint(step=1, loss=0.1, score=1.0, seconds=1.0),)
        curve = TrainingCurve(points, "accuracy", best_step=1, best_score=1.0, stopped_early=False)
        return dataclasses.replace(weights, head_layers=(*others, turned)), curve

    monkeypatch.setattr(train_jointly, "train_jointly", turn_around)
    monkeypatch.setattr(fit_exits, "MOST_LOST", most)
    texts = {"data": (), "text": (str(folder / "texts.txt"),), "agreement": 0.5}
    name = f"turned-{kept}"
    made = add_exits(options_of(folder, name=name, joint_epochs=1, epochs=1, after=(2,), **texts))
    weights = encoder_weights(load_checkpoint(str(made.folder), made.folder))
    start = encoder_weights(load_checkpoint(str(folder / "classes"), folder))
    ours, before = weights.head_layers[-1], start.head_layers[-1]
    assert isinstance(ours, HeadDense)
    assert isinstance(before, HeadDense)
    np.testing.assert_array_equal(ours.kernel, -before.kernel if kept else before.kernel)
    exits = made.run.exits
    assert exits is not None
    assert exits.joint == kept
    assert (exits.joint_lost or 0) > 0.05
    assert ("the body is as it was, with" in "".join(describe_exits(made.run))) != kept


def test_a_model_with_exits_is_not_trained_further_but_gets_new_ones(
    folder: Path, trained: TrainedModel
) -> None:
    """Another body would not fit the heads; new exits take the place of the old ones."""
    with refused(ModelError, "has exits, whose heads would no longer fit"):
        open_model(str(trained.folder))
    again = add_exits(
        options_of(
            folder, name="again", model=str(trained.folder), after=(2,), epochs=1, agreement=0.6
        )
    )
    weights = encoder_weights(load_checkpoint(str(again.folder), again.folder))
    assert [x.after for x in weights.exits] == [2]


def test_clustering_fits_the_exits_anew(folder: Path, trained: TrainedModel) -> None:
    """To the rows of the clustered body, with the same places and wish; without texts it cannot."""
    given = ClusterOptions(
        name="clustered",
        model=str(trained.folder),
        out=str(folder / "checkpoints"),
        centroids=24,
    )
    with refused(ModelError, "fitted anew to the clustered rows"):
        cluster_model(given)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clustering, "measure_update", lambda *_: ((), ()))
        patch.setattr(clustering, "tune_model", lambda *x: (x[2].weights, x[3]))
        made = cluster_model(
            msgspec.structs.replace(
                given, data=options_of(folder).data, held_out=0.3, learning_rate=1e-3
            )
        )
    checkpoint = load_checkpoint(str(made.folder), made.folder)
    assert checkpoint.exits is not None
    assert checkpoint.exits.saved.rule.wanted_agreement == 0.9
    exits = encoder_weights(checkpoint).exits
    old = encoder_weights(load_checkpoint(str(trained.folder), trained.folder)).exits
    assert [x.after for x in exits] == [1, 2]
    first, before = (x[0].head_layers[0] for x in (exits, old))
    assert isinstance(first, HeadDense)
    assert isinstance(before, HeadDense)
    assert not np.array_equal(first.kernel, before.kernel)
    assert made.run.exits is not None
    assert made.run.clustering is not None


@pytest.mark.parametrize(
    ("values", "kind", "match"),
    [
        ({"after": (3,)}, InputError, "the model has 3 layers"),
        ({"after": (2, 1)}, InputError, "rising order"),
        ({"after": (0, 1)}, InputError, "rising order"),
        ({"agreement": 1.2}, InputError, "0.5 to 1"),
        ({"rule": "guess"}, InputError, "confidence or patience"),
        ({"rule": "patience", "after": (1,)}, InputError, "two or more"),
        ({"held_out": 0.05, "agreement": 0.99}, DataError, "too few for thresholds"),
        ({"data": ("{}/one.csv:text=text,label=label",)}, DataError, "of one class"),
        ({"model": "{}/tags", "data": (), "text": ("{}/texts.txt",)}, ModelError, "cannot have"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    folder: Path, values: dict[str, Any], kind: type[EdgeBertError], match: str
) -> None:
    """And no folder is left."""

    def fill(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(fill, value))
        return value.replace("{}", str(folder)) if isinstance(value, str) else value

    filled = {name: fill(value) for name, value in values.items()}
    with refused(kind, match):
        add_exits(options_of(folder, name="refused", **filled))
    assert not (folder / "checkpoints" / "refused").exists()
