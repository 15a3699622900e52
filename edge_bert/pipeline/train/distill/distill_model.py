"""Distillation as a job: teachers and texts in, the folder of a smaller model out."""

from __future__ import annotations

import dataclasses
import random
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from edge_bert.compress.train.backends.choose_backend import start_backend
from edge_bert.compress.train.batches import TokenizedTexts
from edge_bert.compress.train.distill import Lessons, distill_student
from edge_bert.compress.train.examples import digest_texts, digest_weights
from edge_bert.compress.train.loop import Report, StageStatus, no_report
from edge_bert.compress.train.stored_weights import read_stored, write_stored
from edge_bert.data.buckets import encode_unpadded
from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError
from edge_bert.pipeline.sizing.structure_file import read_structure
from edge_bert.pipeline.train.class_scores import score_lessons
from edge_bert.pipeline.train.corpus import Corpus, describe_corpus, read_corpus, split_corpus
from edge_bert.pipeline.train.distill import student_start
from edge_bert.pipeline.train.distill.choose_losses import choose_losses
from edge_bert.pipeline.train.distill.student_start import StudentStart, start_student
from edge_bert.pipeline.train.distill.teachers import Teachers, open_teachers
from edge_bert.pipeline.train.folder.run_record import describe_ancestor, describe_machine
from edge_bert.pipeline.train.options import DistillOptions
from edge_bert.pipeline.train.trained_model import (
    TrainedModel,
    check_name,
    check_target,
    choose_work_folder,
    write_trained_model,
)
from edge_bert.records.candidate import Structure
from edge_bert.records.training import FORMAT_VERSION, LossWeights, TrainingCurve, TrainingRun

START = "start.safetensors"


@dataclass(frozen=True)
class _Job:
    """What a run needs, once it is known to be usable."""

    options: DistillOptions
    teachers: Teachers
    structure: Structure | None
    losses: LossWeights
    trained: Corpus
    held_out: Corpus
    texts: tuple[TokenizedTexts, TokenizedTexts]
    digests: tuple[str, ...]

    @property
    def teacher(self) -> EncoderWeights:
        """The one that the student starts from."""
        return self.teachers.weights[0]

    def choose_template(self, structure: Structure) -> EncoderWeights:
        """The teacher with the layers alone that a student of this structure has."""
        return self.teacher.with_layers([self.teacher.layers[place] for place in structure.layers])


def distill_model(options: DistillOptions, report: Report = no_report) -> TrainedModel:
    """Teach a smaller model what its teachers give, and write its folder.

    The same command again goes on where it was cut short, and changes nothing where it had ended.
    Raises InputError, ModelError and DataError for options, teachers and texts that are not usable,
    and what training raises.
    """
    settings = options.settings
    check_name(options.name)
    check_target(options.folder)
    backend = start_backend(settings.threads)
    job = _open_job(options)
    started = time.monotonic()
    work = _work_folder(job, backend)
    start = _open_start(job, work, report)
    _check_attention(job, start.structure)
    lessons = _prepare_lessons(job, start, report)
    weights, curve = distill_student(start.weights, *lessons, settings, job.losses, work, report)
    seconds = time.monotonic() - started
    run = _describe_run(job, start.structure, curve, backend, seconds)
    run = msgspec.structs.replace(run, classes=score_lessons(weights, lessons[1]))
    return write_trained_model(options.folder, weights, job.teachers.checkpoints[0], run)


def _open_job(options: DistillOptions) -> _Job:
    student_start.check_structure_option(options)
    teachers = open_teachers(options.teacher)
    teacher = teachers.weights[0]
    structure = None
    if options.structure is not None:
        structure = read_structure(options.structure, teacher.config.vocabulary)
    else:
        student_start.check_layers_option(options.layers, teacher.config.layers)
    corpus = read_corpus(options.data, options.text, teacher.head)
    losses = choose_losses(options, teacher, labels=corpus.has_labels)
    trained, held_out = split_corpus(corpus, options.held_out, options.split_seed)
    texts = trained.tokenize(teachers.tokenizer), held_out.tokenize(teachers.tokenizer)
    digests = tuple(map(digest_weights, teachers.weights))
    return _Job(options, teachers, structure, losses, trained, held_out, texts, digests)


