"""What a worker's function may do; called through `worker.py` by the tests of it."""

from __future__ import annotations

import builtins
import os
import pathlib
import signal
import sys
import time
from typing import Any

import numpy as np


def double(request: dict[str, Any], arrays: dict[str, Any]) -> tuple[Any, Any]:
    """Twice everything, and noise on stdout that is no answer."""
    sys.stdout.write('{"error": "only noise"}')
    doubled = {group: {name: 2 * x for name, x in named.items()} for group, named in arrays.items()}
    return {2 * int(key): 2 * value for key, value in request.items()}, doubled


def fail(request: dict[str, Any], _arrays: dict[str, Any]) -> tuple[Any, Any]:
    """Raise the error that the request names."""
    error: BaseException = getattr(builtins, request["error"])(*request["arguments"])
    raise error


def end(request: dict[str, Any], _arrays: dict[str, Any]) -> tuple[Any, Any]:
    """End without an answer, by a signal or a status."""
    sys.stderr.write("first words\nlast words\n")
    sys.stderr.flush()
    if "signal" in request:
        os.kill(os.getpid(), getattr(signal, request["signal"]))
    os._exit(request["status"])


def sleep(_request: dict[str, Any], _arrays: dict[str, Any]) -> tuple[Any, Any]:
    """Do nothing for long."""
    time.sleep(600)
    return None, {}


def overwrite(request: dict[str, Any], _arrays: dict[str, Any]) -> tuple[Any, Any]:
    """End with the files that the request holds in place of an answer."""
    for name, text in request.items():
        pathlib.Path(name).write_text(text, encoding="utf-8")
    os._exit(0)


def give_objects(_request: dict[str, Any], _arrays: dict[str, Any]) -> tuple[Any, Any]:
    """An array that only pickle could write."""
    return None, {"group": {"name": np.array([object()])}}


def give_path(_request: dict[str, Any], _arrays: dict[str, Any]) -> tuple[Any, Any]:
    """Where packages are looked for, and whether edge_bert was imported."""
    return [sys.path, "edge_bert" in sys.modules], {}
