"""One run of the training benchmark: the command in a process of its own, then the score."""

from __future__ import annotations

import datetime
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import msgspec

from benchmarks.machine import MachineLoad, count_other_cores
from benchmarks.training.records import FileScore, TrainingRecord, read_training_records
from benchmarks.training.rows import ROWS, SOURCE, TrainingRow
from benchmarks.training.score_exits import score_exits
from benchmarks.training.score_file import score_file
from benchmarks.training.score_model import score_float_model
from benchmarks.training.splits import Splits
from edge_bert.records.training import TrainingRun

SHOWN = {"banking77": "banking77-train.csv:…", "clinc150": "clinc150-train.csv:…"}


@dataclass(frozen=True)
class Spent:
    """What a process took: time of the clock and of processors in seconds, most memory."""

    wall_s: float
    processor_s: float
    memory_bytes: int
    other_cores: float | None


def run_row(name: str, seed: int, splits: Splits, models: Path) -> TrainingRecord:
    """Train the row's model under `models`, and score it on what the row is reported on.

    A run that was cut short goes on, as the command does; its times are then those of the rest.
    """
    row = ROWS[name]
    command = [*fill_command(row.command, splits, models), "--seed", str(seed)]
    command += ["--name", f"{name}-seed{seed}", "--out", str(models)]
    spent = _run_invoke(command)
    folder = models / f"{name}-seed{seed}"
    run = msgspec.json.decode((folder / "training.json").read_bytes(), type=TrainingRun)
    file, untrained = _score_files(row, folder, splits, models)
    exits = None
    if row.has_exits:
        metric, score, exits = score_exits(folder, splits.dev(row.dataset))
    else:
        metric, score = _score_trained(row, folder, splits, file)
    return TrainingRecord(
        row=name,
        seed=seed,
        command=f"invoke {_hide_folders(row.command)} --seed {seed}",
        dataset=row.dataset,
        metric=metric,
        score=score,
        reference=_find_reference(row.reference, splits, row.dataset),
        start_score=run.trained_curve.start_score,
        held_out=run.trained_curve.best_score,
        epochs=run.settings.epochs,
        machine=f"{run.machine.processor}, {run.machine.cores} cores",
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        version=metadata.version("edge-bert"),
        file=file,
        untrained=untrained,
        exits=exits,
        **{field: getattr(spent, field) for field in Spent.__dataclass_fields__},
    )


def fill_command(command: str, splits: Splits, models: Path) -> list[str]:
    """The arguments of a row's command, its words in braces filled in."""

    def fill(match: re.Match[str]) -> str:
        word = match[1]
        if word in ("texts", "few_texts"):
            return str(getattr(splits, word))
        if word.startswith("model:"):
            return str(models / f"{word.removeprefix('model:')}-seed0")
        return splits.train(word)

    return [re.sub(r"\{([^}]+)\}", fill, word) for word in command.split()]


def _score_trained(
    row: TrainingRow, folder: Path, splits: Splits, file: FileScore | None
) -> tuple[str, float]:
    """The metric's name, and the score in percent of what the row is about."""
    in_float = score_float_model(str(folder), splits.dev(row.dataset))
    return in_float.metric, 100 * in_float.value if file is None else file.score


def _score_files(
    row: TrainingRow, folder: Path, splits: Splits, models: Path
) -> tuple[FileScore, FileScore] | tuple[None, None]:
    """The files of the row's recipe, trained and untrained; none where it has no recipe."""
    if row.recipe is None:
        return None, None
    whole = None if row.reference == SOURCE else str(models / f"{row.reference}-seed0")
    data = splits.dev(row.dataset)
    trained = score_file(str(folder), whole, row.recipe, data)
    return trained, score_file(whole, whole, row.recipe, data)


def _hide_folders(command: str) -> str:
    return re.sub(r"\{(?:model:)?([^}]+)\}", r"\1", command)


def _run_invoke(arguments: list[str]) -> Spent:
    before, started = MachineLoad.now(), time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "invoke", *arguments])
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:  # stopped: a training that nobody waits for would hold its name
        process.terminate()
        process.wait()
        raise
    if status:
        raise SystemExit(f"invoke {' '.join(arguments)} failed; see above.")
    processor_s = usage.ru_utime + usage.ru_stime
    return Spent(
        wall_s=time.monotonic() - started,
        processor_s=processor_s,
        memory_bytes=usage.ru_maxrss * 1024,
        other_cores=count_other_cores(before, MachineLoad.now(), processor_s),
    )


def _find_reference(reference: str | None, splits: Splits, dataset: str) -> float | None:
    """The score of the model that a row is compared with."""
    if reference is None:
        return None
    if reference == SOURCE:
        return 100 * score_float_model(None, splits.dev(dataset)).value
    records = {(record.row, record.seed): record for record in read_training_records()}
    return records[reference, 0].score
