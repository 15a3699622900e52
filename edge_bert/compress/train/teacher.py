"""A teacher's outputs on texts: computed once, kept by content, read from disk as needed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_bert.compress.train.batches import Array, TokenizedTexts
from edge_bert.compress.train.examples import digest_texts
from edge_bert.compress.train.forward import ForwardPass, Rows
from edge_bert.compress.train.keras_student import build_student
from edge_bert.compress.train.objective import TeacherPlaces
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.store.cache import cache_folder
from edge_bert.store.cached import cache_key

VERSION = 1  # of how outputs are computed and kept; they survive changes of other code


@dataclass(frozen=True)
class TeacherOutputs:
    """Arrays by name: `output` [n, width], rows of tokens [tokens, channels] in float16.

    `layers` and `heads` are the teacher's.
    """

    arrays: Mapping[str, Array]
    layers: int
    heads: int

    def places(self, student_layers: int) -> TeacherPlaces:
        """Which rows a student with so many layers is held to, of those that were kept."""
        pairs = pair_layers(student_layers, self.layers)
        stored = tuple(pair for pair in pairs if f"hidden.{pair[1]}" in self.arrays)
        return TeacherPlaces(hidden=stored, heads=self.heads)


def pair_layers(student: int, teacher: int) -> tuple[tuple[int, int], ...]:
    """For each layer of a student the teacher's whose rows it should have: evenly spread.

    The last layer is held to the last, as in TinyBERT (arXiv:1909.10351).
    """
    return tuple((layer, round((layer + 1) * teacher / student) - 1) for layer in range(student))


def run_teachers(
    teachers: Sequence[EncoderWeights], digests: Sequence[str], texts: TokenizedTexts, rows: Rows
) -> TeacherOutputs:
    """The mean output of the teachers on texts; rows of tokens are the first one's.

    `digests` say which weights they are.
    """
    arrays = [
        _run_teacher(teacher, digest, texts, rows if index == 0 else Rows())
        for index, (teacher, digest) in enumerate(zip(teachers, digests, strict=True))
    ]
    first = dict(arrays[0])
    if len(arrays) > 1:
        first["output"] = np.mean([outputs["output"] for outputs in arrays], axis=0)
    config = teachers[0].config
    return TeacherOutputs(first, config.layers, config.heads[-1])


def _run_teacher(
    teacher: EncoderWeights, digest: str, texts: TokenizedTexts, rows: Rows
) -> Mapping[str, Array]:
    key = cache_key("teachers", [digest, digest_texts(texts), rows], version=VERSION)
    folder = cache_folder("teachers") / key
    if not folder.is_dir():
        forward = ForwardPass(build_student(teacher), teacher.input_names, rows)
        _write_arrays(folder, forward.run(texts))
    return {
        path.stem: np.load(path, mmap_mode="r", allow_pickle=False)
        for path in sorted(folder.glob("*.npy"))
    }


def _write_arrays(folder: Path, arrays: Mapping[str, Array]) -> None:
    """A file per array; the folder appears when all are there."""
    writing = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".writing-"))
    try:
        for name, array in arrays.items():
            np.save(writing / f"{name}.npy", array, allow_pickle=False)
        writing.rename(folder)
    except FileExistsError:
        pass  # another process made the same
    finally:
        shutil.rmtree(writing, ignore_errors=True)
