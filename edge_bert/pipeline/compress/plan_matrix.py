"""Several plans with several models: each run once, in processes or on a Dask cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from edge_bert.errors import InputError
from edge_bert.pipeline.build.absolute_options import make_absolute
from edge_bert.pipeline.compress.build_end import is_current
from edge_bert.pipeline.compress.options import CompressOptions
from edge_bert.pipeline.compress.run_plan import PlanRun, check_plan, read_compression, run_plan
from edge_bert.pipeline.train.jobs import (
    PATIENCE_S,
    locate_shared_cache,
    run_beside_others,
)
from edge_bert.pipeline.train.trained_model import check_name, hold_name
from edge_bert.progress import Progress, no_progress
from edge_bert.records.plan import FORMAT_VERSION, Compression, PlanOutcome, TrainingMatrix
from edge_bert.report.training_matrix_html import render_training_matrix
from edge_bert.search.executors.choose import open_executor
from edge_bert.search.executors.jobs import Job
from edge_bert.search.matrix_jobs import run_matrix_jobs
from edge_bert.store.content_store import encode_json, key_of, write_atomic
from edge_bert.store.written import note_written

PROBLEM = "a matrix of plans and models"  # the keys of its runs say the rest


def name_runs(
    options: CompressOptions, plans: Sequence[tuple[str, str]], models: Sequence[str | None]
) -> list[CompressOptions]:
    """The options of every plan, given by its name and reference, with every model.

    Each run has a name, and a folder of bundles, of its own. Paths are whole, for other processes.
    Raises InputError where two runs would have one name.
    """
    options = make_absolute(options)
    runs = []
    for model in models:
        for plan_name, reference in plans:
            name = f"{options.name}-{_name_model(model)}-{plan_name}"
            runs.append(
                msgspec.structs.replace(
                    options,
                    plan=reference,
                    model=model,
                    name=name,
                    bundles=str(Path(options.bundles) / name),
                )
            )
    names = [run.name for run in runs]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"Two runs would be called {twice[0]}; give each plan and model once.")
    return [make_absolute(run) for run in runs]


def run_matrix(
    name: str,
    runs: Sequence[PlanRun],
    progress: Progress = no_progress,
    jobs: Sequence[Job] | None = None,
) -> TrainingMatrix:
    """Take every run's plan, and write NAME-matrix.json and NAME-matrix.html beside the models.

    All are checked before the first one trains. What ended is not taken again by the same command;
    a run that a process died in goes on in another one. A run that fails in a foreseen way is
    reported, and the others go on. `jobs` are those of `list_jobs` where they are not given.
    """
    check_name(name)
    options = runs[0].options
    keys = list_keys(runs)
    with open_executor(workers=options.workers, scheduler=options.scheduler) as executor:
        outcome = run_matrix_jobs(
            list_jobs(runs, keys) if jobs is None else jobs,
            Compression,
            executor,
            Path(options.out) / f"{name}-matrix.jsonl",
            problem=PROBLEM,
            progress=progress,
            is_current=lambda compression: _stands(compression, runs),
        )
    matrix = TrainingMatrix(
        format_version=FORMAT_VERSION,
        name=name,
        runs=tuple(
            PlanOutcome(
                name=run.options.name,
                plan_name=run.name,
                model=_name_model(run.options.model),
                compression=outcome.values.get(key),
                reason=outcome.failed.get(key, ""),
            )
            for key, run in zip(keys, runs, strict=True)
        ),
    )
    _write_matrix(matrix, Path(options.out))
    return matrix


def _write_matrix(matrix: TrainingMatrix, folder: Path) -> None:
    """NAME-matrix.json, and the page beside it."""
    files = {
        "json": encode_json(matrix),
        "html": render_training_matrix(matrix).encode("utf-8", "replace"),
    }
    for ending, content in files.items():
        path = folder / f"{matrix.name}-matrix.{ending}"
        write_atomic(path, content)
        note_written(path)


def list_keys(runs: Sequence[PlanRun]) -> list[str]:
    """A key for each run's result: its name, and a digest of all that it depends on."""
    return [f"{run.options.name}/{_digest(run)[:32]}" for run in runs]


def list_jobs(runs: Sequence[PlanRun], keys: Sequence[str]) -> list[Job]:
    """One job for each run."""
    cache, options = locate_shared_cache(), runs[0].options
    patience_s = 0.0 if options.workers == 1 and options.scheduler is None else PATIENCE_S
    return [
        Job(key, take_plan, (cache, run, patience_s)) for key, run in zip(keys, runs, strict=True)
    ]


def take_plan(cache: str, run: PlanRun, patience_s: float = PATIENCE_S) -> Compression:
    """A run in whatever process; waits so long for others that are at one of its steps."""

    def take() -> Compression:
        with hold_name(run.options.folder):
            return run_plan(run)

    return run_beside_others(cache, take, patience_s)


def _digest(run: PlanRun) -> str:
    options = run.options
    return key_of(
        check_plan(run),
        (options.profile, options.recipe, options.score, options.build),
        msgspec.json.encode(run.plan.build),
    )


def _stands(compression: Compression, runs: Sequence[PlanRun]) -> bool:
    """Whether the folders of a run still hold what the journal says."""
    (options,) = [run.options for run in runs if run.options.name == compression.name]
    try:
        if read_compression(options.folder) != compression:
            return False
    except InputError:
        return False
    return not options.build or is_current(compression.built, options)


def _name_model(model: str | None) -> str:
    return Path(model).name if model else "default"
