"""The loop: epochs of steps, a score after each, the best weights kept, snapshots on the way."""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from edge_bert.compress.prune.block_sparsity import SparsitySchedule
from edge_bert.compress.train import snapshots
from edge_bert.compress.train.backends.choose_backend import CompiledStep, Objective, make_step
from edge_bert.compress.train.batches import (
    Array,
    BatchPlan,
    Targets,
    TokenizedTexts,
    plan_epoch,
    stack_batch,
    steps_per_epoch,
)
from edge_bert.compress.train.snapshots import TrainingState
from edge_bert.errors import TrainingError
from edge_bert.records.base import Record
from edge_bert.records.training import CurvePoint, TrainingCurve, TrainingSettings


class TrainingStatus(Record, frozen=True):
    """What a person wants to see of a run in progress; `loss` is the mean of the last steps."""

    step: int
    steps: int
    loss: float
    score: float | None
    texts_per_second: float
    seconds_left: float


class StageStatus(Record, frozen=True):
    """What a run does beside its steps: `step` of `steps` are done; 0 of 0 counts nothing."""

    stage: str
    step: int = 0
    steps: int = 0


Report = Callable[[TrainingStatus | StageStatus], None]


def no_report(status: TrainingStatus | StageStatus) -> None:
    """Report nothing."""
    del status


@dataclass(frozen=True)
class TrainingTask:
    """What a loop trains: a Keras encoder on texts and targets, and how it is judged.

    `score` gives the held-out score of the weights that the model has; higher is better; `metric`
    names it. Weights before the end of `sparsity`'s schedule are never the best.
    """

    model: Any
    input_names: Sequence[str]
    texts: TokenizedTexts
    targets: Targets
    objective: Objective
    score: Callable[[], float]
    metric: str
    sparsity: SparsitySchedule | None = None

    def stack(self, plan: BatchPlan, batch_size: int) -> dict[str, Array]:
        """The arrays of a batch."""
        return stack_batch(self.texts, self.targets, plan, batch_size, self.input_names)


@dataclass
class _LoopRun:
    """A run in progress."""

    task: TrainingTask
    settings: TrainingSettings
    folder: Path
    report: Report
    optimizer: Any
    step: CompiledStep
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
    ends with the weights that it would have had. Raises TrainingError where the loss is no number,
    InputError for a snapshot that is damaged or cannot be written, and KeyboardInterrupt after a
    snapshot where a signal asks to stop.
    """
    run = _open_run(task, settings, folder, report)
    _score_start(run)
    with _signals_noted(run.stop):
        while run.state.step < run.steps and not _is_exhausted(run):
            _run_epoch(run)
    snapshots.read_best(folder, task.model)
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
    return _LoopRun(task, settings, folder, report, optimizer, step, state)


def _score_start(run: _LoopRun) -> None:
    """Score the weights before the first step."""
    if run.state.step or run.state.start_score is not None:
        return
    run.state = msgspec.structs.replace(run.state, start_score=run.task.score())


def _run_epoch(run: _LoopRun) -> None:
    """The rest of the epoch that the state stands in, and the score after it."""
    settings, epoch = run.settings, run.state.step // run.epoch_steps
    plans = plan_epoch(run.task.texts.lengths, settings.batch_size, settings.seed, epoch)
    for plan in plans[run.state.step % run.epoch_steps :]:
        parts = run.step.run(run.task.stack(plan, settings.batch_size))
        _check_loss(run, parts)
        run.state = msgspec.structs.replace(
            run.state,
            step=run.state.step + 1,
            losses=run.state.losses + parts["loss"],
            losses_of=run.state.losses_of + 1,
        )
        if run.stop:
            run.save()
            raise KeyboardInterrupt
        if run.state.step % settings.save_every == 0:
            run.save()
        run.report(_describe(run))
    _score_epoch(run)
    run.save()


def _score_epoch(run: _LoopRun) -> None:
    """Score the weights, and keep them where they are the best so far."""
    run.step.write_back()
    state = run.state
    with run.averaged():
        score = run.task.score()
        is_best = state.best_score is None or score > state.best_score
        is_best &= run.task.sparsity is None or state.step >= run.task.sparsity.end
        if is_best:
            snapshots.write_best(run.folder, run.task.model)
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


def _is_exhausted(run: _LoopRun) -> bool:
    """Whether no epoch of the last `patience` was the best."""
    since_best = (run.state.step - run.state.best_step) // run.epoch_steps
    return run.state.best_step > 0 and since_best >= run.settings.patience


def _check_loss(run: _LoopRun, parts: Mapping[str, float]) -> None:
    if math.isfinite(parts["loss"]):
        return
    wrong = ", ".join(f"{name} {value:.3g}" for name, value in parts.items())
    raise TrainingError(
        f"The loss is no number at step {run.state.step + 1} ({wrong}); the last good snapshot is "
        "kept. Give a lower --learning-rate."
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
    )


@contextlib.contextmanager
def _signals_noted(stop: list[int]) -> Iterator[None]:
    """Notes a signal to end in `stop`; the step in progress is finished first."""

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        stop.append(number)

    try:
        before = {name: signal.signal(name, note) for name in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread, which alone has signals
        yield
        return
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
