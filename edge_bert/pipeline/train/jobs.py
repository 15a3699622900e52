"""Training as jobs: in other processes or on a Dask cluster, one at a time in each.

A job that dies goes to another process and goes on from the snapshots in the cache, which all of
them share: nothing is lost but the steps since the last one.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from edge_bert.errors import BusyError
from edge_bert.records.base import Record
from edge_bert.store.cache import locate_cache

Options = TypeVar("Options", bound=Record)
Value = TypeVar("Value")
RETRY_S = 5.0
PATIENCE_S = 24 * 3600.0  # for a run that another process is in; its end is what is waited for
# Keras has one state for a process, and a worker of Dask may have several threads.
_ONE_AT_A_TIME = threading.Lock()


def locate_shared_cache() -> str:
    """The cache of this machine, for jobs that run elsewhere."""
    return str(locate_cache().resolve())


def run_beside_others(
    cache: str, work: Callable[[], Value], patience_s: float = PATIENCE_S
) -> Value:
    """Do `work` with this cache, alone in its process, once no other process is at the same.

    Jobs may begin with the same step: one of them takes it, the others wait and find its result.
    Raises BusyError where another process holds it for longer than `patience_s`.
    """
    with _ONE_AT_A_TIME, _cache_at(cache):
        started = time.monotonic()
        while True:
            try:
                return work()
            except BusyError:
                if time.monotonic() - started >= patience_s:
                    raise
                time.sleep(RETRY_S)


@contextlib.contextmanager
def _cache_at(folder: str) -> Iterator[None]:
    before = os.environ.get("EDGE_BERT_CACHE")
    os.environ["EDGE_BERT_CACHE"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["EDGE_BERT_CACHE"]
        else:
            os.environ["EDGE_BERT_CACHE"] = before
