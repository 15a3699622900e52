"""`invoke build --tune`: a few minutes in which a candidate learns from the whole model."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from edge_bert.compress.train.backends.choose_backend import start_backend
from edge_bert.compress.train.batches import TokenizedTexts, plan_epoch
from edge_bert.compress.train.distill import Lessons, distill_student, make_distillation
from edge_bert.compress.train.examples import digest_texts, digest_weights
from edge_bert.compress.train.loop import StageStatus, TrainingStatus
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.sizing.tuning import TunedWeights
from edge_bert.pipeline.train.corpus import Corpus, read_corpus, split_corpus
from edge_bert.pipeline.train.distill.choose_losses import DEFAULTS
from edge_bert.pipeline.train.start_model import check_teaches
from edge_bert.pipeline.train.trained_model import choose_work_folder
from edge_bert.progress import Progress
from edge_bert.records.base import Record
from edge_bert.records.candidate import Structure
from edge_bert.records.training import LossWeights, TrainingCurve, TrainingSettings
from edge_bert.store.content_store import write_atomic
from edge_bert.store.sealed_json import read_sealed, seal_json

MOST_MINUTES = 1440.0
HELD_OUT = 0.1
PROBED, TIMED = 320, 3  # texts, and steps of them, that say how long a step takes
USABLE = 0.7  # of the time: the teacher's answers, graphs and scores take the rest
MOST_EPOCHS = 20
SETTINGS = TrainingSettings(epochs=1, batch_size=64, learning_rate=3e-4, head_rate=1.0)
PLAN = "tuning.json"


class TuningPlan(Record, frozen=True):
    """What fits into the time: the first so many texts, so often."""

    texts: int
    epochs: int


@dataclass(frozen=True)
class _Run:
    """A candidate with what teaches it: texts that train it, and texts that are held out."""

    whole: BuildSession
    start: EncoderWeights
    structure: Structure
    losses: LossWeights
    texts: tuple[TokenizedTexts, TokenizedTexts]
    tell: Callable[[TrainingStatus | StageStatus], None]

    def teach(self, texts: TokenizedTexts, *, trains: bool) -> Lessons:
        """Texts with the whole model's answers, from the cache after the first time."""
        from edge_bert.compress.train.forward import Rows  # these need Keras
        from edge_bert.compress.train.teacher import pair_kept_layers, run_teachers

        weights = self.whole.weights
        pairs = pair_kept_layers(self.structure.layers, weights.config.layers)
        rows = Rows()
        if trains:
            hidden = tuple(theirs for _, theirs in pairs) if self.losses.hidden else ()
            rows = Rows(hidden, attention=bool(self.losses.relations))
        outputs = run_teachers([weights], [digest_weights(weights)], texts, rows, self.tell)
        return Lessons(texts, outputs, pairs=pairs)


@dataclass(frozen=True)
class CandidateTuning:
    """Tuning for some minutes, on the sentences that the options name."""

    options: BuildOptions
    minutes: float
    progress: Progress

    def check(self, whole: BuildSession) -> None:
        """Raise ModelError for a head that is not taught, and what reading of texts raises."""
        check_teaches(whole.checkpoint.name, whole.checkpoint.head)
        self._read_sides(whole)

    def tune(
        self, whole: BuildSession, start: EncoderWeights, structure: Structure
    ) -> TunedWeights:
        """A candidate's weights after some minutes, and what they were spent on.

        Where it only got worse on held-out texts, it stays what it was. The same again goes on
        where it was cut short. Raises what training raises.
        """
        backend = start_backend(SETTINGS.threads)
        losses = msgspec.structs.replace(DEFAULTS[whole.checkpoint.head.task], labels=0.0)
        trained, held_out = (side.tokenize(whole.tokenizer) for side in self._read_sides(whole))
        run = _Run(whole, start, structure, losses, (trained, held_out), _tell(self.progress))
        inputs = [digest_weights(start), digest_weights(whole.weights), losses]
        texts = [digest_texts(trained), digest_texts(held_out)]
        work = choose_work_folder(["tuning", *inputs, f"{self.minutes:g}", *texts, backend])
        plan = _plan_or_read(run, self.minutes, work)
        self.progress(f"tuning the chosen one: {plan.texts:,} texts, {plan.epochs} times")
        lessons = run.teach(trained.select(np.arange(plan.texts)), trains=True)
        settings = msgspec.structs.replace(SETTINGS, epochs=plan.epochs, seed=self.options.seed)
        weights, curve = distill_student(
            start, lessons, run.teach(held_out, trains=False), settings, losses, work, run.tell
        )
        return TunedWeights(weights, _describe(plan, curve))

    def _read_sides(self, whole: BuildSession) -> tuple[Corpus, Corpus]:
        corpus = read_corpus((), self.options.tune_text, whole.checkpoint.head)
        return split_corpus(corpus, HELD_OUT, self.options.seed)


