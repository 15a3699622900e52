"""Scores by what a head gives and what the data have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.errors import DataError
from edge_bert.pipeline.build.scoring.score_labels import check_data, score_model
from edge_bert.records.checkpoint import FloatArray, Head, Task
from tests.pipeline import tiny_bundle as tiny
from tests.tiny import models

EMBEDDING = Head(task=Task.EMBEDDING, normalize=True)
CLASSES = Head(task=Task.CLASSIFICATION, labels=("bad", "good"), activation="softmax")
NUMBER = Head(task=Task.CLASSIFICATION, labels=("LABEL_0",))
PROBABILITY = Head(task=Task.CLASSIFICATION, labels=("LABEL_0",), activation="sigmoid")
SETS = Head(task=Task.CLASSIFICATION, labels=("a", "b", "c"), activation="sigmoid")

PAIRS = EvaluationSet("d", "pairs", ("q", "q", "r"), ("1", "2", "3"), (0.0, 0.5, 1.0))
RANKING = EvaluationSet("d", "ranking", ("q", "q", "r", "r"), ("1", "2", "1", "3"), (1, 0, 0, 1))
SCORED = EvaluationSet("d", "scored", ("1", "2", "3"), (), (1.0, 2.0, 3.5))
CLASSED = EvaluationSet("d", "labelled", ("1", "2", "3"), (), (1, 0, 1))
SEVERAL = EvaluationSet("d", "label sets", ("1", "2"), (), (), (("a", "B"), ()))


def outputs_of(width: int) -> Any:
    """Outputs that are the number that ends each text, or its second one, in every column."""

    def run(texts: Sequence[str], pairs: Sequence[str] | None) -> FloatArray:
        values = [[float(text) if text.isdigit() else 1.0] * width for text in pairs or texts]
        return np.asarray(values, np.float32)

    return run


@pytest.mark.parametrize(
    ("head", "data", "metrics"),
    [
        (EMBEDDING, PAIRS, ["spearman"]),
        (EMBEDDING, RANKING, ["ndcg_at_10", "mrr_at_10"]),
        (CLASSES, CLASSED, ["accuracy"]),
        (NUMBER, PAIRS, ["spearman", "pearson", "rmse"]),
        (NUMBER, SCORED, ["spearman", "pearson", "rmse"]),
        (NUMBER, CLASSED, ["spearman", "pearson", "rmse"]),
        (PROBABILITY, SCORED, ["spearman", "pearson"]),
        (NUMBER, RANKING, ["ndcg_at_10", "mrr_at_10"]),
        (SETS, CLASSED, ["mean_average_precision", "micro_f1"]),
        (SETS, SEVERAL, ["mean_average_precision", "micro_f1"]),
    ],
)
def test_metrics_of_every_head(head: Head, data: EvaluationSet, metrics: list[str]) -> None:
    """The first is the one that budgets look at."""
    scores = score_model(data, head, outputs_of(max(len(head.labels), 1)))
    assert [score.metric for score in scores] == metrics
    check_data(data, head)


def test_a_ranking_by_one_output() -> None:
    """The output orders the passages: last of two for the first query, first for the second."""
    scores = score_model(RANKING, NUMBER, outputs_of(1))
    assert scores[1].value == 0.75


@pytest.mark.parametrize(
    ("head", "data", "message"),
    [
        (EMBEDDING, CLASSED, "d has classes; an embedding model needs pairs with scores"),
        (EMBEDDING, SCORED, "d has sentences with scores; an embedding model needs pairs"),
        (CLASSES, PAIRS, "d has pairs with scores; a classifier needs labelled sentences"),
        (CLASSES, RANKING, "d has queries with passages; a classifier needs"),
        (CLASSES, SEVERAL, "d has several labels a row; a classifier needs"),
        (SETS, SCORED, "d has sentences with scores; a classifier with several labels"),
        (NUMBER, SEVERAL, "d has several labels a row; a model with one output needs"),
        (
            NUMBER,
            EvaluationSet("d", "labelled", ("1", "2"), (), ("good", "bad")),
            "d has names as labels; a model with one output needs numbers",
        ),
    ],
)
def test_data_of_another_kind_are_refused(head: Head, data: EvaluationSet, message: str) -> None:
    """Before anything is built, and with what the head needs."""
    with pytest.raises(DataError) as caught:
        check_data(data, head)
    assert message in str(caught.value)


def one_output(folder: Path) -> Path:
    """A tiny model with one output, as transformers trains it for regression."""
    models.write(folder, "bert", "classification")
    models.change_json(
        folder / "config.json",
        id2label={"0": "LABEL_0"},
        label2id={"LABEL_0": 0},
        problem_type="regression",
    )
    weights = load_file(folder / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] = np.ascontiguousarray(weights[name][:1])
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def test_one_output_is_built_and_scored(tmp_path: Path) -> None:
    """From `--data` to the report, for a table of scores and one of queries and passages."""
    numbers, ranks = tmp_path / "numbers.jsonl", tmp_path / "ranks.csv"
    numbers.write_text(
        "\n".join(json.dumps({"text": f"the cat {n} sat", "label": n / 2}) for n in range(6))
    )
    rows = [f"the cat,mat {n},{n % 2}" for n in range(4)]
    ranks.write_text("query,passage,label\n" + "\n".join(rows) + "\n")
    built = tiny.build_in(
        tmp_path / "out",
        source=one_output(tmp_path / "model"),
        recipes=["float32", "wi8_afp32"],
        lengths=[16],
        data=[str(numbers), str(ranks)],
    )
    for artifact in built.report.manifest.artifacts:
        metrics = [score.metric for score in artifact.scores.labels]
        assert metrics == ["spearman", "pearson", "rmse", "ndcg_at_10", "mrr_at_10"]
    page = (built.folder / "report.html").read_text("utf-8")
    for title in ("Spearman", "Pearson", "RMSE", "NDCG@10", "MRR@10"):
        assert title in page
