"""Every tensor of an integer artifact as this host's runtime computes it, in its own process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from edge_bert.errors import VerificationError
from edge_bert.runtimes import tflite_worker
from edge_bert.runtimes.worker import Worker

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Stored:
    """The values of one tensor: they stand for scale * (values - zero_point).

    Integers; or float32, of which the scale is 1.
    """

    values: Array
    scale: float
    zero_point: int


def read_tensors(
    model: Path,
    signature: str,
    inputs: Mapping[str, Array],
    names: Sequence[str],
    timeout_s: float = 600,
) -> list[dict[str, Stored]]:
    """For each row of `inputs` (int32 [rows, length]) the tensors called `names`.

    Names that the file does not have, or integers that have no scale, are skipped. Raises
    VerificationError where the file does not load or run on ai-edge-litert, or takes too long.
    """
    worker = Worker(f"{model.name} on ai-edge-litert", VerificationError, timeout_s)
    request = {"model": str(model.resolve()), "names": names}
    parameters, tensors = worker.call(
        tflite_worker.read_tensors, request, {signature: inputs}, dict[str, tuple[float, int]]
    )
    rows = len(next(iter(inputs.values())))
    return [
        {name: Stored(tensors[str(row)][name], *numbers) for name, numbers in parameters.items()}
        for row in range(rows)
    ]
