"""The stages of a `.tflite` file with exits, run one after the other and held to its whole path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.data.tokenizing import Encoding
from edge_bert.errors import VerificationError
from edge_bert.evaluate.agreement import EXACT, ROUNDED, describe_disagreement
from edge_bert.pipeline.build.running.run_signatures import MIN_ROWS, ModelUnderTest, stack_inputs
from edge_bert.records.bundle import Stage
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.profile import Runtime
from edge_bert.records.runtime_result import RuntimeResult
from edge_bert.records.stage_names import ROWS, find_rows, leave_out_rows
from edge_bert.runtimes import tflite

# Stages run the operators of the whole path; a runtime may group them otherwise, which moves the
# last bits of floats.
FLOAT_TOLERANCE = 1e-6
Array = npt.NDArray[Any]
Outputs = dict[str, dict[str, Array]]  # as the runtime gave them, by signature and name


def check_stages(
    subject: ModelUnderTest,
    sentences: Sequence[Encoding],
    pad_id: int,
    runtime: Runtime,
    host: Runtime,
) -> None:
    """Run every stage of `subject` on `runtime` with a few sentences of each length.

    Raises VerificationError where a stage gives rows that the next does not take, the last one does
    not give what the whole path gives, or an exit's numbers are wrong against `host`.
    """
    stages = subject.contents.stages
    if not stages:
        return
    _check_hand_over(subject, stages)
    inputs = _stack_inputs(subject, sentences, pad_id)
    outputs, exits = run_stages(subject, inputs, runtime)
    _check_whole(subject, outputs)
    _check_exits(subject, exits, runtime, host, inputs)


def _stack_inputs(
    subject: ModelUnderTest, sentences: Sequence[Encoding], pad_id: int
) -> dict[int, Mapping[str, Array]]:
    """The inputs [rows, length] of the whole path of each length that a sentence fits."""
    inputs: dict[int, Mapping[str, Array]] = {}
    for signature in subject.signatures.values():
        fitting = [x for x in sentences if len(x) <= signature.length]
        longest = sorted(fitting, key=len, reverse=True)[:MIN_ROWS]
        if longest:
            inputs[signature.length] = stack_inputs(signature, longest, pad_id)
    return inputs


def run_stages(
    subject: ModelUnderTest, inputs: Mapping[int, Mapping[str, Array]], runtime: Runtime
) -> tuple[Outputs, dict[str, FloatArray]]:
    """What whole paths and stages give, and the stages' answers as float32 [rows, width].

    `inputs` are those of the whole path, by length; rows go from stage to stage as they are.
    """
    outputs: Outputs = {}
    answers: dict[str, FloatArray] = {}
    whole = {x: inputs[s.length] for x, s in subject.signatures.items() if s.length in inputs}
    for running, result in run_rounds(subject, inputs, runtime, whole):
        outputs |= {name: dict(values) for name, values in result.outputs.items()}
        for name, stage in running.items():
            answers[name] = _read_answer(subject, name, stage, result)
    return outputs, answers


def run_rounds(
    subject: ModelUnderTest,
    inputs: Mapping[int, Mapping[str, Array]],
    runtime: Runtime,
    beside: Mapping[str, Mapping[str, Array]] | None = None,
) -> Iterator[tuple[dict[str, Stage], RuntimeResult]]:
    """The stages that begin at one layer, of all lengths that have `inputs`, and what they give.

    From the first layer on; rows go from stage to stage as they are. With the first stages run the
    signatures `beside` them.
    """
    stages = subject.contents.stages
    rows: dict[int, Array] = {}
    for first in sorted({stage.first for stage in stages.values()}):
        running = {x: s for x, s in stages.items() if s.first == first and s.length in inputs}
        feeds = {
            name: _feed(stage, inputs[stage.length], rows.get(stage.length))
            for name, stage in running.items()
        }
        result = tflite.run_tflite_model(
            subject.path, feeds if first else {**(beside or {}), **feeds}, runtime
        )
        rows = {
            stage.length: result.outputs[name][ROWS]
            for name, stage in running.items()
            if ROWS in result.outputs[name]
        }
        yield running, result


def _feed(stage: Stage, inputs: Mapping[str, Array], rows: Array | None) -> dict[str, Array]:
    feed = {spec.name: inputs[spec.name] for spec in leave_out_rows(stage.inputs)}
    return feed if rows is None else feed | {ROWS: rows}


def _read_answer(
    subject: ModelUnderTest, name: str, stage: Stage, result: RuntimeResult
) -> FloatArray:
    """All that a stage says of a text, finite numbers."""
    parts = [
        result.real(name, spec.name).reshape(len(result.outputs[name][spec.name]), -1)
        for spec in leave_out_rows(stage.outputs)
    ]
    answer = np.concatenate(parts, axis=1)
    if not np.isfinite(answer).all():
        raise VerificationError(f"{subject.path.name}: {name} gives values that are not numbers.")
    return answer


def _check_hand_over(subject: ModelUnderTest, stages: Mapping[str, Stage]) -> None:
    """Each stage gives rows of the type, the shape and the scale that the next one takes."""
    given = {(s.length, s.last): (name, find_rows(s.outputs)) for name, s in stages.items()}
    for name, stage in stages.items():
        if not stage.first:
            continue
        before, rows = given.get((stage.length, stage.first), ("no stage", None))
        if rows is None or rows != find_rows(stage.inputs):
            raise VerificationError(
                f"{subject.path.name}: {name} takes other rows than {before} gives."
            )


def _check_whole(subject: ModelUnderTest, outputs: Outputs) -> None:
    whole = {s.length: (name, s.outputs[0]) for name, s in subject.signatures.items()}
    for name, stage in subject.contents.stages.items():
        if find_rows(stage.outputs) is not None or name not in outputs:
            continue
        path, spec = whole[stage.length]
        staged, expected = outputs[name][spec.name], outputs[path][spec.name]
        if not _are_equal(staged, expected):
            raise VerificationError(
                f"{subject.path.name}: the stages up to {name} give other numbers than {path}."
            )


def _are_equal(staged: Array, expected: Array) -> bool:
    if staged.shape != expected.shape or staged.dtype != expected.dtype:
        return False
    if not np.issubdtype(expected.dtype, np.floating):
        return bool(np.array_equal(staged, expected))
    largest = max(1.0, float(np.abs(expected).max()))
    return float(np.abs(staged - expected).max()) <= FLOAT_TOLERANCE * largest


def _check_exits(
    subject: ModelUnderTest,
    answers: Mapping[str, FloatArray],
    runtime: Runtime,
    host: Runtime,
    inputs: Mapping[int, Mapping[str, Array]],
) -> None:
    """The exits' answers on another runtime than the host's are those of the host."""
    if runtime == host:
        return
    limits = ROUNDED if subject.rounds_activations else EXACT
    _, expected = run_stages(subject, inputs, host)
    for name, answer in answers.items():
        disagreement = describe_disagreement(answer, expected[name], limits)
        if disagreement:
            raise VerificationError(
                f"{subject.path.name} runs on {runtime} but gives wrong numbers there: stage "
                f"{name} against {host}: {disagreement}."
            )
