"""The bytes of calibrated files on machines of different sizes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import threadpoolctl

from edge_bert.quantize.fixed_order import sum_in_order

ROOT = Path(__file__).parents[2]


def digests(threads: int) -> list[str]:
    """The lines of digest_statistics.py in a process whose BLAS has so many threads."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, str(threads))}
    command = [sys.executable, "-m", "tests.quantize.digest_statistics"]
    run = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE)
    return run.stdout.decode().splitlines()


def test_threads_change_no_byte() -> None:
    """Hessians, rows of LayerNorms, GPTQ and two files, in a process with one thread and two."""
    first, second = digests(1), digests(2)
    assert len(first) == 5
    assert first == second


def test_the_threads_come_back() -> None:
    """What runs after a function has as many threads as before, after an error too."""

    def count_threads() -> int:
        pools = threadpoolctl.threadpool_info()
        return max(pool["num_threads"] for pool in pools if pool["user_api"] == "blas")

    @sum_in_order
    def fail() -> None:
        assert count_threads() == 1
        raise ValueError("on purpose")

    with threadpoolctl.threadpool_limits(limits=2, user_api="blas"):
        before = count_threads()
        with pytest.raises(ValueError, match="on purpose"):
            fail()
        assert (count_threads(), sum_in_order(count_threads)()) == (before, 1)
    assert before == 2
