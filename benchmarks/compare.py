"""`compare`: every peer on the same sentences, one thread each, in interleaved rounds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import course as courses
from benchmarks import machine
from benchmarks.course import Course
from benchmarks.entrant import Entrant
from benchmarks.files import Files
from benchmarks.peers import PEERS
from benchmarks.records import FORMAT_VERSION, Comparison, PeerRow
from edge_bert.data.buckets import check_lengths
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.errors import InputError
from edge_bert.progress import Progress, no_progress
from edge_bert.records.checkpoint import Checkpoint

LENGTHS = (14, 128)
ROUNDS = 20
REPETITIONS = 10
WARM_UP_RUNS = 3


def compare(
    bundle_folder: Path,
    checkpoint: Checkpoint,
    data: EvaluationSet | None = None,
    *,
    lengths: Sequence[int] = LENGTHS,
    rounds: int = ROUNDS,
    repetitions: int = REPETITIONS,
    progress: Progress = no_progress,
) -> Comparison:
    """Run every peer on the model of a built bundle and put their figures side by side.

    `lengths` are the sentences to time, in tokens; each gets `rounds` times `repetitions` runs
    of every peer. `data` adds Spearman or accuracy. A peer that cannot run here, or fails, gives
    a row that says why. Raises InputError for a bundle of another model or for lengths that fit
    no bucket, DataError for labels that do not fit the model.
    """
    if rounds < 1 or repetitions < 1:
        raise InputError("A comparison needs at least 1 round of 1 repetition.")
    tokens = check_lengths(lengths, checkpoint.max_length)
    course = courses.prepare(bundle_folder, checkpoint, data, tokens)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    cpu = machine.last_cpu()
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-bert-compare-"))
        entrants = _start(course, Path(name), cpu, stack, progress)
        _encode(entrants, course, Path(name), progress)
        busy = _time(entrants, course, rounds, repetitions, progress)
        reference, rows = _rows(entrants, course)
    return Comparison(
        format_version=FORMAT_VERSION,
        started_at=started,
        machine=machine.describe(),
        cpu=cpu,
        other_cores=busy,
        profile=course.manifest.profile,
        model=course.manifest.model,
        calibration=course.calibration_info,
        dataset=data.name if data else None,
        reference=reference,
        rounds=rounds,
        repetitions=repetitions,
        warm_up=WARM_UP_RUNS,
        versions=machine.versions(),
        rows=rows,
    )


def visits(
    names: Sequence[str], lengths: Sequence[int], rounds: int
) -> Iterator[tuple[int, int, str]]:
    """Who is timed when: (round, length, name) as A B C A B C, so that drift hits all alike."""
    for number in range(rounds):
        for length in lengths:
            for name in names:
                yield number, length, name


def _start(
    course: Course, folder: Path, cpu: int | None, stack: ExitStack, progress: Progress
) -> list[Entrant]:
    files = Files(course, folder, progress)
    entrants = [Entrant(peer, files.of(peer)) for peer in PEERS]
    for entrant in entrants:
        entrant.start(course, cpu, stack)
    return entrants


def _encode(entrants: list[Entrant], course: Course, folder: Path, progress: Progress) -> None:
    for entrant in entrants:
        if entrant.fault is None:
            progress(f"{entrant.peer.title}: running the sentences")
            entrant.encode(course, folder)


def _time(
    entrants: list[Entrant], course: Course, rounds: int, repetitions: int, progress: Progress
) -> float | None:
    """Time all peers in turn; gives how many cores others kept busy meanwhile."""
    by_name = {entrant.peer.name: entrant for entrant in entrants if entrant.fault is None}
    before, ours = machine.Load.now(), sum(entrant.cpu_s for entrant in entrants)
    said = -1
    for number, length, name in visits(tuple(by_name), tuple(course.timed), rounds):
        if number != said:
            progress(f"timing: round {number + 1} of {rounds}")
            said = number
        by_name[name].time(length, course.timed[length], WARM_UP_RUNS, repetitions)
    ours = sum(entrant.cpu_s for entrant in entrants) - ours
    return machine.other_cores(before, machine.Load.now(), ours)


def _rows(entrants: list[Entrant], course: Course) -> tuple[str | None, tuple[PeerRow, ...]]:
    """The rows, and which of them is the float32 reference: the first that ran."""
    sound = (entrant for entrant in entrants if entrant.fault is None)
    reference = next((entrant for entrant in sound if entrant.peer.is_float32), None)
    vectors = reference.held_out if reference else None
    rows = tuple(entrant.row(course, vectors) for entrant in entrants)
    return (reference.peer.name if reference else None), rows
