"""How far a file of any recipe is from the float32 file, on all pairs of a data set."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.evaluate.drift import measure_drift
from edge_bert.evaluate.labels import score_pairs
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.artifacts import host_runtime
from edge_bert.pipeline.build.running import run_signatures
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.progress import no_progress
from edge_bert.records.checkpoint import FloatArray


@dataclasses.dataclass(frozen=True)
class FloatDeviation:
    """Cosine to float32, mean and least, and the drop in Spearman in points of 100."""

    cosine_mean: float
    cosine_min: float
    drop: float


def run_float_file(session: BuildSession, data: EvaluationSet) -> FloatArray:
    """Embeddings [n, hidden] of the distinct sentences of `data` from the float32 file."""
    float_file = artifacts.build_float_model(session, no_progress)
    return run_file(session, float_file, _list_sentences(data))


def _list_sentences(data: EvaluationSet) -> tuple[str, ...]:
    return tuple(dict.fromkeys(data.sentences + data.second))


def measure_deviation(
    session: BuildSession, data: EvaluationSet, file: bytes, expected: FloatArray | None = None
) -> FloatDeviation:
    """The deviation of `file` from the float32 file of `session` over the pairs of `data`.

    `expected` is what `run_float_file` gives, which is run anew where it is None.
    """
    sentences = _list_sentences(data)
    expected = run_float_file(session, data) if expected is None else expected
    actual = run_file(session, file, sentences)
    drift, score = measure_drift(actual, expected), make_pair_scorer(data, sentences)
    return FloatDeviation(drift.cosine_mean, drift.cosine_min, score(expected) - score(actual))


def run_file(session: BuildSession, file: bytes, sentences: Sequence[str]) -> FloatArray:
    """Finished outputs [n, width] of `sentences` from the bytes of a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(file)
        model = run_signatures.ModelUnderTest.of(path, session.checkpoint.head)
        encodings = session.tokenizer.encode_batch(sentences)
        pad_id = session.tokenizer.pad_id
        return run_signatures.finished_outputs(model, encodings, pad_id, host_runtime())


def make_pair_scorer(
    data: EvaluationSet, sentences: Sequence[str]
) -> Callable[[FloatArray], float]:
    """A function from embeddings [n, hidden] of `sentences` to Spearman in points of 100."""
    rows = {sentence: index for index, sentence in enumerate(sentences)}
    first = [rows[sentence] for sentence in data.sentences]
    second = [rows[sentence] for sentence in data.second]
    labels = [float(label) for label in data.labels]
    return lambda outputs: (
        100 * score_pairs(data.name, outputs[first], outputs[second], labels).value
    )


def take_first_pairs(data: EvaluationSet, count: int | None) -> EvaluationSet:
    """The first `count` pairs of `data`; all where it is None."""
    return dataclasses.replace(
        data,
        sentences=data.sentences[:count],
        second=data.second[:count],
        labels=data.labels[:count],
    )
