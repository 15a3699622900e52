"""Every tensor of an integer artifact as this host's runtime computes it, in its own process."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edge_bert.errors import VerificationError
from edge_bert.processes import run_tool

WORKER = Path(__file__).resolve().with_name("tensors_worker.py")
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

    Names that the file does not have, or integers that have no scale, are left out. Raises
    VerificationError where the file does not load or run on ai-edge-litert, or takes too long.
    """
    with tempfile.TemporaryDirectory(prefix="edge-bert-") as folder:
        request, outputs = Path(folder) / "request.npz", Path(folder) / "outputs.npz"
        arrays = {f"input|{name}": rows for name, rows in inputs.items()}
        np.savez(request, allow_pickle=False, names=np.array(list(names), np.str_), **arrays)
        command = [sys.executable, "-P", str(WORKER), str(model.resolve()), str(request)]
        said = run_tool(
            [*command, str(outputs), signature], timeout_s=timeout_s, failure=VerificationError
        )
        try:
            found = msgspec.json.decode(
                said.strip().rpartition("\n")[2], type=dict[str, tuple[float, int]]
            )
        except msgspec.DecodeError as error:
            raise VerificationError(
                f"{model.name}: the worker's answer is unreadable: {error}"
            ) from error
        count = len(next(iter(inputs.values())))
        with np.load(outputs, allow_pickle=False) as archive:
            return [
                {name: Stored(archive[f"{row}|{name}"], *how) for name, how in found.items()}
                for row in range(count)
            ]
