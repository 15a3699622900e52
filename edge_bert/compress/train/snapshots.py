"""Snapshots of a run: all that training goes on from, in one file that is replaced as a whole."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edge_bert.errors import InputError
from edge_bert.records.base import Record
from edge_bert.records.training import CurvePoint
from edge_bert.store.content_store import write_atomic
from edge_bert.text import one_line

STATE = "snapshot.safetensors"
BEST = "best.safetensors"
STATE_KEY = "state"
Arrays = dict[str, npt.NDArray[Any]]


class TrainingState(Record, frozen=True):
    """The place of a run after `step` steps.

    `losses` are sums since the last point of the curve, over `losses_of` steps; `seconds` is the
    time that was trained, over all of its processes.
    """

    step: int = 0
    seconds: float = 0.0
    points: tuple[CurvePoint, ...] = ()
    best_step: int = 0
    best_score: float | None = None
    losses: float = 0.0
    losses_of: int = 0
    start_score: float | None = None


def write_snapshot(folder: Path, state: TrainingState, model: Any, optimizer: Any) -> None:
    """Keep the state with the weights of the model and the optimizer's moments.

    Raises InputError where the disk is full or not writable; the snapshot before it stays.
    """
    arrays = read_variables(model.trainable_variables, "weight")
    arrays |= read_variables(optimizer.variables, "moment")
    write_arrays(folder / STATE, arrays, {STATE_KEY: msgspec.json.encode(state).decode()})


def read_snapshot(folder: Path, model: Any, optimizer: Any) -> TrainingState:
    """The last state, its values put into model and optimizer; the first state without one.

    Raises InputError for a file that is damaged or of another model.
    """
    path = folder / STATE
    if not path.is_file():
        return TrainingState()
    arrays, metadata = read_arrays(path)
    try:
        state = msgspec.json.decode(metadata[STATE_KEY], type=TrainingState)
        assign_variables(model.trainable_variables, arrays, "weight")
        assign_variables(optimizer.variables, arrays, "moment")
    except (KeyError, ValueError, msgspec.MsgspecError) as error:
        raise InputError(
            f"{path} is damaged ({one_line(error)}); delete it to train from the start."
        ) from error
    return state


def write_best(folder: Path, model: Any) -> None:
    """Keep the weights that scored best so far."""
    write_arrays(folder / BEST, read_variables(model.trainable_variables, "weight"), {})


def read_best(folder: Path, model: Any) -> None:
    """Put the weights that scored best into the model."""
    assign_variables(model.trainable_variables, read_arrays(folder / BEST)[0], "weight")


def read_variables(variables: Iterable[Any], prefix: str) -> Arrays:
    """The values of Keras variables by their place in order."""
    import keras

    return {
        f"{prefix}.{index}": np.array(keras.ops.convert_to_numpy(variable.value))
        for index, variable in enumerate(variables)
    }


def assign_variables(
    variables: Iterable[Any], arrays: Mapping[str, npt.NDArray[Any]], prefix: str
) -> None:
    """Put values back; KeyError or ValueError where they are not those of these variables."""
    for index, variable in enumerate(variables):
        variable.assign(arrays[f"{prefix}.{index}"])


def write_arrays(path: Path, arrays: Arrays, metadata: dict[str, str]) -> None:
    """A file of arrays and texts, replaced as a whole; InputError where it cannot be written."""
    from safetensors.numpy import save

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_atomic(path, save(arrays, metadata))
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or os.strerror(error.errno or 0)}); make "
            "room and run the same command again: it goes on from the snapshot before."
        ) from error


def read_arrays(path: Path) -> tuple[Arrays, dict[str, str]]:
    """What `write_arrays` wrote; InputError for a file that is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
            return arrays, dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(
            f"{path} is damaged ({one_line(error)}); delete it to train from the start."
        ) from error
