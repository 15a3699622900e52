"""The task that takes the steps of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import JSON_HELP, MODEL_HELP, PROFILE_HELP, parse_options
from edge_bert.cli.training_help import (
    SCHEDULER_HELP,
    TEXT_HELP,
    THREADS_HELP,
    TRAINED_OUT_HELP,
)
from edge_bert.cli.training_progress import training_progress

if TYPE_CHECKING:
    from edge_bert.pipeline.compress.options import CompressOptions
    from edge_bert.records.plan import Compression

FAILED = 4


@command(
    options={
        "Plan and device": {
            "plan": "small-embedding, pruned-embedding, tenfold-embedding, phone-classifier, "
            "low-end-classifier, or the path of a .toml file of your own (docs/training.md)",
            "profile": f"{PROFILE_HELP}; each step is counted for it",
            "model": MODEL_HELP,
            "name": "what the model is called, and its folder; its steps' are NAME-1-train, ...",
            "out": TRAINED_OUT_HELP,
        },
        "Data": {
            "data": "labelled data, the first of which `train` steps learn from; its texts serve "
            "the other steps; repeatable (docs/data.md)",
            "text": TEXT_HELP,
            "score": "labelled data that every model is scored on and no step should have seen "
            "(default: the part of --data or --text that is held out)",
        },
        "How": {
            "recipe": "the file that is compared after each step, until one trains the integers of "
            "another (default: wi8_afp32)",
            "threads": THREADS_HELP,
            "build": "make a bundle of the last model, verify it and count it on the emulated "
            "phone (default)",
            "bundles": "folder that the bundle is written to (default: build)",
        },
        "Several plans and models, each with each": {
            "plans": "comma separated, in place of --plan; the models are NAME-MODEL-PLAN",
            "models": "comma separated, in place of --model; `default` is all-MiniLM-L6-v2",
            "workers": "processes that take the runs side by side (default: 1)",
            "scheduler": SCHEDULER_HELP,
        },
        "Output": {"json": JSON_HELP},
    },
    iterable=["data", "text"],
)
def compress(
    _: Context,
    plan: str | None = None,
    profile: str | None = None,
    name: str | None = None,
    model: str | None = None,
    data: list[str] | None = None,
    text: list[str] | None = None,
    score: str | None = None,
    out: str | None = None,
    recipe: str | None = None,
    threads: str | None = None,
    build: bool = True,
    bundles: str | None = None,
    plans: str | None = None,
    models: str | None = None,
    workers: str | None = None,
    scheduler: str | None = None,
    json: bool = False,
) -> None:
    """Take the steps of a plan, say what each gave and cost, and build what they left.

    A plan is a TOML file: [[steps]], each with the kind of a command (train, distill, prune, qat,
    cluster) and that command's options under their own names, hyphens as underscores; [build] says
    what it ends in. A wrong order is refused before anything trains. The same command again goes on
    where it was stopped; when a step is changed, those before it stay.

    Example: invoke compress --profile pixel --plan small-embedding --text corpus.txt --name small
    Example: invoke compress --profile pixel-9 --plan phone-classifier \
--data banking77.csv:text=text,label=category --name banking
    Example: invoke compress --profile pixel-9 --plans small-embedding,pruned-embedding \
--models default,./my-bert --text corpus.txt --name tried --scheduler tcp://10.0.0.5:8786
    """
    from edge_bert.cli.plan_steps import parse_steps
    from edge_bert.compress.plan_file import load_plan, name_plan
    from edge_bert.pipeline.compress.options import CompressOptions
    from edge_bert.pipeline.compress.run_plan import PlanRun, run_plan
    from edge_bert.pipeline.train.trained_model import check_name, hold_name

    if plans or models or workers or scheduler:
        _compress_several(locals(), json=json)
        return
    options = parse_options(CompressOptions, locals())
    loaded, plan_name = load_plan(options.plan), name_plan(options.plan)
    steps = parse_steps(options, loaded, plan_name)
    check_name(options.name)
    with hold_name(options.folder), training_progress() as report:
        compression = run_plan(PlanRun(options, loaded, plan_name, steps), report)
    _print_compression(options, compression, json=json)


def _compress_several(values: Mapping[str, Any], *, json: bool) -> None:
    """Every plan with every model, all of them checked before the first one trains."""
    from edge_bert.cli.console import print_json, print_lines
    from edge_bert.cli.plan_steps import plan_runs
    from edge_bert.cli.progress import console_progress
    from edge_bert.pipeline.compress.plan_matrix import run_matrix
    from edge_bert.report.terminal.compression import print_outcomes
    from edge_bert.report.terminal.plain_console import PlainConsole

    runs = plan_runs(values)
    name, out = str(values["name"]), Path(runs[0].options.out)
    with console_progress() as progress:
        matrix = run_matrix(name, runs, progress)
    if json:
        print_json(matrix)
    else:
        print_outcomes(matrix, PlainConsole())
        page, record = (out / f"{name}-matrix.{ending}" for ending in ("html", "json"))
        print_lines([f"page: {page}  record: {record}"])
    if any(outcome.reason for outcome in matrix.runs):
        raise SystemExit(FAILED)


def _print_compression(options: CompressOptions, compression: Compression, *, json: bool) -> None:
    from edge_bert.cli.console import print_json, print_lines
    from edge_bert.report.terminal.compression import print_compression
    from edge_bert.report.terminal.plain_console import PlainConsole

    if json:
        print_json(compression)
        return
    print_compression(compression, PlainConsole())
    lines = [f"model: {options.folder}  report: {options.folder / 'report.html'}"]
    lines += [f"bundle: {options.bundle_folder}"] if options.build else []
    print_lines(lines)
