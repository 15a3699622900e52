"""The worker protocol: a function of a plain script, called in a process that may die.

The function takes a JSON request and arrays by group and name, and gives a JSON value and such
arrays. Both ways they are files of a scratch folder, the arrays `.npz` without pickle. Its script
imports what the worker's interpreter has and nothing of edge_bert.
"""

from __future__ import annotations

import inspect
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edge_bert import processes
from edge_bert.errors import EdgeBertError
from edge_bert.runtimes import worker_process
from edge_bert.runtimes.worker_process import Arrays
from edge_bert.store.scratch import scratch_folder
from edge_bert.text import make_printable

Value = TypeVar("Value")
Function = Callable[[dict[str, Any], dict[str, dict[str, Any]]], tuple[Any, Arrays]]
KILLED = -9  # by SIGKILL, a name that Windows lacks
MAX_ANSWER_BYTES = 256 * 1024 * 1024  # of JSON; arrays are as large as the model makes them
UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile, msgspec.MsgspecError)


class _Answer(msgspec.Struct, frozen=True):
    """What the worker's half writes."""

    value: Any = None
    error: str | None = None


@dataclass(frozen=True)
class Worker:
    """How calls run; `name` says file and runtime in errors, which are of the type `failure`."""

    name: str
    failure: type[EdgeBertError]
    timeout_s: float
    python: Path = Path(sys.executable)

    def call(
        self, function: Function, request: Mapping[str, Any], arrays: Arrays, answer: type[Value]
    ) -> tuple[Value, dict[str, dict[str, Any]]]:
        """The result of `function` in a process of its own: a value of type `answer`, and arrays.

        Raises `failure`, in one line, where the function raises, the process dies or ends without
        an answer, or `timeout_s` passes; ValueError for arrays of objects and a `|` in a group.
        """
        with scratch_folder() as scratch:
            (scratch / "request.json").write_bytes(msgspec.json.encode(request))
            worker_process.write_arrays(scratch / "request.npz", arrays)
            ended = self._run(function, scratch)
            try:
                value = msgspec.convert(self._read_value(scratch, ended), answer, str_keys=True)
                return value, worker_process.read_arrays(scratch / "answer.npz")
            except UNREADABLE as error:
                raise self._fail(f"the answer is unreadable: {error}") from error

    def _fail(self, reason: str) -> EdgeBertError:
        return self.failure(make_printable(f"{self.name}: {reason}"))

    def _run(self, function: Function, scratch: Path) -> subprocess.CompletedProcess[str]:
        # -I keeps an isolated environment isolated; ours may need PYTHONPATH, but no script's
        # folder on sys.path, where `onnxruntime.py` would hide the package.
        isolation = "-P" if self.python == Path(sys.executable) else "-I"
        script = Path(str(inspect.getsourcefile(function))).resolve()
        command = [self.python, isolation, Path(worker_process.__file__).resolve(), script]
        return processes.run_process(
            [*map(str, command), function.__name__, str(scratch)],
            timeout_s=self.timeout_s,
            failure=self.failure,
            what=self.name,
            cwd=scratch,
        )

    def _read_value(self, scratch: Path, ended: subprocess.CompletedProcess[str]) -> Any:
        file = scratch / "answer.json"
        if file.exists() and file.stat().st_size > MAX_ANSWER_BYTES:
            raise self._fail(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
        answer = msgspec.json.decode(file.read_bytes(), type=_Answer) if file.exists() else None
        if answer is not None and answer.error is not None:
            raise self._fail(answer.error)
        if answer is None or ended.returncode:
            raise self._fail(_describe_end(ended))
        return answer.value


def _describe_end(ended: subprocess.CompletedProcess[str]) -> str:
    """How a process ended that gave no answer, and the last line of its stderr."""
    if ended.returncode == KILLED:
        cause = "the process was killed, most likely for lack of memory"
    elif ended.returncode < 0:
        number = -ended.returncode
        cause = f"the process died ({signal.strsignal(number) or f'signal {number}'})"
    else:
        cause = f"the process ended without an answer (status {ended.returncode})"
    lines = [" ".join(line.split()) for line in ended.stderr.splitlines() if line.strip()]
    return f"{cause}: {lines[-1][:300]}" if lines else f"{cause}."
