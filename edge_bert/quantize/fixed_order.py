"""Sums whose order does not depend on the machine's number of cores.

BLAS deals a matrix product out to threads, and the last bits of its sums depend on how. One step of
a rounding hangs on them now and then, so that a calibrated file had other bytes on another machine.
One thread is also the faster choice where other programs run: those of a product wait for each
other in a loop.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from threadpoolctl import threadpool_limits

Parameters = ParamSpec("Parameters")
Value = TypeVar("Value")


def sum_in_order(function: Callable[Parameters, Value]) -> Callable[Parameters, Value]:
    """`function`, with numpy's matrix products in one thread while it runs."""

    @functools.wraps(function)
    def run_with_one_thread(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Value:
        with threadpool_limits(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return run_with_one_thread
