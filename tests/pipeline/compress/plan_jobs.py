"""Runs of a training matrix for tests: real training that is noted, files that are not built."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_bert.compress.train.loop import Report, StageStatus, TrainingStatus
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.compress import run_plan, step_jobs
from edge_bert.pipeline.compress.plan_matrix import list_keys, take_plan
from edge_bert.pipeline.compress.run_plan import PlanRun
from edge_bert.pipeline.compress.step_effect import MeasuredModel
from edge_bert.pipeline.train.options import LoopOptions
from edge_bert.pipeline.train.trained_model import TrainedModel
from edge_bert.records.plan import Compression, StepEffect
from edge_bert.search.executors.jobs import Job
from tests.search import jobs


def measured(session: BuildSession, model: MeasuredModel, *_: object, **__: object) -> StepEffect:
    """A row without a built file, which takes TensorFlow seconds."""
    return StepEffect(
        name=model.name,
        kind=model.kind,
        model_sha256=session.checkpoint.sha256,
        size_bytes=1,
        recipe=session.recipes[0].name,
    )


def noted(cache: str, run: PlanRun, folder: Path, journal: Path | None) -> Compression:
    """Take the plan and note in `folder` each step of training by its model and rate.

    With `journal`, the first try ends its process where the second model begins to train, once
    some runs are recorded.
    """
    os.environ["KERAS_BACKEND"] = "torch"  # which starts quickest

    def train(options: LoopOptions, _: Report) -> TrainedModel:
        def watch(status: TrainingStatus | StageStatus) -> None:
            if isinstance(status, TrainingStatus) and status.score is None:
                _die_once(run, options, folder, journal)
                jobs.note(folder, f"{run.options.model}:{options.learning_rate}:{status.step}")

        return taken.run(options, watch)

    taken = step_jobs.JOBS["train"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_plan, "measure_effect", measured)
        patch.setitem(run_plan.JOBS, "train", dataclasses.replace(taken, run=train))
        return take_plan(cache, run)


def all_of(
    runs: Sequence[PlanRun], cache: Path, folder: Path, journal: Path, killer: int
) -> list[Job]:
    """The jobs of the runs; that of the number `killer` ends its process once."""
    return [
        Job(key, noted, (str(cache), run, folder, journal if number == killer else None))
        for number, (key, run) in enumerate(zip(list_keys(runs), runs, strict=True))
    ]


def _die_once(run: PlanRun, options: LoopOptions, folder: Path, journal: Path | None) -> None:
    is_second = options.name == run.options.step_folder(2, "train").name
    if journal and is_second and not (folder / "killed").exists():
        jobs.wait_until_journaled(journal)
        (folder / "killed").touch()
        jobs.die(folder)
