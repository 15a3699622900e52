"""The worker protocol: what comes back of a call, and the one error of all that may go wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.errors import RefusedError, VerificationError
from edge_bert.records.profile import TFLITE_RUNTIME_2_14
from edge_bert.runtimes import environments, worker_process
from edge_bert.runtimes.worker import Function, Worker
from tests.one_line import refused
from tests.runtimes import worker_script

needs_python_311 = pytest.mark.skipif(
    environments.find_python_311() is None,
    reason=f"needs Python 3.11. {environments.GET_PYTHON_311}",
)
WORKER = Worker("small.tflite on a runtime", VerificationError, 60)


def _call(function: Function, request: dict[str, Any]) -> None:
    WORKER.call(function, request, {}, dict[str, int])


def test_a_value_and_arrays_come_back() -> None:
    """Typed, under their groups and names, whatever the function printed."""
    arrays = {"length_8": {"a/b": np.arange(3), "c|d": np.ones((2, 2), np.float16)}, "empty": {}}
    value, doubled = WORKER.call(worker_script.double, {"1": 2}, arrays, dict[int, float])
    assert value == {2: 4.0}
    assert list(doubled) == ["length_8"]
    np.testing.assert_array_equal(doubled["length_8"]["a/b"], [0, 2, 4])
    assert doubled["length_8"]["c|d"].dtype == np.float16


@pytest.mark.parametrize(
    ("error", "arguments", "message"),
    [
        ("RuntimeError", ["first\nsecond  line"], "first second line$"),
        ("ValueError", [], "ValueError"),
        ("KeyError", ["name"], "KeyError: 'name'$"),
        ("SystemExit", [3], "SystemExit: 3$"),
        ("MemoryError", [], "MemoryError"),
        ("RuntimeError", ["\x1b[31m" + "long " * 1000], "long"),
    ],
)
def test_an_error_in_the_function_is_told(error: str, arguments: list[Any], message: str) -> None:
    """In one line, after what was run."""
    with refused(VerificationError, f"^small.tflite on a runtime: .*{message}"):
        _call(worker_script.fail, {"error": error, "arguments": arguments})


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"signal": "SIGSEGV"}, r"the process died \(Segmentation fault\): last words$"),
        ({"signal": "SIGKILL"}, "the process was killed, most likely for lack of memory: last"),
        ({"status": 7}, r"the process ended without an answer \(status 7\): last words$"),
        ({"status": 0}, r"the process ended without an answer \(status 0\): last words$"),
    ],
)
def test_an_end_without_an_answer_is_told(request_: dict[str, Any], message: str) -> None:
    """By a signal, for lack of memory, or with a status."""
    with refused(VerificationError, f"^small.tflite on a runtime: {message}"):
        _call(worker_script.end, request_)


@pytest.mark.parametrize(
    "files",
    [
        {"answer.json": ""},
        {"answer.json": "no json"},
        {"answer.json": "[]"},
        {"answer.json": '{"error": 3}'},
        {"answer.json": '{"value": {"a": "text"}}'},
        {"answer.json": '{"value": {"a": 1}}'},
        {"answer.json": '{"value": {"a": 1}}', "answer.npz": ""},
        {"answer.json": '{"value": {"a": 1}}', "answer.npz": "PK no zip"},
    ],
)
def test_an_answer_that_cannot_be_read_is_told(files: dict[str, str]) -> None:
    """Cut short, of another type, or without its arrays."""
    with refused(VerificationError, "^small.tflite on a runtime: the answer is unreadable: "):
        _call(worker_script.overwrite, files)


def test_a_function_that_takes_too_long_is_ended() -> None:
    """With the time that it had, in the caller's error."""
    with refused(RefusedError, "^small.tflite on a runtime did not end within 0.5 s"):
        Worker("small.tflite on a runtime", RefusedError, 0.5).call(
            worker_script.sleep, {}, {}, dict[str, int]
        )


@pytest.mark.parametrize(
    "arrays", [{"a|b": {"x": np.zeros(1)}}, {"a": {"x": np.array(["a", None], dtype=object)}}]
)
def test_arrays_that_no_file_holds_are_refused(arrays: dict[str, Any]) -> None:
    """The separator in a group and objects (pickle) never leave here."""
    with pytest.raises(ValueError, match=r"^a, x|^a\|b, x"):
        WORKER.call(worker_script.double, {}, arrays, dict[str, int])


def test_objects_do_not_come_back() -> None:
    """Nor does a worker write them."""
    with refused(VerificationError, "an array of objects"):
        _call(worker_script.give_objects, {})


def test_the_scripts_folder_hides_no_package() -> None:
    """`runtimes/onnxruntime.py` must not be what a worker gets for `import onnxruntime`."""
    (path, imported), _ = WORKER.call(worker_script.give_path, {}, {}, tuple[list[str], bool])
    assert str(Path(worker_process.__file__).parent) not in path
    assert not imported


@pytest.mark.skipif(
    environments.find_python_311() is None,
    reason=f"needs Python 3.11. {environments.GET_PYTHON_311}",
)
def test_an_isolated_environment_takes_the_same_call() -> None:
    """The oldest runtime's interpreter has numpy 1 and nothing of ours on its path."""
    python = environments.prepare_python(TFLITE_RUNTIME_2_14)
    worker = Worker("numbers on numpy 1", VerificationError, 60, python)
    arrays = {"group": {"name": np.arange(3)}}
    assert worker.call(worker_script.double, {}, arrays, dict[int, int])[1]["group"]["name"][2] == 4
