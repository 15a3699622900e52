"""Executors to test with: the real ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from edge_bert.search.executors.choose import open_executor
from edge_bert.search.executors.jobs import Executor

KINDS = ("in-process", "processes", "dask")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """Two worker processes of one thread and their scheduler, on loopback."""
    distributed = pytest.importorskip(
        "distributed", reason="no Dask: pip install -e '.[cluster]' gets it"
    )
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as found:
        yield found


@pytest.fixture(params=KINDS)
def any_executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    """Each executor in turn, with two workers where it has workers."""
    options: dict[str, Any] = {"workers": 2 if request.param == "processes" else 1}
    if request.param == "dask":
        options["scheduler"] = request.getfixturevalue("cluster").scheduler_address
    with open_executor(**options) as opened:
        yield opened
