"""`compare`: all peers on the same sentences, one thread each, in interleaved rounds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import machine
from benchmarks.comparison_inputs import ComparisonInputs, prepare_inputs
from benchmarks.entrant import Entrant
from benchmarks.peer_files import PeerFiles
from benchmarks.peers import PEERS
from benchmarks.records import FORMAT_VERSION, Comparison, Peer, PeerRow
from benchmarks.smaller_bundles import describe_smaller
from edge_bert.data.buckets import check_lengths
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.errors import InputError
from edge_bert.progress import Progress, no_progress
from edge_bert.records.checkpoint import Checkpoint

LENGTHS = (14, 128)
ROUNDS = 20
REPETITIONS = 10
WARMUP_RUNS = 3


def compare_peers(
    bundle_folder: Path,
    checkpoint: Checkpoint,
    data: EvaluationSet | None = None,
    *,
    smaller: Sequence[Path] = (),
    lengths: Sequence[int] = LENGTHS,
    rounds: int = ROUNDS,
    repetitions: int = REPETITIONS,
    progress: Progress = no_progress,
) -> Comparison:
    """Run every peer on the model of a built bundle and put their figures side by side.

    `lengths` are those of the sentences to time, in tokens; each gets `rounds` times `repetitions`
    runs of every peer. `smaller` are bundles of models that were made from this one; their default
    files take part. `data` adds Spearman or accuracy. A peer that cannot run here, or fails,
    gives a row that says why. Raises InputError for a bundle of another model or for lengths that
    fit no bucket, DataError for labels that do not fit the model.
    """
    if rounds < 1 or repetitions < 1:
        raise InputError("A comparison needs at least 1 round of 1 repetition.")
    tokens = check_lengths(lengths, checkpoint.max_length)
    inputs = prepare_inputs(bundle_folder, checkpoint, data, tokens)
    peers = (*PEERS, *(describe_smaller(folder, inputs) for folder in smaller))
    started = datetime.now(UTC).isoformat(timespec="seconds")
    cpu = machine.choose_last_cpu()
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-bert-compare-"))
        entrants = _start_entrants(peers, inputs, Path(name), cpu, stack, progress)
        _encode_sentences(entrants, inputs, Path(name), progress)
        busy = _time_sentences(entrants, inputs, rounds, repetitions, progress)
        reference, rows = _collect_rows(entrants, inputs)
    return Comparison(
        format_version=FORMAT_VERSION,
        started_at=started,
        machine=machine.describe_machine(),
        cpu=cpu,
        other_cores=busy,
        profile=inputs.manifest.profile,
        model=inputs.manifest.model,
        calibration=inputs.calibration_info,
        dataset=data.name if data else None,
        reference=reference,
        rounds=rounds,
        repetitions=repetitions,
        warm_up=WARMUP_RUNS,
        versions=machine.read_package_versions(),
        rows=rows,
    )


def interleave_visits(
    names: Sequence[str], lengths: Sequence[int], rounds: int
) -> Iterator[tuple[int, int, str]]:
    """(round, length, name) in the order of timing: A B C A B C, so that drift hits all alike."""
    for number in range(rounds):
        for length in lengths:
            for name in names:
                yield number, length, name


def _start_entrants(
    peers: Sequence[Peer],
    inputs: ComparisonInputs,
    folder: Path,
    cpu: int | None,
    stack: ExitStack,
    progress: Progress,
) -> list[Entrant]:
    files = PeerFiles(inputs, folder, progress)
    entrants = [Entrant(peer, files.find_file(peer)) for peer in peers]
    for entrant in entrants:
        entrant.start(inputs, cpu, stack)
    return entrants


def _encode_sentences(
    entrants: list[Entrant], inputs: ComparisonInputs, folder: Path, progress: Progress
) -> None:
    for entrant in entrants:
        if entrant.fault is None:
            progress(f"{entrant.peer.title}: running the sentences")
            entrant.encode(inputs, folder)


def _time_sentences(
    entrants: list[Entrant],
    inputs: ComparisonInputs,
    rounds: int,
    repetitions: int,
    progress: Progress,
) -> float | None:
    """Time all peers in turn; the number of cores that other programs kept busy meanwhile."""
    by_name = {entrant.peer.name: entrant for entrant in entrants if entrant.fault is None}
    before, ours = machine.MachineLoad.now(), sum(entrant.cpu_s for entrant in entrants)
    announced = -1
    for number, length, name in interleave_visits(tuple(by_name), tuple(inputs.timed), rounds):
        if number != announced:
            progress(f"timing: round {number + 1} of {rounds}")
            announced = number
        by_name[name].time(length, inputs.timed[length], WARMUP_RUNS, repetitions)
    ours = sum(entrant.cpu_s for entrant in entrants) - ours
    return machine.count_other_cores(before, machine.MachineLoad.now(), ours)


def _collect_rows(
    entrants: list[Entrant], inputs: ComparisonInputs
) -> tuple[str | None, tuple[PeerRow, ...]]:
    """The name of the float32 reference, which is the first that ran, and the rows."""
    sound = (entrant for entrant in entrants if entrant.fault is None)
    reference = next((entrant for entrant in sound if entrant.peer.is_float32), None)
    vectors = reference.held_out if reference else None
    rows = tuple(entrant.row(inputs, vectors) for entrant in entrants)
    return (reference.peer.name if reference else None), rows
