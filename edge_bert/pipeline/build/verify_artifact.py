"""Verifying an artifact: it runs on the runtime its profile names, and gives right numbers there.

A runtime may compute a file wrong without an error. So outputs on any runtime but the host's are
compared with the same file's outputs on the host's, and every signature with the shorter ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.tokenizing import Encoding, Tokenizer
from edge_bert.errors import MissingToolError, VerificationError
from edge_bert.evaluate.agreement import (
    EXACT,
    ROUNDED,
    ROUNDED_LENGTHS,
    Limits,
    describe_disagreement,
)
from edge_bert.evaluate.drift import measure_drift
from edge_bert.pipeline.build.running.run_signatures import (
    ModelUnderTest,
    SignatureOutputs,
    run_signatures,
    run_texts,
)
from edge_bert.pipeline.build.running.run_stages import check_stages
from edge_bert.pipeline.build.scoring.score_exits import score_exits
from edge_bert.pipeline.build.scoring.score_labels import score_model
from edge_bert.pipeline.build.scoring.score_tokens import score_tokens
from edge_bert.records.base import Record
from edge_bert.records.bundle import LabelScore, RuntimeCheck, Scores
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.exit_scores import ExitScores
from edge_bert.records.exits import ExitRule
from edge_bert.records.profile import Runtime


@dataclass(frozen=True)
class Examples:
    """The examples for an artifact: held-out sentences for drift, labelled data for scores.

    With `exit_rule` a file that has stages gets scores by exit too.
    """

    tokenizer: Tokenizer
    held_out: Sequence[str]
    evaluation_sets: Sequence[EvaluationSet] = ()
    exit_rule: ExitRule | None = None


class VerifiedArtifact(Record, frozen=True):
    """The runtime check and the scores of an artifact."""

    runtime_check: RuntimeCheck
    scores: Scores


def verify_artifact(
    subject: ModelUnderTest,
    examples: Examples,
    expected: FloatArray,
    runtime: Runtime,
    host: Runtime,
) -> VerifiedArtifact:
    """Run `subject` on `runtime`; its drift from `expected`, the float model's outputs for the
    held-out sentences, and its scores.

    The status is `not run` for a runtime that this machine cannot have, and `failed` for an
    artifact that the runtime refuses or computes wrong; the detail says why.
    """
    encodings = examples.tokenizer.encode_batch(examples.held_out)
    run = partial(run_signatures, sentences=encodings, pad_id=examples.tokenizer.pad_id)
    try:
        outputs = run(subject, runtime=runtime)
        _check_lengths(subject, outputs)
        if runtime != host:
            _check_runtimes(subject, outputs, run(subject, runtime=host), runtime, host)
        check_stages(subject, encodings, examples.tokenizer.pad_id, runtime, host)
    except MissingToolError as error:
        return _without_scores(runtime, "not run", error)
    except VerificationError as error:
        return _without_scores(runtime, "failed", error)
    finished = outputs.finish(list(map(len, encodings)), subject.head)
    labels = tuple(
        score
        for evaluation_set in examples.evaluation_sets
        for score in score_labels(subject, evaluation_set, examples.tokenizer, runtime)
    )
    stages = f", {len(subject.contents.stages)} stages" if subject.contents.stages else ""
    detail = f"{len(subject.signatures)} signatures{stages}, {len(encodings)} sentences"
    return VerifiedArtifact(
        runtime_check=RuntimeCheck(runtime=runtime, status="passed", detail=detail),
        scores=Scores(
            drift=measure_drift(finished, expected),
            labels=labels,
            exits=_score_exits(subject, examples, runtime),
        ),
    )


def _score_exits(
    subject: ModelUnderTest, examples: Examples, runtime: Runtime
) -> tuple[ExitScores, ...]:
    rule = examples.exit_rule
    if rule is None or not subject.contents.stages:
        return ()
    return tuple(
        score_exits(subject, rule, data, examples.tokenizer, runtime)
        for data in examples.evaluation_sets
    )


def score_labels(
    subject: ModelUnderTest, evaluation_set: EvaluationSet, tokenizer: Tokenizer, runtime: Runtime
) -> tuple[LabelScore, ...]:
    """The scores of `subject` on labelled data. Raises DataError where model and data differ."""

    def outputs_of(texts: Sequence[str], pairs: Sequence[str] | None) -> FloatArray:
        return run_texts(subject, tokenizer, texts, runtime, pairs)

    def rows_of(windows: Sequence[Encoding]) -> list[FloatArray]:
        outputs = run_signatures(subject, windows, tokenizer.pad_id, runtime)
        return outputs.list_rows(list(map(len, windows)), subject.head)

    if subject.head.gives_tokens:
        return score_tokens(evaluation_set, subject.head, tokenizer, rows_of)
    return score_model(evaluation_set, subject.head, outputs_of)


def _without_scores(runtime: Runtime, status: str, reason: Exception) -> VerifiedArtifact:
    check = RuntimeCheck(runtime=runtime, status=status, detail=str(reason))  # type: ignore[arg-type]
    return VerifiedArtifact(runtime_check=check, scores=Scores())


def _check_lengths(subject: ModelUnderTest, outputs: SignatureOutputs) -> None:
    """A sentence that fits several signatures gives the same output in each."""
    limits = ROUNDED_LENGTHS if subject.rounds_activations else EXACT
    by_sentence = outputs.by_sentence()
    for name, values in outputs.values.items():
        own = outputs.own[name]
        shorter = outputs.sentences[name][own:]
        # Behind the tokens of a text are zeros only, however many a row of tokens has.
        width = min(values.shape[1], by_sentence.shape[1])
        compared = values[own:, :width], by_sentence[shorter, :width]
        disagreement = _describe_disagreement(*compared, limits)
        if disagreement:
            raise VerificationError(
                f"{subject.path.name}: signature {name} gives other numbers than a shorter one "
                f"for the same sentences: {disagreement}."
            )


def _check_runtimes(
    subject: ModelUnderTest,
    outputs: SignatureOutputs,
    expected: SignatureOutputs,
    runtime: Runtime,
    host: Runtime,
) -> None:
    limits = ROUNDED if subject.rounds_activations else EXACT
    for name, values in outputs.values.items():
        disagreement = _describe_disagreement(values, expected.values[name], limits)
        if disagreement:
            raise VerificationError(
                f"{subject.path.name} runs on {runtime} but gives wrong numbers there: signature "
                f"{name} against {host}: {disagreement}."
            )


def _describe_disagreement(values: FloatArray, expected: FloatArray, limits: Limits) -> str | None:
    return describe_disagreement(values, expected, limits) if len(values) else None
