"""Try hostile files, whole commands with them, and kills, for some minutes; write a record.

    python -m benchmarks.hostile --minutes 30

Every trial has a seed, which the record names where one went wrong: `tests/hostile/trials.py` runs
one of a reader again. What is counted: an end that is neither success nor one line, a process that
died, too much time or memory, something left behind, a bundle that is not whole.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.hostile.commands import COMMANDS, prepare_work, spoil_file
from benchmarks.hostile.records import Fault, HostileRecord, Tried
from edge_bert.cli.console import error_boundary
from edge_bert.pipeline.build.build import build_bundle
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.store.content_store import encode_json
from tests.hostile.kills import Place, choose_moments, run_command, stop_command
from tests.hostile.readers import KINDS, make_sound
from tests.tiny import models

ROOT = Path(__file__).resolve().parents[2]
RECORDS = Path(__file__).parent / "records"
PER_ROUND = 25
PATIENCE_S = 900
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL)
Outcome = tuple[str, int, list[Fault]]
"""What was tried, how often, and what went wrong."""


def main() -> None:
    """Read the options, run rounds until the time is over, write the record."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.hostile")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=20261130)
    parser.add_argument("--out", type=Path, default=RECORDS / "hostile.json")
    options = parser.parse_args()
    with error_boundary(), tempfile.TemporaryDirectory(prefix="edge-bert-hostile-") as folder:
        record = _run_rounds(Path(folder), options.minutes * 60, options.seed)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(encode_json(record))
    for tried in record.tried:
        sys.stdout.write(f"{tried.what}: {tried.count} tried, {tried.faults} faults\n")
    raise SystemExit(1 if record.faults else 0)


def _run_rounds(root: Path, seconds: float, seed: int) -> HostileRecord:
    started, counts, faults = time.monotonic(), dict[str, list[int]](), list[Fault]()
    for what, count, wrong in _try_all(root, seed):
        row = counts.setdefault(what, [0, 0])
        row[0] += count
        row[1] += len(wrong)
        faults += wrong
        sys.stderr.write(f"[{time.monotonic() - started:6.0f} s] {what}: {len(wrong)} faults\n")
        if time.monotonic() - started > seconds:
            break
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return HostileRecord(
        commit=commit.stdout.strip(),
        date=datetime.now(UTC).date().isoformat(),
        machine=f"{platform.machine()} {platform.system()}",
        minutes=round((time.monotonic() - started) / 60, 1),
        seed=seed,
        tried=tuple(Tried(what, count, wrong) for what, (count, wrong) in counts.items()),
        faults=tuple(faults),
    )


def _try_all(root: Path, seed: int) -> Iterator[Outcome]:
    """Rounds without end: the readers, one kill with each signal, one of the commands."""
    sound, place = root / "sound", Place(root / "place")
    sound.mkdir()
    place.root.mkdir()
    model = models.write(root / "model")
    options = BuildOptions(
        profile="pixel", model=str(model), lengths=(16, 32), recipes=("float32", "wi8_ai8"),
        out=str(root / "built"),
    )  # fmt: skip
    make_sound(sound, build_bundle(BuildSession.open(options)).folder)
    commands = itertools.cycle(COMMANDS)
    for number in itertools.count():
        first = seed + number * PER_ROUND
        for kind in KINDS:
            yield _try_reader(kind, sound, first)
        for _ in range(3):
            yield _try_command(next(commands), sound, place, first)
        yield _try_kills(model, place, first)


def _try_reader(kind: str, sound: Path, seed: int) -> Outcome:
    words = [sys.executable, "-m", "tests.hostile.trials", kind, str(sound), str(PER_ROUND)]
    ended = subprocess.run(
        [*words, str(seed)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    lines = ended.stdout.splitlines()
    faults = [msgspec.json.decode(line, type=Fault) for line in lines if line.startswith("{")]
    if ended.returncode:
        last = int(lines[-1]) if lines else seed
        faults.append(Fault(kind, last, f"status {ended.returncode}: {ended.stderr[-1000:]}"))
    return f"reader of {kind}", len(lines) - len(faults), faults


def _try_command(name: str, sound: Path, place: Place, seed: int) -> Outcome:
    work = place.root / "work"
    prepare_work(sound, work)
    words = spoil_file(COMMANDS[name], work, seed)
    faults: list[Fault] = []
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "invoke", *words],
            cwd=ROOT,
            env=place.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        return f"command {name}", 1, [Fault(name, seed, f"longer than {PATIENCE_S} s")]
    told = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    is_plain = ended.stderr.replace("\n", "").replace("\t", "").isprintable()
    if "Traceback" in ended.stderr or not is_plain or (ended.returncode and len(told) != 1):
        faults.append(Fault(name, seed, f"status {ended.returncode}: {ended.stderr[-1500:]}"))
    return f"command {name}", 1, faults


def _try_kills(model: Path, place: Place, seed: int) -> Outcome:
    words = ["build", "--profile", "pixel", "--model", str(model), "--lengths", "16,32"]
    words += ["--recipes", "float32,float16", "--out", str(place.out)]
    faults = []
    started = time.monotonic()
    if run_command(place, words).returncode:
        return "kill", 0, [Fault("kill", seed, "the build that nobody stops fails")]
    seconds = time.monotonic() - started
    for number, moment in zip(SIGNALS, choose_moments(seconds, len(SIGNALS), seed), strict=True):
        wrong = stop_command(place, words, number, moment)
        faults += [Fault(f"signal {number:d} after {moment:.2f} s", seed, text) for text in wrong]
    run_command(place, words)
    left = place.list_leftovers()
    faults += [Fault("sweep", seed, f"left behind: {left}")] if left else []
    return "kill", len(SIGNALS), faults


if __name__ == "__main__":
    main()
