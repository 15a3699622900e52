"""One training job for each of several seeds: the mean of their scores, and the spread."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from edge_bert.compress.train.loop import Report, no_report
from edge_bert.errors import InputError
from edge_bert.pipeline.train.options import LoopOptions
from edge_bert.pipeline.train.trained_model import TrainedModel, check_name
from edge_bert.records.training import FORMAT_VERSION, SeedScore, SeedsRun
from edge_bert.store.content_store import encode_json, write_atomic
from edge_bert.store.written import note_written

Options = TypeVar("Options", bound=LoopOptions)


def train_seeds(
    options: Options, job: Callable[[Options, Report], TrainedModel], report: Report = no_report
) -> SeedsRun:
    """Run a training job once for each of `options.seeds`, and write what came of them.

    The models are NAME-seed0 and so on, the summary NAME-seeds.json beside them. All seeds hold out
    the same texts (`split_seed`). The same command again goes on with the seed that it was cut
    short in. Raises InputError for seeds that are no seeds or come twice, and what `job` raises.
    """
    check_name(options.name)
    runs = [_with_seed(options, seed) for seed in _check_seeds(options)]
    trained = [job(run, report) for run in runs]
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
    return msgspec.structs.replace(options, name=name, seed=seed, seeds=())


def _score_of(model: TrainedModel) -> SeedScore:
    run, curve = model.run, model.run.trained_curve
    return SeedScore(
        seed=run.settings.seed,
        name=Path(model.folder).name,
        score=curve.best_score,
        step=curve.best_step,
        seconds=run.seconds,
    )
