"""One training job for each of several seeds: the mean of their scores, and the spread."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from edge_bert.compress.train.loop import Report, StageStatus, no_report
from edge_bert.errors import InputError
from edge_bert.pipeline.build.absolute_options import make_absolute
from edge_bert.pipeline.train.jobs import locate_shared_cache, run_beside_others
from edge_bert.pipeline.train.options import LoopOptions
from edge_bert.pipeline.train.trained_model import TrainedModel, check_name, hold_name
from edge_bert.records.seeds import SeedScore, SeedsRun
from edge_bert.records.training import FORMAT_VERSION
from edge_bert.search.executors.choose import open_executor
from edge_bert.search.executors.jobs import Job
from edge_bert.store.content_store import encode_json, write_atomic
from edge_bert.store.written import note_written

Options = TypeVar("Options", bound=LoopOptions)


def train_seeds(
    options: Options, job: Callable[[Options, Report], TrainedModel], report: Report = no_report
) -> SeedsRun:
    """Run a training job once for each of `options.seeds`, and write what came of them.

    The models are NAME-seed0 and so on, the summary NAME-seeds.json beside them. All seeds hold out
    the same texts (`split_seed`). The same command again goes on with the seed that it was cut
    short in. Raises InputError for seeds that are no seeds or come twice, BusyError where another
    run makes the model of one, and what `job` raises.
    """
    check_name(options.name)
    check_jobs(options)
    runs = [_with_seed(options, seed) for seed in _check_seeds(options)]
    if options.workers == 1 and options.scheduler is None:
        trained = [train_held(run, job, report) for run in runs]
    else:
        trained = _train_beside(options, runs, job, report)
    summary = summarize_seeds(options.name, trained)
    path = options.folder.with_name(f"{options.name}-seeds.json")
    try:
        write_atomic(path, encode_json(summary))
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); make room.") from error
    note_written(path)
    return summary


def summarize_seeds(name: str, models: Sequence[TrainedModel]) -> SeedsRun:
    """Mean and standard deviation of the best held-out scores of one job's runs."""
    scores = [_score_of(model) for model in models]
    values = [score.score for score in scores]
    first = models[0].run
    return SeedsRun(
        format_version=FORMAT_VERSION,
        name=name,
        kind=first.kind,
        metric=first.trained_curve.metric,
        mean=statistics.fmean(values),
        deviation=statistics.stdev(values) if len(values) > 1 else None,
        scores=tuple(scores),
    )


def check_jobs(options: LoopOptions) -> None:
    """Raise InputError for workers that have nothing to share out."""
    for name, given in (("workers", options.workers != 1), ("scheduler", options.scheduler)):
        if given and not options.seeds:
            raise InputError(f"--{name} shares out --seeds; give some, such as --seeds 0,1,2.")


def train_held(
    options: Options, job: Callable[[Options, Report], TrainedModel], report: Report = no_report
) -> TrainedModel:
    """Run a training job while its name is held. Raises BusyError where another run has it."""
    with hold_name(options.folder):
        return job(options, report)


def train_elsewhere(
    cache: str, options: Options, job: Callable[[Options, Report], TrainedModel]
) -> TrainedModel:
    """The same in another process, with the cache of the one that asks for it."""
    return run_beside_others(cache, lambda: train_held(options, job))


def _train_beside(
    options: Options,
    runs: Sequence[Options],
    job: Callable[[Options, Report], TrainedModel],
    report: Report,
) -> list[TrainedModel]:
    """Each seed as a job of its own; those that ended stay when another one fails."""
    cache = locate_shared_cache()
    jobs = [Job(run.name, train_elsewhere, (cache, make_absolute(run), job)) for run in runs]
    trained: dict[str, TrainedModel] = {}
    errors: dict[str, Exception] = {}
    with open_executor(workers=options.workers, scheduler=options.scheduler) as executor:
        for outcome in executor.outcomes(jobs):
            ended = f"{len(trained) + len(errors) + 1} of {len(jobs)}: {outcome.key}"
            if outcome.error is None:
                trained[outcome.key] = outcome.value
                report(StageStatus(f"{ended} done"))
            else:
                errors[outcome.key] = outcome.error
                report(StageStatus(f"{ended} failed: {outcome.error}"))
    for run in runs:
        if run.name in errors:
            raise errors[run.name]
    return [trained[run.name] for run in runs]


def _check_seeds(options: LoopOptions) -> tuple[int, ...]:
    """The seeds, once all of them are known to be usable."""
    repeated = [seed for seed in options.seeds if options.seeds.count(seed) > 1]
    if repeated:
        raise InputError(f"--seeds has {repeated[0]} twice; give each seed once.")
    for seed in options.seeds:
        _ = _with_seed(options, seed).settings
    return options.seeds


def _with_seed(options: Options, seed: int) -> Options:
    name = f"{options.name}-seed{seed}"
    return msgspec.structs.replace(
        options, name=name, seed=seed, seeds=(), workers=1, scheduler=None
    )


def _score_of(model: TrainedModel) -> SeedScore:
    run, curve = model.run, model.run.trained_curve
    return SeedScore(
        seed=run.settings.seed,
        name=Path(model.folder).name,
        score=curve.best_score,
        step=curve.best_step,
        seconds=run.seconds,
    )
