"""The half of the worker protocol that runs inside the worker's process; see `worker.py`.

    python worker_process.py SCRIPT FUNCTION FOLDER

Needs the standard library and numpy 1 or 2: environments that hold no edge_bert run it too. FOLDER
holds the request and gets the answer, `answer.json` last: `{"value": …}` or `{"error": …}`.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Arrays = Mapping[str, Mapping[str, Any]]
MESSAGE_LENGTH = 400
PR_SET_PDEATHSIG = 1


def main(script: str, function: str, folder: str) -> None:
    """Call FUNCTION of SCRIPT with the request in FOLDER, and write its answer there."""
    _end_with_starter()
    scratch = Path(folder)
    answer: dict[str, Any] = {}
    try:
        request = json.loads((scratch / "request.json").read_bytes())
        called = getattr(_load_script(Path(script)), function)
        answer["value"], arrays = called(request, read_arrays(scratch / "request.npz"))
        write_arrays(scratch / "answer.npz", arrays)
    except (Exception, SystemExit) as error:  # whatever a runtime throws must reach the caller
        answer = {"error": _describe(error)}
    (scratch / "answer.json").write_text(json.dumps(answer), encoding="utf-8")


def _end_with_starter() -> None:
    """Linux ends this process when the one that started it is killed; others let it run out."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Write arrays by group and name; ValueError for objects, and a group with a `|`."""
    named = {}
    for group, by_name in arrays.items():
        for name, array in by_name.items():
            if "|" in group or np.asarray(array).dtype.hasobject:
                raise ValueError(f"{group}, {name}: a '|' in a group or an array of objects")
            named[f"{group}|{name}"] = array
    np.savez(path, **named)


def read_arrays(path: Path) -> dict[str, dict[str, Any]]:
    """Arrays by group and name, without pickle."""
    arrays: dict[str, dict[str, Any]] = {}
    with np.load(path, allow_pickle=False) as archive:
        for key in archive.files:
            group, _, name = key.partition("|")
            arrays.setdefault(group, {})[name] = archive[key]
    return arrays


def _load_script(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _describe(error: BaseException) -> str:
    """The error's own message on one line; its type before it where that may say more."""
    message = " ".join(str(error).split())[:MESSAGE_LENGTH]
    plain = message and isinstance(error, (RuntimeError, ValueError))
    return message if plain else f"{type(error).__name__}: {message}"


if __name__ == "__main__":
    main(*sys.argv[1:])
