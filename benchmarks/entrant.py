"""A peer while the comparison runs: its process, and its figures so far."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks.comparison_inputs import ComparisonInputs, Encodings
from benchmarks.peer_files import PeerFile
from benchmarks.processes import PeerProcess
from benchmarks.records import (
    EncodeOrder,
    Fault,
    OpenOrder,
    Peer,
    PeerRow,
    TimeOrder,
    Timing,
)
from edge_bert.data.tokenizing import Encoding
from edge_bert.errors import DeviceError
from edge_bert.evaluate.drift import measure_drift
from edge_bert.evaluate.labels import score_classes, score_pairs
from edge_bert.records.bundle import LabelScore
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.profile import Runtime


class Entrant:
    """One peer. A fault ends its run and not those of the others."""

    def __init__(self, peer: Peer, file: PeerFile | Fault) -> None:
        self.peer = peer
        self.fault = file if isinstance(file, Fault) else None
        self.held_out: FloatArray | None = None
        self._file = file if isinstance(file, PeerFile) else None
        self._worker: PeerProcess | None = None
        self._runtime: Runtime | None = None
        self._note = ""
        self._labelled: list[FloatArray] = []
        self._runs: dict[int, list[float]] = {}
        self._lengths: dict[int, int] = {}

    @property
    def cpu_s(self) -> float:
        """Processor time that the peer's process has used, in seconds."""
        return self._worker.cpu_s if self._worker else 0.0

    def start(self, inputs: ComparisonInputs, cpu: int | None, stack: ExitStack) -> None:
        """Open the model in a process that ends with `stack`."""
        if self._file is None:
            return
        order = OpenOrder(
            kind=self.peer.kind,
            model=str(self._file.path),
            head=inputs.checkpoint.head,
            pad_id=inputs.pad_id,
            cpu=cpu,
            signatures=self._file.signatures,
            precision=self.peer.precision,
        )
        worker = self._worker = stack.enter_context(PeerProcess(self.peer.title))

        def open_model() -> None:
            answer = worker.ask(order)
            self._runtime, self._note = answer.runtime, answer.note

        self._attempt(open_model)

    def encode(self, inputs: ComparisonInputs, folder: Path) -> None:
        """Run the held-out sentences and those of the labelled data."""

        def run(worker: PeerProcess, sentences: Encodings) -> FloatArray:
            target = folder / f"{self.peer.name}.npy"
            worker.ask(EncodeOrder(sentences=sentences, target=str(target)))
            rows: FloatArray = np.load(target, allow_pickle=False)
            if not np.isfinite(rows).all():
                raise DeviceError(f"{self.peer.title}: gives values that are not numbers")
            return rows

        def encode_all() -> None:
            if self._worker is not None:
                self.held_out = run(self._worker, inputs.held_out)
                self._labelled = [run(self._worker, group) for group in inputs.labelled]

        self._attempt(encode_all)

    def time(self, tokens: int, sentence: Encoding, warm_up: int, repetitions: int) -> None:
        """Time a sentence once more; the times join those of earlier rounds."""

        def run() -> None:
            if self._worker is not None:
                answer = self._worker.ask(TimeOrder(sentence, warm_up, repetitions))
                self._runs.setdefault(tokens, []).extend(answer.runs_us)
                self._lengths[tokens] = answer.length

        self._attempt(run)

    def row(self, inputs: ComparisonInputs, reference: FloatArray | None) -> PeerRow:
        """The peer's figures; a fault discards them."""
        if self.fault is not None or self._file is None or self.held_out is None:
            fault = self.fault or Fault("not run", "it was never started")
            return PeerRow(
                name=self.peer.name,
                title=self.peer.title,
                given=self.peer.settings,
                status=fault.status,
                detail=fault.detail,
            )
        return PeerRow(
            name=self.peer.name,
            title=self.peer.title,
            given="; ".join(filter(None, (self.peer.settings, self._note))),
            status="ran",
            runtime=self._runtime,
            size_bytes=self._file.size_bytes,
            timings=tuple(
                Timing(tokens=tokens, length=self._lengths[tokens], runs_us=tuple(runs))
                for tokens, runs in self._runs.items()
            ),
            drift=None if reference is None else measure_drift(self.held_out, reference),
            score=self._score(inputs),
        )

    def _score(self, inputs: ComparisonInputs) -> LabelScore | None:
        data = inputs.data
        if data is None:
            return None
        if data.kind == "pairs":
            first, second = self._labelled
            return score_pairs(data.name, first, second, [float(label) for label in data.labels])
        return score_classes(data.name, self._labelled[0], data.labels, inputs.checkpoint.head)

    def _attempt(self, action: Callable[[], None]) -> None:
        if self.fault is not None:
            return
        try:
            action()
        except DeviceError as error:
            self.fault = Fault("failed", str(error))