def _work_folder(job: _Job, backend: str) -> Path:
    inputs = [
        *job.digests,
        job.options.settings,
        job.losses,
        job.structure or list(job.options.layers),
        digest_texts(job.texts[0], job.trained.labels),
        digest_texts(job.texts[1], job.held_out.labels),
        backend,
    ]
    return choose_work_folder(["distillation", *inputs])


def _open_start(job: _Job, work: Path, report: Report) -> StudentStart:
    """The student before training: from the run's folder, where it was once put."""
    stored = read_stored(work / START, job.choose_template, Structure)
    if stored is not None:
        return StudentStart(*stored)
    start = start_student(
        job.teacher,
        job.options.layers,
        job.structure,
        _draw_sentences(job),
        lambda message: report(StageStatus(message)),
    )
    template = job.choose_template(start.structure)
    write_stored(work / START, start.weights, template, start.structure)
    return start


def _draw_sentences(job: _Job) -> list[Sentence]:
    """The texts of the closed form, none of them held out."""
    count = min(len(job.trained), student_start.RANKING + student_start.CALIBRATION)
    rows = random.Random(job.options.seed).sample(range(len(job.trained)), count)  # noqa: S311
    corpus = job.trained.select(np.array(rows, np.int64))
    names, tokenizer = job.teacher.input_names, job.teachers.tokenizer
    return list(encode_unpadded(tokenizer, names, corpus.sentences, corpus.second or None))


def _check_attention(job: _Job, structure: Structure) -> None:
    """Attention maps are compared head by head."""
    heads = job.teacher.config.heads[-1]
    if job.losses.attention and structure.heads[-1] != heads:
        raise InputError(
            f"--attention compares the heads of the last layers, and the student has "
            f"{structure.heads[-1]} of {heads}; take --relations."
        )


def _prepare_lessons(job: _Job, start: StudentStart, report: Report) -> tuple[Lessons, Lessons]:
    """The texts that are trained on and those held out, with the teachers' outputs."""
    from edge_bert.compress.train.forward import Rows
    from edge_bert.compress.train.teacher import pair_kept_layers, run_teachers

    losses, teachers = job.losses, job.teachers.weights
    pairs = pair_kept_layers(start.structure.layers, job.teacher.config.layers)
    rows = Rows(
        hidden=tuple(theirs for _, theirs in pairs) if losses.hidden else (),
        attention=bool(losses.attention or losses.relations),
    )
    trained, held_out = (
        Lessons(texts, run_teachers(teachers, job.digests, texts, wanted, report))
        for texts, wanted in zip(job.texts, (rows, Rows()), strict=True)
    )
    labels = job.trained.labels if losses.labels else None
    expected = job.held_out.labels if job.held_out.has_labels else None
    return (
        dataclasses.replace(trained, labels=labels, pairs=pairs),
        dataclasses.replace(held_out, labels=expected),
    )


def _describe_run(
    job: _Job, structure: Structure, curve: TrainingCurve, backend: str, seconds: float
) -> TrainingRun:
    checkpoints = job.teachers.checkpoints
    return TrainingRun(
        format_version=FORMAT_VERSION,
        name=job.options.name,
        kind="distillation",
        settings=job.options.settings,
        losses=job.losses,
        data=describe_corpus(job.trained, job.held_out),
        ancestors=(
            describe_ancestor(checkpoints[0], "start"),
            *(describe_ancestor(checkpoint, "teacher") for checkpoint in checkpoints),
        ),
        curve=curve,
        machine=describe_machine(backend),
        seconds=seconds,
        structure=structure,
    )
