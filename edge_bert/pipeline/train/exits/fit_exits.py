"""Exits fitted to a body: heads trained, thresholds found, both judged on held-out texts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bert.compress.train.distill import Lessons
from edge_bert.compress.train.examples import digest_texts, digest_weights
from edge_bert.compress.train.loop import Report, StageStatus
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.evaluate.exit_trials import (
    ExitAnswers,
    list_work,
    measure_accuracy,
    score_exits,
    try_rules,
)
from edge_bert.pipeline.train.class_scores import score_classes
from edge_bert.pipeline.train.corpus import Corpus
from edge_bert.pipeline.train.self_teaching import Texts
from edge_bert.pipeline.train.trained_model import choose_work_folder
from edge_bert.records.checkpoint import FloatArray, Task
from edge_bert.records.exit_training import EarlyExits
from edge_bert.records.exits import ExitRule
from edge_bert.records.training import (
    ClassScore,
    LossWeights,
    TrainingCurve,
    TrainingSettings,
)

MOST_LOST = 0.005  # of the whole model's held-out score, for exits whose body learned too


@dataclass(frozen=True)
class ExitJob:
    """What exits are fitted to, once it is known to be usable.

    `weights` have no exits yet; these come `after` so many layers, with `neurons` in a
    classifier's.
    `settings` are those of heads and body; the heads alone train for `settings.epochs`, both for
    `joint_epochs`. `agreement` is wanted, by a rule of the kind `rule` or the better one.
    """

    weights: EncoderWeights
    after: tuple[int, ...]
    neurons: int
    agreement: float
    rule: str | None
    settings: TrainingSettings
    joint_epochs: int
    losses: LossWeights
    corpus: tuple[Corpus, Corpus]
    texts: Texts
    backend: str

    @property
    def layers(self) -> tuple[int, ...]:
        """The places of the layers whose rows the exits read."""
        return tuple(after - 1 for after in self.after)


@dataclass(frozen=True)
class FittedExits:
    """Weights with exits, and what came of them; `curve` is that of the last training."""

    weights: EncoderWeights
    early: EarlyExits
    curve: TrainingCurve
    classes: tuple[ClassScore, ...]

    @property
    def rule(self) -> ExitRule:
        """The rule that is stored."""
        return self.early.trials[0].rule


@dataclass(frozen=True)
class _Trained:
    """Weights with exits, and what the model as it came answers to the held-out texts.

    Besides the curve of the heads alone, and that of heads and body where these are the weights.
    `lost` is what the whole model's held-out score lost when the body learned.
    """

    weights: EncoderWeights
    start: FloatArray
    heads: TrainingCurve
    joint: TrainingCurve | None = None
    lost: float | None = None

    @property
    def moved(self) -> bool:
        """Whether the body is another one than before."""
        return self.joint is not None and self.joint.best_step > 0


def fit_exits(job: ExitJob, report: Report) -> FittedExits:
    """Train the heads of exits, and find the rule by which texts leave.

    The same job again goes on where it was cut short. Raises InputError for an agreement that no
    rule reaches, and what training raises.
    """
    trained = _train(job, report)
    answers = _answer_held_out(job, trained.weights, report)
    report(StageStatus("looking for thresholds"))
    early = _judge(job, trained, answers)
    classes: tuple[ClassScore, ...] = ()
    if early.whole_accuracy is not None and answers.labels is not None:
        classes = score_classes(answers.whole, answers.labels, job.weights.head.labels)
    return FittedExits(trained.weights, early, trained.joint or trained.heads, classes)


def _judge(job: ExitJob, trained: _Trained, answers: ExitAnswers) -> EarlyExits:
    return EarlyExits(
        layers=job.weights.config.layers,
        count=len(answers),
        exits=score_exits(answers),
        trials=tuple(try_rules(answers, job.agreement, job.rule)),
        work=list_work(answers),
        heads_score=trained.heads.best_score,
        joint=trained.moved,
        joint_lost=trained.lost,
        whole_accuracy=measure_accuracy(answers, answers.whole),
        start_accuracy=measure_accuracy(answers, trained.start),
    )


def _train(job: ExitJob, report: Report) -> _Trained:
    from edge_bert.compress.train.exits.new_exits import start_exits
    from edge_bert.compress.train.exits.predict_agreement import predict_agreement
    from edge_bert.compress.train.exits.train_heads import settle_heads, train_heads

    lessons = _teach_sides(job, job.weights, report)
    rows, start = lessons[0].outputs.arrays, lessons[1].outputs.arrays["output"]
    exits = start_exits(job.weights, job.after, rows, job.neurons, job.settings.seed)
    weights = dataclasses.replace(job.weights, exits=exits)
    folder = _work_folder(job) / "heads"
    heads = settle_heads(job.settings)
    report(StageStatus("heads alone"))
    weights, curve = train_heads(weights, *lessons, heads, job.losses, folder, report)
    trained = _Trained(weights, start, curve)
    if job.joint_epochs:
        trained = _train_body(job, trained, lessons, report)
    if job.weights.head.task is not Task.EMBEDDING:
        return trained
    learned = _teach(job, 0, trained.weights, report) if trained.moved else lessons[0]
    return dataclasses.replace(trained, weights=predict_agreement(trained.weights, learned))


def _train_body(
    job: ExitJob, alone: _Trained, lessons: tuple[Lessons, Lessons], report: Report
) -> _Trained:
    """Heads and body trained; the heads alone where the whole model would lose too much by it."""
    from edge_bert.compress.train.distill import score_student
    from edge_bert.compress.train.exits.train_jointly import train_jointly

    settings = msgspec.structs.replace(job.settings, epochs=job.joint_epochs)
    report(StageStatus("heads and body"))
    folder = _work_folder(job) / "joint"
    weights, curve = train_jointly(alone.weights, *lessons, settings, job.losses, folder, report)
    if not curve.best_step:
        return dataclasses.replace(alone, joint=curve)
    after = _teach(job, 1, weights, report).outputs.arrays["output"]
    before, now = (score_student(x, lessons[1], weights.head.task) for x in (alone.start, after))
    if before - now > MOST_LOST + 1e-9:
        return dataclasses.replace(alone, lost=before - now)
    return dataclasses.replace(alone, weights=weights, joint=curve, lost=before - now)


def _teach_sides(job: ExitJob, weights: EncoderWeights, report: Report) -> tuple[Lessons, Lessons]:
    """Trained and held-out texts with what a body gives."""
    return _teach(job, 0, weights, report), _teach(job, 1, weights, report)


def _teach(job: ExitJob, side: int, weights: EncoderWeights, report: Report) -> Lessons:
    """A side's texts with the outputs of a body and its pooled rows, kept by content."""
    from edge_bert.compress.train.forward import Rows
    from edge_bert.compress.train.teacher import run_teachers

    body = dataclasses.replace(weights, exits=())
    corpus, texts = job.corpus[side], job.texts[side]
    taught = corpus.has_labels and (side == 1 or job.losses.labels > 0)
    rows = Rows(pooled=job.layers)
    outputs = run_teachers([body], [digest_weights(body)], texts, rows, report)
    return Lessons(texts, outputs, corpus.labels if taught else None)


def _work_folder(job: ExitJob) -> Path:
    sides = zip(job.texts, job.corpus, strict=True)
    inputs = [
        "exits",
        digest_weights(job.weights),
        job.after,
        job.neurons,
        job.joint_epochs,
        job.settings,
        job.losses,
        *(digest_texts(texts, corpus.labels) for texts, corpus in sides),
        job.backend,
    ]
    return choose_work_folder(inputs)


def _answer_held_out(job: ExitJob, weights: EncoderWeights, report: Report) -> ExitAnswers:
    from edge_bert.compress.train.exits.answer_texts import answer_texts
    from edge_bert.compress.train.keras_student import build_student

    report(StageStatus("asking the exits"))
    answers = answer_texts(build_student(weights), weights.input_names, job.texts[1])
    held_out = job.corpus[1]
    return ExitAnswers(
        head=weights.head,
        after=job.after,
        layers=weights.config.layers,
        outputs=answers.exits,
        whole=answers.whole,
        predicted=answers.agreements,
        labels=held_out.labels if held_out.has_labels else None,
    )
