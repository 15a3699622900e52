"""`invoke distill` as a job: teachers and texts in, the folder of a smaller model out."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_bert.compress.train.loop import StageStatus, TrainingStatus
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.errors import InputError, ModelError
from edge_bert.pipeline.train.distill.distill_model import START, distill_model
from edge_bert.pipeline.train.options import DistillOptions
from edge_bert.records.training import TrainingRun
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.pipeline.train.test_train_head import WORDS
from tests.tiny import models


class KilledError(Exception):
    """What a kill looks like from inside: nothing is saved any more."""


@pytest.fixture(scope="module")
def embedding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny embedding model."""
    return models.write(tmp_path_factory.mktemp("embedding") / "m", "bert", "mean-normalize")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny classifier."""
    return models.write(tmp_path_factory.mktemp("classifier") / "m", "bert", "classification")


def write_texts(path: Path, count: int = 120) -> str:
    """Lines of random words."""
    random = np.random.default_rng(0)
    lines = [" ".join(random.choice(WORDS, 5)) for _ in range(count)]
    path.write_text("\n".join(lines), "utf-8")
    return str(path)


@pytest.fixture
def options(embedding: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DistillOptions:
    """Options of a short run, with a cache of its own."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))
    return DistillOptions(
        name="small",
        teacher=(str(embedding),),
        layers=(1,),
        similarity=0.0,  # so that the loss is the score
        text=(write_texts(tmp_path / "texts.txt"),),
        out=str(tmp_path / "checkpoints"),
        epochs=6,
        batch_size=16,
        learning_rate=1e-3,
        average=0.0,
        held_out=0.2,
    )


def test_an_embedding_student_is_a_model_that_comes_nearer(options: DistillOptions) -> None:
    """One line of progress for the teacher, a record of what it comes from, and a folder that
    sentence-transformers opens, with the vectors that edge-bert gives."""
    from sentence_transformers import SentenceTransformer

    from edge_bert.data.buckets import encode_unpadded
    from edge_bert.encoder.numpy_forward import run_encoder

    seen: list[Any] = []
    student = distill_model(options, seen.append)
    assert [status.steps for status in seen if isinstance(status, StageStatus)][-1] > 0
    record = msgspec.json.decode((student.folder / "training.json").read_bytes(), type=TrainingRun)
    assert record == student.run
    assert [ancestor.role for ancestor in record.ancestors] == ["start", "teacher"]
    assert record.structure is not None
    assert len(record.structure.layers) == 1
    assert record.curve.metric == "cosine to the teacher"
    assert record.curve.start_score is not None
    assert record.curve.best_score > record.curve.start_score
    assert record.curve.best_step > 0
    checkpoint = load_checkpoint(str(student.folder), student.folder)
    weights = encoder_weights(checkpoint)
    tokenizer = Tokenizer.open_file(checkpoint.tokenizer, checkpoint.max_length)
    ours = run_encoder(weights, encode_unpadded(tokenizer, weights.input_names, ["yes cat", "no"]))
    theirs = SentenceTransformer(str(student.folder), device="cpu").encode(["yes cat", "no"])
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_killed_run_goes_on_and_a_finished_one_trains_nothing(options: DistillOptions) -> None:
    """The teacher and the closed form are not run again; the weights are the same."""
    whole = distill_model(msgspec.structs.replace(options, name="whole"))
    weights = (whole.folder / "model.safetensors").read_bytes()
    for path in (whole.folder.parents[1] / "cache" / "training").iterdir():
        for file in path.glob("*.safetensors"):
            if file.name != START:
                file.unlink()

    def kill(status: Any) -> None:
        if isinstance(status, TrainingStatus) and status.step == 13:
            raise KilledError

    with pytest.raises(KilledError):
        distill_model(options, kill)
    seen: list[Any] = []
    distill_model(options, seen.append)
    assert {type(status) for status in seen} == {TrainingStatus}
    assert (options.folder / "model.safetensors").read_bytes() == weights
    seen.clear()
    distill_model(options, seen.append)
    assert not seen


