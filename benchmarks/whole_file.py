"""What a file of any recipe gives on all rows of a data set, held against the float32 file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.evaluate.drift import measure_drift
from edge_bert.evaluate.labels import score_pairs
from edge_bert.pipeline.build import artifacts, run_signatures
from edge_bert.pipeline.build.artifacts import host_runtime
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.progress import no_progress
from edge_bert.records.checkpoint import FloatArray


@dataclass(frozen=True)
class Away:
    """How far a file is from float32: cosine (mean and least), Spearman's drop in points of 100."""

    mean: float
    least: float
    drop: float


def away(session: BuildSession, data: EvaluationSet, file: bytes) -> Away:
    """How far `file` is from the float32 file of `session` over the pairs of `data`."""
    sentences = tuple(dict.fromkeys(data.sentences + data.second))
    reference = outputs(session, artifacts.build_float_model(session, no_progress), sentences)
    found = outputs(session, file, sentences)
    moved = measure_drift(found, reference)
    score = scorer(data, sentences)
    return Away(moved.cosine_mean, moved.cosine_min, score(reference) - score(found))


def outputs(session: BuildSession, data: bytes, sentences: tuple[str, ...]) -> FloatArray:
    """Embeddings of `sentences` from the file whose bytes are `data`."""
    tokenizer = session.tokenizer
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(data)
        subject = run_signatures.ModelUnderTest.of(path, session.checkpoint.head)
        encodings = tokenizer.encode_batch(sentences)
        return run_signatures.finished_outputs(subject, encodings, tokenizer.pad_id, host_runtime())


def scorer(data: EvaluationSet, sentences: Sequence[str]) -> Callable[[FloatArray], float]:
    """The score, in points of 100, of embeddings of `sentences`."""
    place = {sentence: index for index, sentence in enumerate(sentences)}
    first = [place[sentence] for sentence in data.sentences]
    second = [place[sentence] for sentence in data.second]
    labels = [float(label) for label in data.labels]
    return lambda found: 100 * score_pairs(data.name, found[first], found[second], labels).value
