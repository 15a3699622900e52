"""The loop: epochs of steps, a score after each, the best weights kept, snapshots on the way."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from edge_bert.compress.train import snapshots
from edge_bert.compress.train.backends.choose_backend import CompiledStep, make_step, name_device
from edge_bert.compress.train.batches import (
    plan_epoch,
    steps_per_epoch,
)
from edge_bert.compress.train.check_loss import check_loss
from edge_bert.compress.train.snapshots import TrainingState
from edge_bert.compress.train.training_task import TrainingTask
from edge_bert.errors import StopRequest, TrainingError
from edge_bert.records.base import Record
from edge_bert.records.training import CurvePoint, TrainingCurve, TrainingSettings
from edge_bert.stop_signals import handled_stops
from edge_bert.store.held_folder import hold_folder


class TrainingStatus(Record, frozen=True):
    """What a person wants to see of a run in progress; `loss` is the mean of the last steps.

    `device` is what it computes on.
    """

    step: int
    steps: int
    loss: float
    score: float | None
    texts_per_second: float
    seconds_left: float
    device: str


class StageStatus(Record, frozen=True):
    """What a run does beside its steps: `step` of `steps` texts are done; 0 of 0 counts none."""

    stage: str
    step: int = 0
    steps: int = 0


Report = Callable[[TrainingStatus | StageStatus], None]


def no_report(status: TrainingStatus | StageStatus) -> None:
    """Report nothing."""
    del status


@dataclass
class _LoopRun:
    """A run in progress."""

    task: TrainingTask
    settings: TrainingSettings
    folder: Path
    report: Report
    optimizer: Any
    step: CompiledStep
    device: str
    state: TrainingState
    stop: list[int] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    @property
    def epoch_steps(self) -> int:
        return steps_per_epoch(len(self.task.texts), self.settings.batch_size)

    @property
    def steps(self) -> int:
        return self.epoch_steps * self.settings.epochs

    def averaged(self) -> contextlib.AbstractContextManager[None]:
        from edge_bert.compress.train.optimizer import average_weights  # it needs Keras

        return average_weights(self.task.model, self.optimizer)

    def save(self) -> None:
        self.step.write_back()
        seconds = self.state.seconds + time.monotonic() - self.started
        self.started = time.monotonic()
        self.state = msgspec.structs.replace(self.state, seconds=seconds)
        snapshots.write_snapshot(self.folder, self.state, self.task.model, self.optimizer)


def train_model(
    task: TrainingTask, settings: TrainingSettings, folder: Path, report: Report = no_report
) -> TrainingCurve:
    """Train the task's model, and leave the weights in it that scored best on held-out texts.

    `folder` is the run's own: a run that was cut short there goes on from its last snapshot, and
    ends with the weights that it would have had; one that has ended leaves its best weights there.
    Raises TrainingError where the loss is no number, InputError for a snapshot that is damaged or
    cannot be written, BusyError where another process trains there, and StopRequest after a
    snapshot where a signal asks to stop.
    """
    with hold_folder(folder, "training"):
        run = _open_run(task, settings, folder, report)
        with _signals_noted(run.stop):
            _score_start(run)
            while not _is_over(run):
                _run_epoch(run)
        snapshots.read_best(folder, run.state.best_step, task.model)
        run.state = snapshots.end_run(folder, run.state)
    points = run.state.points
    return TrainingCurve(
        points=points,
        metric=task.metric,
        best_step=run.state.best_step,
        best_score=run.state.best_score or 0.0,
        stopped_early=run.state.step < run.steps,
        start_score=run.state.start_score,
    )


def _open_run(
    task: TrainingTask, settings: TrainingSettings, folder: Path, report: Report
) -> _LoopRun:
    from edge_bert.compress.train.optimizer import build_optimizer  # it needs Keras

    steps = steps_per_epoch(len(task.texts), settings.batch_size) * settings.epochs
    optimizer = build_optimizer(task.model, settings, steps, task.sparsity)
    optimizer.build(task.model.trainable_variables)
    state = snapshots.read_snapshot(folder, task.model, optimizer)
    step = make_step(task.model, optimizer, task.objective)
    return _LoopRun(task, settings, folder, report, optimizer, step, name_device(), state)


def _score_start(run: _LoopRun) -> None:
    """Score the weights before the first step."""
    if run.state.step or run.state.start_score is not None:
        return
    score = _check_score(run, run.task.score())
    run.state = msgspec.structs.replace(run.state, start_score=score)


def _run_epoch(run: _LoopRun) -> None:
    """The rest of the epoch that the state stands in, and the score after it.

    An epoch whose steps are all done and that has no score yet stands at its own end, and not at
    the start of the next one.
    """
    settings, epoch = run.settings, len(run.state.points)
    plans = plan_epoch(run.task.lengths, settings.batch_size, settings.seed, epoch)
    for plan in plans[run.state.step - epoch * run.epoch_steps :]:
        parts = run.step.run(run.task.stack(plan, settings.batch_size))
        check_loss(run.state, parts)
        run.state = msgspec.structs.replace(
            run.state,
            step=run.state.step + 1,
            losses=run.state.losses + parts["loss"],
            losses_of=run.state.losses_of + 1,
        )
        if run.state.step % settings.save_every == 0:
            run.save()
        run.report(_describe(run))
        _heed_stop(run)
    _score_epoch(run)
    run.save()
    _heed_stop(run)


def _heed_stop(run: _LoopRun) -> None:
    """End the run with a snapshot where a signal asked for it."""
    if run.stop:
        run.save()
        raise StopRequest(
            f"stopped after step {run.state.step} of {run.steps}; the same command again goes on "
            "from there",
            run.stop[0],
        )


def _score_epoch(run: _LoopRun) -> None:
    """Score the weights, and keep them where they are the best so far."""
    run.step.write_back()
    state = run.state
    with run.averaged():
        score = _check_score(run, run.task.score())
        is_best = state.best_score is None or score > state.best_score
        is_best &= run.task.sparsity is None or state.step >= run.task.sparsity.end
        if is_best:
            snapshots.write_best(run.folder, state.step, run.task.model)
    point = CurvePoint(
        step=state.step,
        loss=state.losses / max(state.losses_of, 1),
        score=score,
        seconds=state.seconds + time.monotonic() - run.started,
    )
    run.state = msgspec.structs.replace(
        state, points=(*state.points, point), losses=0.0, losses_of=0
    )
    if is_best:
        run.state = msgspec.structs.replace(run.state, best_step=state.step, best_score=score)
    run.report(_describe(run))


def _is_over(run: _LoopRun) -> bool:
    """Whether all epochs are scored, or none of the last `patience` was the best."""
    state = run.state
    if state.ended or len(state.points) >= run.settings.epochs:
        return True
    since_best = len(state.points) - state.best_step // run.epoch_steps
    return state.best_step > 0 and since_best >= run.settings.patience


def _check_score(run: _LoopRun, score: float) -> float:
    if math.isfinite(score):
        return score
    raise TrainingError(
        f"The held-out {run.task.metric} is no number after step {run.state.step}; the last good "
        "snapshot is kept. Give a lower --learning-rate."
    )


def _describe(run: _LoopRun) -> TrainingStatus:
    state = run.state
    seconds = max(time.monotonic() - run.started, 1e-6) + state.seconds
    scores = [point.score for point in state.points if point.score is not None]
    last = state.points[-1].loss if state.points else 0.0
    return TrainingStatus(
        step=state.step,
        steps=run.steps,
        loss=state.losses / state.losses_of if state.losses_of else last,
        score=scores[-1] if scores else None,
        texts_per_second=state.step * run.settings.batch_size / seconds,
        seconds_left=seconds / state.step * (run.steps - state.step),
        device=run.device,
    )


@contextlib.contextmanager
def _signals_noted(stop: list[int]) -> Iterator[None]:
    """Notes a signal to end in `stop`; the step in progress is finished first.

    A second one stops at once: the snapshot before is what is left.
    """

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        if stop:
            raise StopRequest(
                "stopped at once; the same command again goes on from the last snapshot", number
            )
        stop.append(number)

    with handled_stops(note):
        yield
