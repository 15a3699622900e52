"""The processes of a comparison: real ones, with real faults."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from benchmarks.processes import PeerProcess, write_peer_file
from benchmarks.records import EncodeOrder, OpenOrder, TimeOrder, WriteOrder
from edge_bert.data.tokenizing import Encoding
from edge_bert.errors import DeviceError
from edge_bert.records.checkpoint import Head, Task

HEAD = Head(task=Task.EMBEDDING)
SENTENCE = Encoding((101, 7, 102), (0, 0, 0))


def _open(model: Path, cpu: int | None = None) -> OpenOrder:
    return OpenOrder(kind="tflite", model=str(model), head=HEAD, pad_id=0, cpu=cpu, signatures={})


def test_a_damaged_model_is_one_line(tmp_path: Path) -> None:
    """The runtime's own words come back as one line, and the process can be asked again."""
    damaged = tmp_path / "model.tflite"
    damaged.write_bytes(b"not a model")
    with PeerProcess("a peer") as worker:
        for _ in range(2):
            with pytest.raises(DeviceError, match="a peer: ") as caught:
                worker.ask(_open(damaged))
            assert "\n" not in str(caught.value)
        assert worker.cpu_s > 0


def test_orders_before_a_model_is_open() -> None:
    """Nothing to run yet: an error, not a crash."""
    with PeerProcess("a peer") as worker:
        for order in (TimeOrder(SENTENCE, 0, 1), EncodeOrder((SENTENCE,), "nowhere.npy")):
            with pytest.raises(DeviceError, match="no model is open"):
                worker.ask(order)


def test_the_process_is_pinned_to_one_cpu(tmp_path: Path) -> None:
    """Before the model is opened, so that every thread of the runtime is pinned too."""
    cpu = max(os.sched_getaffinity(0))
    with PeerProcess("a peer") as worker:
        with pytest.raises(DeviceError):
            worker.ask(_open(tmp_path / "missing.tflite", cpu))
        assert os.sched_getaffinity(worker.pid) == {cpu}


def test_a_process_that_dies_is_told() -> None:
    """Its end is an error with its status, not a wait."""
    with PeerProcess("a peer") as worker:
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(DeviceError, match=r"a peer: the process died \(status -9\)"):
            worker.ask(TimeOrder(SENTENCE, 0, 1))


def test_an_answer_that_does_not_come_in_time() -> None:
    """The process is ended when the time is over."""
    with PeerProcess("a peer") as worker:
        os.kill(worker.pid, signal.SIGSTOP)
        with pytest.raises(DeviceError, match=r"no answer within 0\.5 s"):
            worker.ask(TimeOrder(SENTENCE, 0, 1), timeout_s=0.5)


def test_leaving_ends_the_process() -> None:
    """No process stays behind."""
    with PeerProcess("a peer") as worker:
        pid = worker.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.slow
def test_a_step_that_fails_gives_the_tools_last_line(tmp_path: Path) -> None:
    """No model folder: the reason in one line, no file, no traceback."""
    pytest.importorskip("torch", reason="pip install 'edge-bert[peers]'")
    target = tmp_path / "float32.onnx"
    order = WriteOrder("onnx_float32", str(tmp_path / "none"), str(target), HEAD, ("input_ids",))
    with pytest.raises(DeviceError, match=r"^onnx_float32: \w+: ") as caught:
        write_peer_file(order)
    assert "\n" not in str(caught.value)
    assert not target.exists()
