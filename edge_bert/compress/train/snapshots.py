"""Snapshots of a run: all that training goes on from, in one file that is replaced as a whole.

A file carries the SHA-256 of what it says: a flipped bit is never trained on.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edge_bert.errors import InputError, TrainingError
from edge_bert.records.base import Record
from edge_bert.records.training import CurvePoint
from edge_bert.store.content_store import write_atomic
from edge_bert.store.os_faults import describe_os_error
from edge_bert.text import one_line

STATE = "snapshot.safetensors"
BEST = "best-{step}.safetensors"
STATE_KEY, RUN_KEY, DIGEST_KEY = "state", "run", "sha256"
Arrays = dict[str, npt.NDArray[Any]]


class TrainingState(Record, frozen=True):
    """The place of a run after `step` steps.

    `losses` are sums since the last point of the curve, over `losses_of` steps; `seconds` is the
    time that was trained, over all of its processes. A run that has ended keeps its best weights
    alone.
    """

    step: int = 0
    seconds: float = 0.0
    points: tuple[CurvePoint, ...] = ()
    best_step: int = 0
    best_score: float | None = None
    losses: float = 0.0
    losses_of: int = 0
    start_score: float | None = None
    ended: bool = False


def write_snapshot(folder: Path, state: TrainingState, model: Any, optimizer: Any) -> None:
    """Keep the state with the weights of the model and the optimizer's moments.

    Raises InputError where the disk is full or not writable, and TrainingError where a weight is no
    number; the snapshot before it stays.
    """
    arrays = read_variables(model.trainable_variables, "weight")
    arrays |= read_variables(optimizer.variables, "moment")
    _check_finite(arrays, state.step)
    _write(folder / STATE, arrays, state)
    _remove_old_best(folder, state.best_step)


def end_run(folder: Path, state: TrainingState) -> TrainingState:
    """Keep of a run that has ended what a run of the same command needs: curve and best weights."""
    ended = msgspec.structs.replace(state, ended=True)
    _write(folder / STATE, {}, ended)
    _remove_old_best(folder, state.best_step)
    return ended


def read_snapshot(folder: Path, model: Any, optimizer: Any) -> TrainingState:
    """The last state, its values put into model and optimizer; the first state without one.

    Raises InputError for a file that is damaged, or of another run.
    """
    path = folder / STATE
    if not path.is_file():
        return TrainingState()
    arrays, state = _read(path)
    if state.ended:
        return state
    weights, moments = model.trainable_variables, optimizer.variables
    if len(arrays) != len(weights) + len(moments):
        raise _damaged(path, "it has the tensors of another model")
    assign_variables(weights, arrays, "weight", path)
    assign_variables(moments, arrays, "moment", path)
    return state


def write_best(folder: Path, step: int, model: Any) -> None:
    """Keep the weights that scored best so far, beside the best before until the next snapshot."""
    arrays = read_variables(model.trainable_variables, "weight")
    _write(_best_path(folder, step), arrays, TrainingState(step=step))


def read_best(folder: Path, step: int, model: Any) -> None:
    """Put the weights that scored best, after `step` steps, into the model."""
    path = _best_path(folder, step)
    assign_variables(model.trainable_variables, _read(path)[0], "weight", path)


def read_variables(variables: Iterable[Any], prefix: str) -> Arrays:
    """The values of Keras variables by their place in order."""
    import keras

    return {
        f"{prefix}.{index}": np.array(keras.ops.convert_to_numpy(variable.value))
        for index, variable in enumerate(variables)
    }


def assign_variables(
    variables: Iterable[Any], arrays: Mapping[str, npt.NDArray[Any]], prefix: str, path: Path
) -> None:
    """Put the values back that were read from `path`; InputError where they are another model's."""
    for index, variable in enumerate(variables):
        array = arrays.get(f"{prefix}.{index}")
        if array is None or array.shape != tuple(variable.shape):
            raise _damaged(path, "it has the tensors of another model")
        variable.assign(array)


def _best_path(folder: Path, step: int) -> Path:
    return folder / BEST.format(step=step)


def _remove_old_best(folder: Path, step: int) -> None:
    """Once a snapshot says which weights are the best, the others go."""
    for path in folder.glob(BEST.format(step="*")):
        if path != _best_path(folder, step):
            path.unlink(missing_ok=True)


def _check_finite(arrays: Arrays, step: int) -> None:
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise TrainingError(
            f"The weights are no numbers after step {step}; the last good snapshot is kept. Give "
            "a lower --learning-rate."
        )


def write_arrays(path: Path, arrays: Arrays, said: Mapping[str, str]) -> None:
    """A file of arrays and texts with its SHA-256, replaced as a whole.

    Raises InputError where it cannot be written; the file before it stays.
    """
    from safetensors.numpy import save

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Of an array in another order of memory, safetensors 0.8 writes other values; NumPy's
        # ascontiguousarray would make scalars vectors.
        ordered = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        data = save(ordered, {**said, DIGEST_KEY: _digest(ordered, said)})
        write_atomic(path, data, flush=True)
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
            said = dict(file.metadata() or {})
    except FileNotFoundError as error:
        raise _damaged(path, "it is gone") from error
    except OSError as error:
        raise describe_os_error(error) from error
    except (SafetensorError, ValueError) as error:
        raise _damaged(path, one_line(error)) from error
    if said.pop(DIGEST_KEY, "") != _digest(arrays, said):
        raise _damaged(path, "its SHA-256 is not that of its content")
    return arrays, said


def _write(path: Path, arrays: Arrays, state: TrainingState) -> None:
    said = {STATE_KEY: msgspec.json.encode(state).decode(), RUN_KEY: path.parent.name}
    write_arrays(path, arrays, said)


def _read(path: Path) -> tuple[Arrays, TrainingState]:
    arrays, said = read_arrays(path)
    if said.get(RUN_KEY) != path.parent.name:
        raise _damaged(path, "it is of another run")
    try:
        return arrays, msgspec.json.decode(said.get(STATE_KEY, ""), type=TrainingState)
    except msgspec.MsgspecError as error:
        raise _damaged(path, f"of another version: {one_line(error)}") from error


def _digest(arrays: Arrays, said: Mapping[str, str]) -> str:
    """SHA-256 over names, types, shapes and values, and what the file says of the run."""
    digest = hashlib.sha256(msgspec.json.encode(sorted(said.items())))
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _damaged(path: Path, why: str) -> InputError:
    return InputError(f"{path} is damaged ({why}); delete its folder to train anew.")