def write_classes(path: Path) -> str:
    """A table of texts whose first word says the class."""
    random = np.random.default_rng(1)
    rows = [
        [" ".join([WORDS[index % 3], *random.choice(WORDS[3:], 4)]), models.LABELS[index % 3]]
        for index in range(90)
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["text", "label"], *rows])
    return str(path)


def test_a_classifier_learns_from_labels_and_from_texts_without(
    options: DistillOptions, classifier: Path, tmp_path: Path
) -> None:
    """Its score is that of the labels; with fewer heads and neurons too, whose folder says so."""
    config = encoder_weights(load_checkpoint(str(classifier), classifier)).config
    structure = {"layers": [0, 1], "heads": [2, 3], "ffn": [config.ffn[0] // 2, config.ffn[1]]}
    (tmp_path / "structure.json").write_text(json.dumps(structure), "utf-8")
    changed = msgspec.structs.replace(
        options,
        teacher=(str(classifier),),
        layers=(),
        similarity=None,
        structure=str(tmp_path / "structure.json"),
        data=(write_classes(tmp_path / "classes.csv"),),
        epochs=1,
    )
    student = distill_model(changed)
    assert student.run.curve.metric == "accuracy"
    assert student.run.losses.labels == 0.1
    assert [used.source for used in student.run.data] == ["classes.csv", "texts.txt"]
    read = encoder_weights(load_checkpoint(str(student.folder), student.folder))
    assert read.config.heads == (2, 3)
    assert json.loads((student.folder / "config.json").read_text("utf-8"))["model_type"] == (
        "edge-bert"
    )


@pytest.mark.parametrize(
    ("change", "kind", "match"),
    [
        ({"layers": ()}, InputError, "either --layers or --structure"),
        ({"layers": (3,)}, InputError, "the teacher has 2 layers"),
        ({"layers": (1, 0)}, InputError, "rising places"),
        ({"layers": (), "structure": "nowhere.json"}, InputError, "no structure can be read"),
        ({"text": ()}, InputError, "--data nor --text"),
        ({"soft_targets": 1.0}, InputError, "--soft-targets is for a classifier"),
        ({"dimensions": (64,), "similarity": 1.0}, InputError, "--dimensions 64"),
        ({"cosine": 0.0}, InputError, "weight 0"),
        ({"hidden": -1.0}, InputError, "--hidden -1.0"),
        ({"name": "../up"}, InputError, "name of a folder"),
    ],
)
def test_options_that_cannot_be_are_refused(
    change: dict[str, Any], kind: type[InputError], match: str, options: DistillOptions
) -> None:
    """In one line, with nothing written."""
    with refused(kind, match):
        distill_model(msgspec.structs.replace(options, **change))
    assert not Path(options.out).exists()


def test_teachers_that_cannot_teach_together_are_refused(
    options: DistillOptions, embedding: Path, classifier: Path, tmp_path: Path
) -> None:
    """By name: another head, a cased tokenizer, a task without losses, layers."""
    cased = models.write(tmp_path / "cased", "bert", "mean-normalize", seed=1)
    models.change_json(cased / "tokenizer_config.json", do_lower_case=False)
    tagger = models.write(tmp_path / "tagger", "bert", "token_classification")
    for teachers, match in [
        ((embedding, classifier), "another task"),
        ((embedding, cased), "another tokenizer"),
        ((tagger,), "token classification"),
        ((models.write(tmp_path / "gpt", "gpt2", "mean-normalize"),), "gpt2"),
    ]:
        names = tuple(map(str, teachers))
        with refused(ModelError, match):
            distill_model(msgspec.structs.replace(options, teacher=names))
    with refused(InputError, "--label-weight: no text has a label"):
        distill_model(
            msgspec.structs.replace(
                options, teacher=(str(classifier),), similarity=None, label_weight=0.5
            )
        )
