"""Every head is trained: it learns, and its folder scores what the run said of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_bert.compress.train.batches import TokenizedTexts
from edge_bert.compress.train.examples import LabelledTexts
from edge_bert.compress.train.new_head import add_layer, strip_head
from edge_bert.data.evaluation import parse_reference
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.numpy_forward import run_encoder
from edge_bert.encoder.weights import DenseWeights
from edge_bert.pipeline.train.heads.choose_kind import name_kind
from edge_bert.pipeline.train.heads.held_out import hold_out
from edge_bert.pipeline.train.heads.numbers import Scale
from edge_bert.pipeline.train.options import FineTuneOptions
from edge_bert.pipeline.train.start_model import open_model
from edge_bert.pipeline.train.train_head import train_head
from edge_bert.records.checkpoint import FloatArray, Head, Task
from tests.tiny import models

# A token each, and so one length; tags have a word of several tokens, and more lengths.
ROWS, WORDS = 120, ("cat", "mat", "report", "train", "table", "lamp", "no", "book")


def write_rows(path: Path, kind: str) -> str:
    """Texts of random words whose labels follow from the words; gives the reference."""
    random = np.random.default_rng(0)
    with path.open("w", encoding="utf-8") as file:
        for index in range(ROWS):
            words = random.choice((*WORDS, "keys") if kind == "tags" else WORDS, 5).tolist()
            file.write(json.dumps(label_words(kind, words, index)) + "\n")
    return str(path)


def label_words(kind: str, words: list[str], index: int) -> dict[str, Any]:
    """A row of a kind of data."""
    text = " ".join(words)
    match kind:
        case "labels":
            pets, places = "cat" in words, "train" in words
            return {"text": text, "labels": ["pet"] * pets + ["trip"] * places or ["none"]}
        case "number":
            return {"text": text, "score": 100.5 + 40 * words.count("cat")}
        case "embedding":
            other = words[: index % 6] + ["city"] * (5 - index % 6)
            return {"sentence1": text, "sentence2": " ".join(other), "score": index % 6 / 4}
    words[index % 5] = "city"
    start = len(" ".join(words[: index % 5])) + (index % 5 > 0)
    if kind == "tags":
        place = {"start": start, "end": start + 4, "label": "place"}
        return {"text": " ".join(words), "entities": [place]}
    return {"question": "where?", "context": " ".join(words), "answers": ["city"]}


@pytest.mark.parametrize(
    ("kind", "task", "metric", "least"),
    [
        ("labels", Task.CLASSIFICATION, "mean_average_precision", 0.8),
        ("number", Task.CLASSIFICATION, "spearman", 0.6),
        ("tags", Task.TOKEN_CLASSIFICATION, "entity_f1", 0.9),
        ("span", Task.QUESTION_ANSWERING, "exact_match", 0.8),
        ("embedding", Task.EMBEDDING, "spearman", 0.8),
    ],
)
def test_a_head_is_trained(
    kind: str,
    task: Task,
    metric: str,
    least: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The loss falls, the score is that of the folder, and the next run keeps the head."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))
    options = FineTuneOptions(
        name="m",
        model=str(models.write(tmp_path / "tiny", "bert", "mean-normalize", num_hidden_layers=1)),
        data=write_rows(tmp_path / "rows.jsonl", kind),
        out=str(tmp_path),
        epochs=3,
        batch_size=16,
        learning_rate=2e-3,
        held_out=0.2,
    )
    trained = train_head(options)
    curve = trained.run.curve
    assert curve.points[-1].loss < curve.points[0].loss
    assert (curve.metric, trained.run.data[0].count) == (metric, ROWS)
    model = open_model(str(trained.folder))
    assert (model.weights.head.task, name_kind(model.weights.head)) == (task, kind)
    judge = hold_out(parse_reference(options.data), model.tokenizer, model.weights.head, kind)

    def run(texts: TokenizedTexts) -> FloatArray:
        parts = np.split(texts.ids, texts.starts[1:-1]), np.split(texts.types, texts.starts[1:-1])
        return run_encoder(
            model.weights,
            [
                {"input_ids": ids[None], "token_type_ids": types[None]}
                for ids, types in zip(*parts, strict=True)
            ],
        )

    assert judge.score(run) >= least
    assert curve.best_score == pytest.approx(judge.score(run), abs=0.2)


def test_numbers_are_learned_on_their_own_scale(tmp_path: Path) -> None:
    """Labels of mean 0 and deviation 1; the head that comes back gives the numbers themselves."""
    checkpoint = models.checkpoint(tmp_path / "m", "bert", "mean")
    head = Head(Task.CLASSIFICATION, labels=("score",))
    layer = DenseWeights(np.ones((models.HIDDEN, 1), np.float32), np.ones(1, np.float32))
    weights = add_layer(strip_head(encoder_weights(checkpoint)), head, layer)
    texts = TokenizedTexts.of([[1], [2]], [[0], [0]], 0)
    labels = np.array([[100.0], [300.0]], np.float32)
    scale = Scale.of(head, labels)
    scaled, examples = scale.standardize(weights, LabelledTexts(texts, labels))
    assert examples.labels.tolist() == [[-1.0], [1.0]]
    sentence = [{"input_ids": np.array([[2, 9, 3]]), "token_type_ids": np.zeros((1, 3), int)}]
    output = run_encoder(weights, sentence)
    np.testing.assert_allclose(run_encoder(scaled, sentence), (output - 200) / 100, rtol=1e-5)
    again = run_encoder(scale.restore(scaled), sentence)
    np.testing.assert_allclose(again, output, atol=1e-3)
    sigmoid = msgspec.structs.replace(head, activation="sigmoid")
    assert Scale.of(sigmoid, labels) == Scale.of(Head(Task.EMBEDDING), labels) == Scale()
