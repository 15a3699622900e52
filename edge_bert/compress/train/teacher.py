"""A teacher's outputs on texts: computed once, kept by content, read from disk as needed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_bert.compress.prune.layers import spread_layers
from edge_bert.compress.train.batches import Array, TokenizedTexts
from edge_bert.compress.train.examples import digest_texts
from edge_bert.compress.train.forward import ForwardPass, Rows
from edge_bert.compress.train.keras_student import build_student
from edge_bert.compress.train.loop import Report, StageStatus, no_report
from edge_bert.compress.train.objective import TeacherPlaces
from edge_bert.encoder.numpy_ops import normalize_rows
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.checkpoint import Task
from edge_bert.store.array_folder import fetch_arrays
from edge_bert.store.cache import cache_folder
from edge_bert.store.cached import cache_key

VERSION = 2  # of how outputs are computed and kept; they survive changes of other code
MOST_BYTES = 8 * 10**9  # of all teachers; a layer's rows of 10,000 texts take 150 MB


@dataclass(frozen=True)
class TeacherOutputs:
    """Arrays by name: `output` [n, width], rows of tokens [tokens, channels] in float16.

    `layers`, `heads` and `width` (of the queries) are the teacher's.
    """

    arrays: Mapping[str, Array]
    layers: int
    heads: int
    width: int

    def find_places(
        self, student: EncoderWeights, pairs: Sequence[tuple[int, int]]
    ) -> TeacherPlaces:
        """Which rows a student is held to: of `pairs` of its layers and ours, those that were kept.

        Without `pairs`, its layers are spread over ours.
        """
        config = student.config
        pairs = pairs or pair_layers(config.layers, self.layers)
        stored = tuple(pair for pair in pairs if f"hidden.{pair[1]}" in self.arrays)
        widths = (config.heads[-1] * config.head_size, self.width)
        return TeacherPlaces(stored, self.heads, count_relation_heads(*widths, self.heads))


def pair_layers(student: int, teacher: int) -> tuple[tuple[int, int], ...]:
    """For each layer of a student the teacher's whose rows it should have: evenly spread.

    The last layer is held to the last, as in TinyBERT (arXiv:1909.10351).
    """
    return tuple(enumerate(spread_layers(student, teacher)))


def pair_kept_layers(kept: Sequence[int], teacher: int) -> tuple[tuple[int, int], ...]:
    """For each of the teacher's layers that a student kept the last one that it stands for.

    That is the one before the next that was kept: reconstruction has fitted it to that already.
    """
    following = [*kept[1:], teacher]
    return tuple((index, stop - 1) for index, stop in enumerate(following))


def count_relation_heads(student: int, teacher: int, most: int) -> int:
    """In how many parts vectors of two widths can be related, at most `most` (MiniLMv2)."""
    counts = range(1, most + 1)
    return max(count for count in counts if student % count == 0 and teacher % count == 0)


def run_teachers(
    teachers: Sequence[EncoderWeights],
    digests: Sequence[str],
    texts: TokenizedTexts,
    rows: Rows,
    report: Report = no_report,
) -> TeacherOutputs:
    """The mean output of the teachers on texts; rows of tokens are the first one's.

    `digests` say which weights they are. Of embeddings, whose lengths may differ, the mean is that
    of unit vectors. Raises InputError where the disk has no room for the rows.
    """
    arrays = []
    for index, (teacher, digest) in enumerate(zip(teachers, digests, strict=True)):
        stage = "teacher" if len(teachers) == 1 else f"teacher {index + 1} of {len(teachers)}"
        wanted = rows if index == 0 else Rows()
        arrays.append(_run_teacher(teacher, digest, texts, wanted, stage, report))
    first, config = dict(arrays[0]), teachers[0].config
    if len(arrays) > 1:
        first["output"] = _average_outputs([x["output"] for x in arrays], teachers[0].head.task)
    width = config.heads[-1] * config.head_size
    return TeacherOutputs(first, config.layers, config.heads[-1], width)


def _average_outputs(outputs: Sequence[Array], task: Task) -> Array:
    """The mean of logits, or of unit vectors."""
    if task is Task.EMBEDDING:
        outputs = [normalize_rows(output) for output in outputs]
    return np.asarray(np.mean(outputs, axis=0), np.float32)


def _run_teacher(
    teacher: EncoderWeights,
    digest: str,
    texts: TokenizedTexts,
    rows: Rows,
    stage: str,
    report: Report,
) -> Mapping[str, Array]:
    import keras

    inputs = [digest, digest_texts(texts), texts.unpooled, rows, keras.backend.backend()]
    inputs += [rows.pooled] if rows.pooled else []
    folder = cache_folder("teachers") / cache_key("teachers", inputs, version=VERSION)

    def fill(writing: Path) -> None:
        forward = ForwardPass(build_student(teacher), teacher.input_names, rows)
        forward.run(
            texts,
            lambda name, shape, kind: _allocate(writing / f"{name}.npy", shape, kind),
            lambda done: report(StageStatus(stage, done, len(texts))),
        )

    return fetch_arrays(folder, fill, "asking a teacher", MOST_BYTES)


def _allocate(path: Path, shape: tuple[int, ...], kind: npt.DTypeLike) -> Array:
    """An array of zeros in a file, whose room on the disk is taken now."""
    array: Array = np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:  # a write into a full disk's page would end the process
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array
