"""Proving an artifact: it runs on the runtime its profile names, and gives the right numbers there.

A runtime may compute a file wrong without a word. So outputs on any runtime but the host's are held
against the same file's outputs on the host's, and every signature against the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.errors import MissingToolError, VerificationError
from edge_bert.evaluate.agreement import (
    EXACT,
    ROUNDED,
    ROUNDED_LENGTHS,
    Limits,
    describe_disagreement,
)
from edge_bert.evaluate.drift import measure_drift
from edge_bert.evaluate.outputs import finish_outputs
from edge_bert.pipeline.build.run_signatures import (
    ModelUnderTest,
    SignatureOutputs,
    finished_outputs,
    run_signatures,
)
from edge_bert.pipeline.build.scoring import score_model
from edge_bert.records.base import Record
from edge_bert.records.bundle import LabelScore, RuntimeCheck, Scores
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.profile import Runtime

__all__ = ["ModelUnderTest", "VerifiedArtifact", "reference_outputs", "verify_artifact"]


class VerifiedArtifact(Record, frozen=True):
    """What running an artifact showed."""

    proof: RuntimeCheck
    scores: Scores


def verify_artifact(
    subject: ModelUnderTest,
    expected: FloatArray,
    tokenizer: Tokenizer,
    held_out: Sequence[str],
    data: Sequence[EvaluationSet],
    runtime: Runtime,
    host: Runtime,
) -> VerifiedArtifact:
    """Run `subject` on `runtime`; drift against `expected`, the float model's outputs, and scores.

    A runtime that this machine cannot have gives a proof that was not run, with the reason; an
    artifact that the runtime refuses or computes wrong gives one that failed.
    """
    encodings = tokenizer.encode_batch(held_out)
    on = partial(run_signatures, sentences=encodings, pad_id=tokenizer.pad_id)
    try:
        found = on(subject, runtime=runtime)
        _check_lengths(subject, found)
        if runtime != host:
            _check_runtimes(subject, found, on(subject, runtime=host), runtime, host)
    except MissingToolError as error:
        return _without_scores(runtime, "not run", error)
    except VerificationError as error:
        return _without_scores(runtime, "failed", error)
    values = finish_outputs(found.by_sentence(), subject.head)
    labels = tuple(_score(subject, each, tokenizer, runtime) for each in data)
    detail = f"{len(subject.signatures)} signatures, {len(encodings)} sentences"
    return VerifiedArtifact(
        proof=RuntimeCheck(runtime=runtime, status="passed", detail=detail),
        scores=Scores(drift=measure_drift(values, expected), labels=labels),
    )


def reference_outputs(
    reference: ModelUnderTest, tokenizer: Tokenizer, sentences: Sequence[str], host: Runtime
) -> FloatArray:
    """Finished outputs [n, width] of the float32 file, which every artifact is held against."""
    return finished_outputs(reference, tokenizer.encode_batch(sentences), tokenizer.pad_id, host)


def _without_scores(runtime: Runtime, status: str, reason: Exception) -> VerifiedArtifact:
    proof = RuntimeCheck(runtime=runtime, status=status, detail=str(reason))  # type: ignore[arg-type]
    return VerifiedArtifact(proof=proof, scores=Scores())


def _check_lengths(subject: ModelUnderTest, found: SignatureOutputs) -> None:
    """A sentence that fits several signatures gives the same output in each."""
    limits = ROUNDED_LENGTHS if subject.rounds_activations else EXACT
    own = found.by_sentence()
    for name, values in found.values.items():
        others = found.sentences[name][found.own[name] :]
        wrong = _disagreement(values[found.own[name] :], own[others], limits)
        if wrong:
            raise VerificationError(
                f"{subject.path.name}: signature {name} gives other numbers than a shorter one "
                f"for the same sentences: {wrong}."
            )


def _check_runtimes(
    subject: ModelUnderTest,
    found: SignatureOutputs,
    expected: SignatureOutputs,
    runtime: Runtime,
    host: Runtime,
) -> None:
    limits = ROUNDED if subject.rounds_activations else EXACT
    for name, values in found.values.items():
        wrong = _disagreement(values, expected.values[name], limits)
        if wrong:
            raise VerificationError(
                f"{subject.path.name} runs on {runtime} but gives wrong numbers there: signature "
                f"{name} against {host}: {wrong}."
            )


def _disagreement(values: FloatArray, others: FloatArray, limits: Limits) -> str | None:
    return describe_disagreement(values, others, limits) if len(values) else None


def _score(
    subject: ModelUnderTest, data: EvaluationSet, tokenizer: Tokenizer, runtime: Runtime
) -> LabelScore:
    def outputs_of(texts: Sequence[str], pairs: Sequence[str] | None) -> FloatArray:
        encodings = tokenizer.encode_batch(texts, pairs)
        return finished_outputs(subject, encodings, tokenizer.pad_id, runtime)

    return score_model(data, subject.head, outputs_of)
