"""The score that all models of a plan have: on the same texts, which no step trains on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_bert.data.evaluation import parse_reference
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.sentence_files import clean_sentences, read_sentences
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.errors import DataError
from edge_bert.evaluate.drift import measure_drift
from edge_bert.pipeline.build.artifacts import build_float_model, host_runtime
from edge_bert.pipeline.build.running.run_signatures import ModelUnderTest, run_texts
from edge_bert.pipeline.build.scoring.score_labels import check_data
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.build.verify_artifact import score_labels
from edge_bert.pipeline.compress.options import CompressOptions
from edge_bert.pipeline.train.corpus import read_corpus, split_corpus
from edge_bert.pipeline.train.train_head import split_data
from edge_bert.progress import Progress
from edge_bert.records.checkpoint import FloatArray, Task
from edge_bert.records.plan import Plan
from edge_bert.report.scores import METRIC_WORDS
from edge_bert.store.scratch import scratch_folder

UNTRAINED = "which no step trains on"
UNLABELLED = "whose labels no step learns from"  # a text may be in another pair too
MOST_TEXTS = 1000  # that answers are compared on; each runs in every model
# The score of a model's file, None where the model does not have the data's classes.
Score = Callable[[ModelUnderTest, Tokenizer], float | None]


@dataclass(frozen=True)
class Scoring:
    """How every model of a plan is scored: the metric in words, on which texts, the score, and the
    labelled data behind it, if there are any."""

    metric: str
    scored_on: str
    score: Score
    data: EvaluationSet | None = None


def open_scoring(
    options: CompressOptions, plan: Plan, source: BuildSession, progress: Progress
) -> Scoring:
    """By --score, without rows that may be learned; else by the held-out rows of --data where their
    labels are learned; else by how near the answers to held-out texts are to the source's.

    Raises DataError for data that cannot be read or have too few texts.
    """
    if options.score is not None:
        return _score_by_labels(*leave_out_learned(parse_reference(options.score), options))
    if options.data:
        data = parse_reference(options.data[0])
        if any(step.kind == "train" for step in plan.steps) or _answers(source, data):
            held_out = split_data(data, plan.held_out, plan.split_seed).held_out
            untrained = UNLABELLED if data.second else UNTRAINED
            part = f"{len(held_out)} held-out rows of {data.name}, {untrained}"
            return _score_by_labels(held_out, part)
    return _score_by_agreement(options, plan, source, progress)


def _answers(source: BuildSession, data: EvaluationSet) -> bool:
    """Whether the labels are those that the source gives; what an embedding is scored on may be
    trained on as text, so that does not count."""
    if source.checkpoint.head.task is Task.EMBEDDING:
        return False
    try:
        check_data(data, source.checkpoint.head)
    except DataError:
        return False
    return True


def leave_out_learned(data: EvaluationSet, options: CompressOptions) -> tuple[EvaluationSet, str]:
    """The rows with a text that no step may learn from, and which these are in words.

    Raises DataError where no row is left.
    """
    learned = {
        text for reference in (*options.data, *options.text) for text in read_sentences(reference)
    }
    second = data.second or ("",) * len(data)
    texts = [set(clean_sentences(row)) for row in zip(data.sentences, second, strict=True)]
    unseen = data.select(row for row, own in enumerate(texts) if not own <= learned)
    left_out = len(data) - len(unseen)
    if not len(unseen):
        raise DataError(
            f"--score {data.name}: all of its {len(data)} rows are among the texts to learn from; "
            "give others."
        )
    more = f"; {left_out} more are among the texts to learn from" if left_out else ""
    return unseen, f"{len(unseen)} rows of {data.name}{more}"


def _score_by_labels(data: EvaluationSet, part: str) -> Scoring:
    def score(subject: ModelUnderTest, tokenizer: Tokenizer) -> float | None:
        try:
            check_data(data, subject.head)
        except DataError:
            return None
        return score_labels(subject, data, tokenizer, host_runtime())[0].value

    return Scoring(_name_metric(data), part, score, data)


def _name_metric(data: EvaluationSet) -> str:
    names = {
        "labelled": METRIC_WORDS["accuracy"],
        "label sets": METRIC_WORDS["mean_average_precision"],
        "ranking": METRIC_WORDS["ndcg_at_10"],
        "entities": METRIC_WORDS["entity_f1"],
        "answers": METRIC_WORDS["exact_match"],
    }
    return names.get(data.kind, METRIC_WORDS["spearman"])


def _score_by_agreement(
    options: CompressOptions, plan: Plan, source: BuildSession, progress: Progress
) -> Scoring:
    """Mean cosine to the source's float embeddings, or the share of texts with its class."""
    corpus = read_corpus(options.data, options.text, source.checkpoint.head)
    _, held_out = split_corpus(corpus, plan.held_out, plan.split_seed)
    texts = held_out.sentences[:MOST_TEXTS]
    pairs = held_out.second[:MOST_TEXTS] or None
    expected = _run_source(source, texts, pairs, progress)
    classifies = source.checkpoint.head.task is Task.CLASSIFICATION

    def score(subject: ModelUnderTest, tokenizer: Tokenizer) -> float | None:
        outputs = run_texts(subject, tokenizer, texts, host_runtime(), pairs)
        if classifies:
            return float(np.mean(outputs.argmax(axis=-1) == expected.argmax(axis=-1)))
        return measure_drift(outputs, expected).cosine_mean

    metric = "agreement with the source" if classifies else "cosine to the source"
    return Scoring(metric, f"{len(texts)} held-out texts, {UNTRAINED}", score)


def _run_source(
    source: BuildSession, texts: tuple[str, ...], pairs: tuple[str, ...] | None, progress: Progress
) -> FloatArray:
    """The finished outputs of the source's float32 file."""
    with scratch_folder() as folder:
        path = folder / "float32.tflite"
        path.write_bytes(build_float_model(source, progress))
        subject = ModelUnderTest.of(path, source.checkpoint.head)
        return run_texts(subject, source.tokenizer, texts, host_runtime(), pairs)
