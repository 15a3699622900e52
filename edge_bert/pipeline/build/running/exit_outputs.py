"""What every exit of a `.tflite` file says of texts, run once and then cached."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.bundle.artifact_runner import dequantize
from edge_bert.data.buckets import choose_bucket
from edge_bert.data.tokenizing import Encoding
from edge_bert.pipeline.build.running.run_signatures import ModelUnderTest, stack_inputs
from edge_bert.pipeline.build.running.run_stages import run_rounds
from edge_bert.records.bundle import Stage, TensorSpec
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.profile import Runtime
from edge_bert.records.stage_names import AGREEMENT, leave_out_rows
from edge_bert.store.cached import cached
from edge_bert.store.content_store import key_of

AT_ONCE = 256  # texts, whose rows are held together
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ExitOutputs:
    """Raw answers [n, width] of each exit and of the whole model, and the layers before each.

    `agreements` [n] are those that the exits of embeddings predict; zeros where none does.
    """

    layers: tuple[int, ...]
    answers: tuple[FloatArray, ...]
    agreements: tuple[FloatArray, ...]


def run_exits(
    subject: ModelUnderTest, encodings: Sequence[Encoding], pad_id: int, runtime: Runtime
) -> ExitOutputs:
    """Run every text through all stages, in the smallest length bucket that fits.

    The file's stages have been verified. Raises VerificationError where it does not run.
    """
    layers = tuple(sorted({stage.last for stage in subject.contents.stages.values()}))

    def make() -> bytes:
        return _run_all(subject, encodings, pad_id, runtime, len(layers)).tobytes()

    tokens = key_of(*(dataclasses.astuple(encoding) for encoding in encodings))
    data = cached("exits", [subject.sha256, tokens, pad_id, runtime], make, code=run_exits)
    values = np.frombuffer(data, np.float32).reshape(len(layers), len(encodings), -1)
    return ExitOutputs(
        layers, tuple(part[:, 1:] for part in values), tuple(part[:, 0] for part in values)
    )


def _run_all(
    subject: ModelUnderTest,
    encodings: Sequence[Encoding],
    pad_id: int,
    runtime: Runtime,
    exits: int,
) -> FloatArray:
    """Agreement and answer [exits, texts, 1 + width]; texts of like length run together."""
    order = sorted(range(len(encodings)), key=lambda index: len(encodings[index]))
    parts = [
        _run_chunk(
            subject, [encodings[index] for index in order[at : at + AT_ONCE]], pad_id, runtime
        )
        for at in range(0, len(order), AT_ONCE)
    ]
    values = np.concatenate(parts, axis=1) if parts else np.zeros((exits, 0, 2), np.float32)
    return np.asarray(values[:, np.argsort(order)], np.float32)


def _run_chunk(
    subject: ModelUnderTest, encodings: Sequence[Encoding], pad_id: int, runtime: Runtime
) -> FloatArray:
    stages = subject.contents.stages.values()
    taken = [
        choose_bucket(len(encoding), {stage.length for stage in stages}) for encoding in encodings
    ]
    inputs: dict[int, Mapping[str, Array]] = {}
    for signature in subject.signatures.values():
        own = [x for x, bucket in zip(encodings, taken, strict=True) if bucket == signature.length]
        if own:
            inputs[signature.length] = stack_inputs(signature, own, pad_id)
    values = []
    for running, result in run_rounds(subject, inputs, runtime):
        said = {s.length: _read_answer(s, result.outputs[name]) for name, s in running.items()}
        values.append(_merge(said, taken))
    return np.stack(values)


def _read_answer(stage: Stage, outputs: Mapping[str, Array]) -> FloatArray:
    """Agreement and answer of each text, [n, 1 + width]."""
    specs = {spec.name: spec for spec in leave_out_rows(stage.outputs)}
    agreement = specs.pop(AGREEMENT, None)
    (answer,) = (_real(spec, outputs) for spec in specs.values())
    first = np.zeros((len(answer), 1), np.float32)
    return np.concatenate([first if agreement is None else _real(agreement, outputs), answer], 1)


def _real(spec: TensorSpec, outputs: Mapping[str, Array]) -> FloatArray:
    values = outputs[spec.name]
    return dequantize(values, spec).reshape(len(values), -1)


def _merge(by_length: Mapping[int, FloatArray], taken: Sequence[int]) -> FloatArray:
    """The rows of each length in the order of the texts."""
    rows = {length: iter(values) for length, values in by_length.items()}
    return np.stack([next(rows[length]) for length in taken])