def open_tuning(options: BuildOptions, progress: Progress) -> CandidateTuning:
    """The tuning that the options ask for.

    Raises InputError for minutes without sentences, and for a number that is no such time.
    """
    minutes = options.tune
    if minutes is None or not options.tune_text:
        raise InputError("--tune and --tune-text go together: minutes, and what is learned from.")
    if not 0 < minutes <= MOST_MINUTES:
        raise InputError(f"--tune {minutes:g}: give minutes, above 0 and up to {MOST_MINUTES:g}.")
    return CandidateTuning(options, minutes, progress)


def _plan_or_read(run: _Run, minutes: float, work: Path) -> TuningPlan:
    """What fits into the minutes on this machine; in a run that goes on, what did before."""
    file = work / PLAN
    if file.is_file():
        try:
            return read_sealed(file.read_bytes(), TuningPlan)
        except (ValueError, RecursionError):
            run.tell(StageStatus(f"{file} is damaged; the tuning is planned anew"))
    plan = _plan_tuning(run, minutes)
    work.mkdir(parents=True, exist_ok=True)
    write_atomic(file, seal_json(plan))
    return plan


def _plan_tuning(run: _Run, minutes: float) -> TuningPlan:
    size, present = SETTINGS.batch_size, len(run.texts[0])
    steps = max(1, int(minutes * 60 * USABLE / _time_step(run)))
    per_epoch = -(-present // size)
    if steps < per_epoch:
        return TuningPlan(texts=min(present, steps * size), epochs=1)
    return TuningPlan(texts=present, epochs=min(MOST_EPOCHS, steps // per_epoch))


def _time_step(run: _Run) -> float:
    """Seconds of a step on texts of middle length, once its graph is there."""
    from edge_bert.compress.train.backends.choose_backend import make_step
    from edge_bert.compress.train.optimizer import build_optimizer  # it needs Keras

    probed = run.texts[0].spread(PROBED)
    lessons = run.teach(probed, trains=True)
    task = make_distillation(run.start, lessons, lessons, SETTINGS, run.losses)
    step = make_step(task.model, build_optimizer(task.model, SETTINGS, 1, None), task.objective)
    plans = sorted(plan_epoch(task.lengths, SETTINGS.batch_size, 0, 0), key=lambda x: x.length)
    batch = task.stack(plans[len(plans) // 2], SETTINGS.batch_size)
    step.run(batch)
    started = time.monotonic()
    for _ in range(TIMED):
        step.run(batch)
    return max((time.monotonic() - started) / TIMED, 1e-4)


def _describe(plan: TuningPlan, curve: TrainingCurve) -> str:
    before = "" if curve.start_score is None else f" from {curve.start_score:.4f}"
    times = "once" if plan.epochs == 1 else f"{plan.epochs} times"
    return (
        f"then it learned from the whole model on {plan.texts:,} texts, {times} "
        f"(held-out {curve.metric}{before} to {curve.best_score:.4f})"
    )


def _tell(progress: Progress) -> Callable[[TrainingStatus | StageStatus], None]:
    """Tells stages as they begin, and scores as they are taken."""
    told: list[str] = []

    def tell(status: TrainingStatus | StageStatus) -> None:
        if isinstance(status, StageStatus):
            line = f"tuning: {status.stage}"
        elif status.score is None:
            return
        else:
            line = f"tuning: held-out score {status.score:.4f}"
        if line not in told:
            told.append(line)
            progress(line)

    return tell
