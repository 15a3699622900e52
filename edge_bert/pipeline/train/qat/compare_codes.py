"""The integers of training beside those of the runtime, which is given the same inputs.

Every operator is computed from what the runtime gave its inputs: so a difference is the operator's
own, and none comes from those before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edge_bert.pipeline.train.qat.integer_start import start_student
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder
from edge_bert.records.code_agreement import CodeAgreement
from edge_bert.records.recipe import Recipe
from edge_bert.runtimes.tflite_tensors import Stored, read_tensors

if TYPE_CHECKING:
    from edge_bert.compress.train.qat.integers.integer_student import IntegerStudent

Array = npt.NDArray[Any]


def compare_codes(
    calibrated: CalibratedEncoder, recipe: Recipe, file: Path, inputs: Mapping[str, Array]
) -> tuple[CodeAgreement, ...]:
    """One line for each kind of operator, by its name.

    `file` is what `recipe` made of `calibrated`, `inputs` int32 [rows, length] for the signature of
    that length. Raises VerificationError where the file does not run.
    """
    length = next(iter(inputs.values())).shape[1]
    student = start_student(calibrated, recipe, (length,), learns_ranges=False)
    names = [node.output for node in student.graph(length).operators]
    rows = read_tensors(file, f"length_{length}", inputs, names)
    differences: dict[str, list[Array]] = {}
    for index, stored in enumerate(rows):
        sentence = {name: array[index : index + 1] for name, array in inputs.items()}
        for operator, difference in _compare_sentence(student, length, sentence, stored):
            differences.setdefault(operator, []).append(difference)
    return tuple(_summarize(operator, differences[operator]) for operator in sorted(differences))


def _compare_sentence(
    student: IntegerStudent,
    length: int,
    sentence: Mapping[str, Array],
    stored: Mapping[str, Stored],
) -> Iterator[tuple[str, Array]]:
    """Each rounded output: its operator, and the differences in steps."""
    graph, numbers = student.graph(length), student.read_numbers()
    values: dict[str, Any] = {name: sentence[name][:, None] for name in graph.inputs}
    for node in graph.operators:
        if node.output in graph.rounded:
            rounding = graph.rounded[node.output]
            real = np.asarray(student.run_node(length, node, values, numbers))
            steps = np.rint(real / rounding.scale) + rounding.zero_point
            yield node.operator, np.abs(steps[0] - stored[node.output].values)
            values[node.output] = _dequantize(stored[node.output])
        else:
            given = stored.get(node.output)
            values[node.output] = (
                student.run_node(length, node, values, numbers)
                if given is None
                else _dequantize(given)
            )


def _dequantize(stored: Stored) -> Array:
    """The real values of a tensor, behind an axis of one sentence."""
    steps = stored.values.astype(np.float32) - stored.zero_point
    return np.asarray(steps * np.float32(stored.scale), np.float32)[None]


def _summarize(operator: str, differences: Sequence[Array]) -> CodeAgreement:
    steps = np.concatenate([difference.reshape(-1) for difference in differences])
    return CodeAgreement(operator, len(steps), int((steps > 0).sum()), int(steps.max()))
