"""A real scheduler with two workers: killed workers, wrong addresses, nobody there."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from edge_bert.errors import DeviceError, InputError, WorkerError
from edge_bert.search import matrix_jobs
from edge_bert.search.executors import dask_cluster
from edge_bert.search.executors.choose import open_executor
from edge_bert.search.executors.dask_cluster import DaskCluster, scheduler_address
from edge_bert.search.executors.jobs import Job
from tests.search import jobs


def test_a_killed_worker_loses_nothing(cluster: Any, tmp_path: Path) -> None:
    """What was recorded before is not made again; what it was doing, another worker does."""
    journal = tmp_path / "journal.jsonl"
    asked = jobs.squares(tmp_path, 4)
    asked[2:2] = [Job("dies", jobs.dies_once, (tmp_path, 100, journal))]
    with open_executor(scheduler=cluster.scheduler_address) as opened:
        found = matrix_jobs.run_matrix_jobs(asked, int, opened, journal, problem="squares")
    assert found.values == {"dies": 10000, **{f"square-{n}": n * n for n in range(4)}}
    assert found.failed == {}
    assert jobs.ran(tmp_path) == {"died": 1, "100": 1, **{str(n): 1 for n in range(4)}}
    assert len(jobs.lines(journal)) == 5


@pytest.mark.slow
def test_a_job_that_always_kills_is_given_up(cluster: Any, tmp_path: Path) -> None:
    """The cluster is as good as before."""
    asked = [Job("dies", jobs.die, (tmp_path,))]
    with open_executor(scheduler=cluster.scheduler_address) as opened:
        found = [each.error for each in opened.outcomes(asked)]
        assert [type(error) for error in found] == [WorkerError]
        assert [each.value for each in opened.outcomes(jobs.squares(tmp_path, 1))] == [0]


def test_a_worker_with_other_code(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that joined after the others were looked at is refused by name, with both versions."""
    with open_executor(scheduler=cluster.scheduler_address) as opened:
        monkeypatch.setattr(dask_cluster, "_version", lambda: "edge-bert of sources 0123 on x")
        with pytest.raises(DeviceError, match=r"The worker .* has .*, the search .* 0123"):
            next(opened.outcomes(jobs.squares(tmp_path, 1)))
    assert jobs.ran(tmp_path) == {}


def test_a_worker_with_older_code(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that lacks a function of ours is refused as well, and not with a traceback."""

    def of_tomorrow(job: bytes, version: str) -> bytes:
        from edge_bert.search.executors.dask_cluster import run_of_tomorrow  # type: ignore

        return run_of_tomorrow(job, version)

    monkeypatch.setattr(dask_cluster, "_choose_runner", lambda: of_tomorrow)
    with (
        open_executor(scheduler=cluster.scheduler_address) as opened,
        pytest.raises(DeviceError, match=r"other code of edge-bert.*run_of_tomorrow"),
    ):
        next(opened.outcomes(jobs.squares(tmp_path, 1)))


def test_nobody_answers() -> None:
    """One line, soon."""
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(DeviceError, match=f"No Dask scheduler answers at tcp://{address}"):
            DaskCluster(address, connect_seconds=1)


def test_a_scheduler_without_workers() -> None:
    """Told after a while, with the command that starts a worker."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as empty,
        pytest.raises(DeviceError, match=r"no worker after 0\.1 s; start one there: dask worker"),
    ):
        DaskCluster(empty.scheduler_address, workers_seconds=0.1)


def test_a_scheduler_that_goes_away(tmp_path: Path) -> None:
    """Told in one line that says what to do, and soon."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as doomed:
        opened = DaskCluster(doomed.scheduler_address)
        outcomes = opened.outcomes([*jobs.squares(tmp_path, 1), Job("w", jobs.waits, (tmp_path,))])
        next(outcomes)
        doomed.close()
        with pytest.raises(DeviceError, match=r"went away.*same command again"):
            next(outcomes)
        opened.close()


@pytest.mark.parametrize(
    "text",
    ["", "localhost", "localhost:", ":8786", "http://a:1", "tcp://a:0", "tcp://a:65536", "a:1/b",
     "a b:1", "processes", "tcp://a:1:2", "::1", "a:1\n", "inproc://a/1", "a:१"],
)  # fmt: skip
def test_no_address(text: str) -> None:
    """Refused in one line that shows one."""
    with pytest.raises(InputError, match="such as tcp://"):
        scheduler_address(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [("a-b.c:8786", "tcp://a-b.c:8786"), ("tls://10.0.0.5:1", "tls://10.0.0.5:1"),
     ("[::1]:8786", "tcp://[::1]:8786")],
)  # fmt: skip
def test_addresses(text: str, address: str) -> None:
    """TCP where no scheme is given."""
    assert scheduler_address(text) == address
