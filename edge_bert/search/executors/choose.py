"""The executor for --workers and --scheduler."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from edge_bert.errors import InputError
from edge_bert.search.executors.jobs import Executor


@contextlib.contextmanager
def open_executor(*, workers: int = 1, scheduler: str | None = None) -> Iterator[Executor]:
    """This process for one worker, processes for more, a Dask cluster for a scheduler's address.

    It is closed at the end, also after an error or an interruption.
    """
    executor = _create_executor(workers, scheduler)
    try:
        yield executor
    finally:
        executor.close()


def _create_executor(workers: int, scheduler: str | None) -> Executor:
    if scheduler is not None:
        from edge_bert.search.executors.dask_cluster import DaskCluster

        return DaskCluster(scheduler)
    if workers < 1:
        raise InputError(f"--workers {workers}: give 1 or more.")
    if workers == 1:
        from edge_bert.search.executors.in_process import InProcess

        return InProcess()
    from edge_bert.search.executors.processes import Processes

    return Processes(workers)
