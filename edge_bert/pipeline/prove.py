"""Running artifacts on the runtime their profile names, and scoring what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from edge_bert import cache
from edge_bert.data.buckets import choose, pad
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.tokenizing import Encoding, Tokenizer
from edge_bert.errors import DataError, MissingToolError, ProofError
from edge_bert.evaluate.drift import drift
from edge_bert.evaluate.labels import score_classes, score_pairs
from edge_bert.evaluate.outputs import finish
from edge_bert.package import store
from edge_bert.package.inspect import inspect_bytes
from edge_bert.package.manifest import sha256
from edge_bert.records.bundle import LabelScore, Proof, Scores, Signature
from edge_bert.records.checkpoint import FloatArray, Head, Task
from edge_bert.records.profile import Runtime
from edge_bert.targets import runtimes

MIN_ROWS = 4  # every signature runs at least this many sentences, however short they are


@dataclass(frozen=True)
class Subject:
    """A `.tflite` file on disk with what is needed to feed it and to read its output."""

    path: Path
    signatures: dict[str, Signature]
    head: Head

    @classmethod
    def of(cls, path: Path, head: Head) -> Subject:
        """The subject for the file at `path`."""
        return cls(path, inspect_bytes(path.read_bytes(), path.name).signatures, head)


def outputs(
    subject: Subject, sentences: Sequence[Encoding], pad_id: int, runtime: Runtime
) -> FloatArray:
    """Finished outputs [n, width] of every sentence, each in the smallest bucket that fits.

    Every signature also runs `MIN_ROWS` sentences that fit it, so that none stays untried.
    Raises ProofError when one gives something that is not a number.
    """
    by_length = {signature.length: name for name, signature in subject.signatures.items()}
    rows: dict[str, list[int]] = {name: [] for name in subject.signatures}
    for index, encoding in enumerate(sentences):
        rows[by_length[choose(len(encoding), by_length)]].append(index)
    extra = {name: _fitting(sentences, subject.signatures[name].length) for name in rows}
    inputs = {
        name: _stack(
            subject.signatures[name], [sentences[i] for i in rows[name] + extra[name]], pad_id
        )
        for name in rows
        if rows[name] or extra[name]
    }
    result = runtimes.run(subject.path, inputs, runtime)
    width = subject.signatures[by_length[max(by_length)]].outputs[0].shape[-1]
    values = np.zeros((len(sentences), width), np.float32)
    for name in inputs:
        found = result.real(name, subject.signatures[name].outputs[0].name).reshape(-1, width)
        if not np.isfinite(found).all():
            raise ProofError(f"{subject.path.name}: {name} gives values that are not numbers.")
        values[rows[name]] = found[: len(rows[name])]
    return finish(values, subject.head)


def _fitting(sentences: Sequence[Encoding], length: int) -> list[int]:
    return [i for i, encoding in enumerate(sentences) if len(encoding) <= length][:MIN_ROWS]


def _stack(signature: Signature, encodings: list[Encoding], pad_id: int) -> dict[str, np.ndarray]:
    names = [spec.name for spec in signature.inputs]
    padded = [pad(encoding, signature.length, pad_id, names) for encoding in encodings]
    return {name: np.concatenate([each[name] for each in padded]) for name in names}


class Tested(msgspec.Struct, frozen=True):
    """What running an artifact showed."""

    proof: Proof
    scores: Scores


def test(
    subject: Subject,
    reference: Subject,
    tokenizer: Tokenizer,
    held_out: Sequence[str],
    data: Sequence[EvaluationSet],
    runtime: Runtime,
    host: Runtime,
) -> Tested:
    """Run `subject` on `runtime`; drift against `reference` (float32, run on `host`), and scores.

    A runtime that this machine cannot have gives a proof that was not run, with the reason; an
    artifact that the runtime refuses gives one that failed.
    """
    encodings = tokenizer.encode_batch(held_out)
    try:
        found = _cached(subject, encodings, tokenizer.pad_id, runtime)
    except MissingToolError as error:
        proof = Proof(runtime=runtime, status="not run", detail=str(error))
        return Tested(proof=proof, scores=Scores())
    except ProofError as error:
        proof = Proof(runtime=runtime, status="failed", detail=str(error))
        return Tested(proof=proof, scores=Scores())
    expected = _cached(reference, encodings, tokenizer.pad_id, host)
    labels = tuple(_score(subject, each, tokenizer, runtime) for each in data)
    detail = f"{len(subject.signatures)} signatures, {len(encodings)} sentences"
    return Tested(
        proof=Proof(runtime=runtime, status="passed", detail=detail),
        scores=Scores(drift=drift(found, expected), labels=labels),
    )


def _score(
    subject: Subject, data: EvaluationSet, tokenizer: Tokenizer, runtime: Runtime
) -> LabelScore:
    def run(sentences: Sequence[str]) -> FloatArray:
        return _cached(subject, tokenizer.encode_batch(sentences), tokenizer.pad_id, runtime)

    if data.kind == "pairs":
        if subject.head.task is not Task.EMBEDDING:
            raise DataError(f"{data.name} has pairs; a classifier needs labelled sentences.")
        scores = [float(label) for label in data.labels]
        return score_pairs(data.name, run(data.sentences), run(data.second), scores)
    if subject.head.task is not Task.CLASSIFICATION:
        raise DataError(f"{data.name} has classes; an embedding model needs pairs with scores.")
    return score_classes(data.name, run(data.sentences), data.labels, subject.head)


def _cached(
    subject: Subject, encodings: Sequence[Encoding], pad_id: int, runtime: Runtime
) -> FloatArray:
    """As `outputs`, remembered by the file, the tokens and the runtime."""

    def make() -> bytes:
        return outputs(subject, encodings, pad_id, runtime).tobytes()

    tokens = store.key_of(*((each.ids, each.type_ids) for each in encodings))
    key = store.key_of(sha256(subject.path.read_bytes()), tokens, pad_id, runtime, subject.head)
    data = store.fetch(cache.folder("outputs"), key, make)
    return np.frombuffer(data, np.float32).reshape(len(encodings), -1)
