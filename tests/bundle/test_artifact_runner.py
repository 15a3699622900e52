"""Many texts on several interpreters: their order, their threads, their faults."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest

from edge_bert.bundle.artifact_runner import ArtifactRunner, run_encodings
from edge_bert.data.tokenizing import Encoding
from edge_bert.records.checkpoint import FloatArray


class Runner(ArtifactRunner):
    """Gives a text's length; notes what it ran, in which thread."""

    def __init__(self, ran: list[tuple[int, int]], fault: int | None = None) -> None:
        self._ran, self._fault = ran, fault

    def run(self, encoding: Encoding) -> FloatArray:
        if len(encoding) == self._fault:
            raise ValueError("broken")
        self._ran.append((len(encoding), threading.get_ident()))
        time.sleep(0.001)
        return np.float32([len(encoding)])


def make_encodings(lengths: Sequence[int]) -> list[Encoding]:
    return [Encoding((0,) * length, (0,) * length) for length in lengths]


LENGTHS = [int(length) for length in np.random.default_rng(5).integers(1, 50, 120)]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_outputs_have_the_order_of_the_texts(threads: int) -> None:
    """Whatever thread ran them; each text runs once, and each is counted."""
    ran: list[tuple[int, int]] = []
    steps: list[None] = []
    runners = [Runner(ran) for _ in range(threads)]
    outputs = run_encodings(runners, make_encodings(LENGTHS), lambda: steps.append(None))
    assert [int(output[0]) for output in outputs] == LENGTHS
    assert sorted(length for length, _ in ran) == sorted(LENGTHS)
    assert len({thread for _, thread in ran}) == threads
    assert len(steps) == len(LENGTHS)


def test_the_longest_come_first() -> None:
    """So that texts of one length follow each other."""
    ran: list[tuple[int, int]] = []
    run_encodings([Runner(ran)], make_encodings(LENGTHS), lambda: None)
    assert [length for length, _ in ran] == sorted(LENGTHS, reverse=True)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_fault_ends_the_work(threads: int) -> None:
    """It reaches the caller, and the other threads take no further text."""
    ran: list[tuple[int, int]] = []
    runners = [Runner(ran, fault=49) for _ in range(threads)]
    with pytest.raises(ValueError, match="broken"):
        run_encodings(runners, make_encodings([49, *[1] * 5000]), lambda: None)
    assert len(ran) < 1000
