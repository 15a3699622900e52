"""One peer in a process of its own; started by `processes.py`.

Reads orders as JSON, one a line, from standard input; writes one answer a line. It ends when its
standard input does. Between orders it waits and takes no processor time.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.records import Answer, EncodeOrder, OpenOrder, Order, TimeOrder
from benchmarks.sessions import PeerSession, open_session


def main() -> int:
    """Answer orders until there are none."""
    # Runtimes print what they like on standard output, so the answers get a copy of their own.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    decoder = msgspec.json.Decoder(Order)
    session: PeerSession | None = None
    for message in sys.stdin.buffer:
        try:
            session, answer = carry_out(decoder.decode(message), session)
        except Exception as error:  # whatever the runtime throws must reach the caller as data
            answer = Answer(cpu_s=0.0, error=f"{type(error).__name__}: {error}")
        answer = msgspec.structs.replace(answer, cpu_s=time.process_time())
        answers.write(msgspec.json.encode(answer) + b"\n")
        answers.flush()
    return 0


def carry_out(order: Order, session: PeerSession | None) -> tuple[PeerSession, Answer]:
    """Do one order; gives the session for the next one, and the answer without `cpu_s`."""
    if isinstance(order, OpenOrder):
        if order.cpu is not None:
            os.sched_setaffinity(0, {order.cpu})  # before the runtime starts its threads
        opened = open_session(order)
        return opened, Answer(cpu_s=0.0, runtime=opened.runtime, note=opened.note)
    if session is None:
        raise ValueError("no model is open")
    if isinstance(order, EncodeOrder):
        rows = [session.infer(session.prepare(sentence)) for sentence in order.sentences]
        np.save(Path(order.target), np.stack(rows), allow_pickle=False)
        return session, Answer(cpu_s=0.0)
    return session, _time_runs(session, order)


def _time_runs(session: PeerSession, order: TimeOrder) -> Answer:
    inputs = session.prepare(order.sentence)
    for _ in range(order.warm_up):
        session.infer(inputs)
    runs = []
    for _ in range(order.repetitions):
        start_ns = time.perf_counter_ns()
        session.infer(inputs)
        runs.append((time.perf_counter_ns() - start_ns) / 1000)
    return Answer(cpu_s=0.0, length=inputs.length, runs_us=tuple(runs))


if __name__ == "__main__":
    sys.exit(main())
