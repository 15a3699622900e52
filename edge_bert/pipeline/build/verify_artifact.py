"""Proving an artifact: it runs on the runtime its profile names, and gives the right numbers there.

A runtime may compute a file wrong without a word. So outputs on any runtime but the host's are held
against the same file's outputs on the host's, and every signature against the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.errors import MissingToolError, ProofError
from edge_bert.evaluate.agreement import EXACT, ROUNDED, ROUNDED_LENGTHS, Limits, disagreement
from edge_bert.evaluate.drift import drift
from edge_bert.evaluate.outputs import finish
from edge_bert.pipeline.build.run_signatures import Ran, Subject, outputs, run
from edge_bert.pipeline.build.scoring import score
from edge_bert.records.base import Record
from edge_bert.records.bundle import LabelScore, Proof, Scores
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.profile import Runtime

__all__ = ["Subject", "Tested", "outputs_of_reference", "test"]


class Tested(Record, frozen=True):
    """What running an artifact showed."""

    proof: Proof
    scores: Scores


def test(
    subject: Subject,
    expected: FloatArray,
    tokenizer: Tokenizer,
    held_out: Sequence[str],
    data: Sequence[EvaluationSet],
    runtime: Runtime,
    host: Runtime,
) -> Tested:
    """Run `subject` on `runtime`; drift against `expected`, the float model's outputs, and scores.

    A runtime that this machine cannot have gives a proof that was not run, with the reason; an
    artifact that the runtime refuses or computes wrong gives one that failed.
    """
    encodings = tokenizer.encode_batch(held_out)
    on = partial(run, sentences=encodings, pad_id=tokenizer.pad_id)
    try:
        found = on(subject, runtime=runtime)
        _check_lengths(subject, found)
        if runtime != host:
            _check_runtimes(subject, found, on(subject, runtime=host), runtime, host)
    except MissingToolError as error:
        return _without_scores(runtime, "not run", error)
    except ProofError as error:
        return _without_scores(runtime, "failed", error)
    values = finish(found.by_sentence(), subject.head)
    labels = tuple(_score(subject, each, tokenizer, runtime) for each in data)
    detail = f"{len(subject.signatures)} signatures, {len(encodings)} sentences"
    return Tested(
        proof=Proof(runtime=runtime, status="passed", detail=detail),
        scores=Scores(drift=drift(values, expected), labels=labels),
    )


def outputs_of_reference(
    reference: Subject, tokenizer: Tokenizer, sentences: Sequence[str], host: Runtime
) -> FloatArray:
    """Finished outputs [n, width] of the float32 file, which every artifact is held against."""
    return outputs(reference, tokenizer.encode_batch(sentences), tokenizer.pad_id, host)


def _without_scores(runtime: Runtime, status: str, reason: Exception) -> Tested:
    proof = Proof(runtime=runtime, status=status, detail=str(reason))  # type: ignore[arg-type]
    return Tested(proof=proof, scores=Scores())


def _check_lengths(subject: Subject, found: Ran) -> None:
    """A sentence that fits several signatures gives the same output in each."""
    limits = ROUNDED_LENGTHS if subject.rounds_activations else EXACT
    own = found.by_sentence()
    for name, values in found.values.items():
        others = found.sentences[name][found.own[name] :]
        wrong = _disagreement(values[found.own[name] :], own[others], limits)
        if wrong:
            raise ProofError(
                f"{subject.path.name}: signature {name} gives other numbers than a shorter one "
                f"for the same sentences: {wrong}."
            )


def _check_runtimes(
    subject: Subject, found: Ran, expected: Ran, runtime: Runtime, host: Runtime
) -> None:
    limits = ROUNDED if subject.rounds_activations else EXACT
    for name, values in found.values.items():
        wrong = _disagreement(values, expected.values[name], limits)
        if wrong:
            raise ProofError(
                f"{subject.path.name} runs on {runtime} but gives wrong numbers there: signature "
                f"{name} against {host}: {wrong}."
            )


def _disagreement(values: FloatArray, others: FloatArray, limits: Limits) -> str | None:
    return disagreement(values, others, limits) if len(values) else None


def _score(
    subject: Subject, data: EvaluationSet, tokenizer: Tokenizer, runtime: Runtime
) -> LabelScore:
    def outputs_of(texts: Sequence[str], pairs: Sequence[str] | None) -> FloatArray:
        encodings = tokenizer.encode_batch(texts, pairs)
        return outputs(subject, encodings, tokenizer.pad_id, runtime)

    return score(data, subject.head, outputs_of)
