"""What every exit of a `.tflite` file says of texts, run once and then cached."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.bundle.artifact_runner import dequantize
from edge_bert.data.buckets import choose_bucket, pad_encoding
from edge_bert.data.tokenizing import Encoding
from edge_bert.pipeline.build.run_signatures import ModelUnderTest
from edge_bert.records.bundle import Stage, TensorSpec
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.profile import Runtime
from edge_bert.records.stage_names import AGREEMENT, ROWS
from edge_bert.runtimes import tflite
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
    stages = subject.contents.stages
    lengths = {stage.length for stage in stages.values()}
    taken = [choose_bucket(len(encoding), lengths) for encoding in encodings]
    rows: dict[int, Array] = {}
    values = []
    for first in sorted({stage.first for stage in stages.values()}):
        running = {x: s for x, s in stages.items() if s.first == first and s.length in taken}
        feeds = {
            name: _feed(
                stage,
                [x for x, n in zip(encodings, taken, strict=True) if n == stage.length],
                pad_id,
                rows,
            )
            for name, stage in running.items()
        }
        outputs = tflite.run_tflite_model(subject.path, feeds, runtime).outputs
        rows = {s.length: outputs[x][ROWS] for x, s in running.items() if ROWS in outputs[x]}
        said = {s.length: _read_answer(s, outputs[x]) for x, s in running.items()}
        values.append(_merge(said, taken))
    return np.stack(values)


def _feed(
    stage: Stage, encodings: Sequence[Encoding], pad_id: int, rows: Mapping[int, Array]
) -> dict[str, Array]:
    names = [spec.name for spec in stage.inputs if spec.name != ROWS]
    padded = [pad_encoding(encoding, stage.length, pad_id, names) for encoding in encodings]
    feed: dict[str, Array] = {name: np.concatenate([x[name] for x in padded]) for name in names}
    return feed | {ROWS: rows[stage.length]} if stage.first else feed


def _read_answer(stage: Stage, outputs: Mapping[str, Array]) -> FloatArray:
    """Agreement and answer of each text, [n, 1 + width]."""
    specs = {spec.name: spec for spec in stage.outputs if spec.name != ROWS}
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
