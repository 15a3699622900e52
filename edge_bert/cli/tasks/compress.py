"""The task that takes the steps of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import JSON_HELP, MODEL_HELP, PROFILE_HELP, parse_options
from edge_bert.cli.training_help import TEXT_HELP, THREADS_HELP, TRAINED_OUT_HELP
from edge_bert.cli.training_progress import training_progress

if TYPE_CHECKING:
    from edge_bert.pipeline.compress.options import CompressOptions
    from edge_bert.records.plan import Compression


@command(
    options={
        "Plan and device": {
            "plan": "small-embedding, pruned-embedding, phone-classifier, or the path of a .toml "
            "file of your own (docs/training.md)",
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
            "recipe": "the file that is compared after each step (default: wi8_afp32)",
            "threads": THREADS_HELP,
            "build": "make a bundle of the last model, as `invoke build` does (default)",
            "bundles": "folder that the bundle is written to (default: build)",
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
    json: bool = False,
) -> None:
    """Train, distill and prune by a plan, and say what each step gave and cost.

    A plan is a TOML file: [[steps]], each with the kind of a command (train, distill, prune) and
    that command's options under their own names, hyphens as underscores. A wrong order is refused
    before anything trains. The same command again goes on where it was stopped; when a step is
    changed, those before it stay.

    Example: invoke compress --profile pixel --plan small-embedding --text corpus.txt --name small
    Example: invoke compress --profile pixel-9 --plan phone-classifier \
--data banking77.csv:text=text,label=category --name banking
    """
    from edge_bert.cli.plan_steps import parse_steps
    from edge_bert.compress.plan_file import load_plan, name_plan
    from edge_bert.pipeline.compress.options import CompressOptions
    from edge_bert.pipeline.compress.run_plan import PlanRun, run_plan
    from edge_bert.pipeline.train.trained_model import check_name, hold_name

    options = parse_options(CompressOptions, locals())
    loaded, plan_name = load_plan(options.plan), name_plan(options.plan)
    steps = parse_steps(options, loaded, plan_name)
    check_name(options.name)
    with hold_name(options.folder), training_progress() as report:
        compression = run_plan(PlanRun(options, loaded, plan_name, steps), report)
    bundle = _build_bundle(options) if options.build else None
    _print_compression(options, compression, bundle, json=json)


def _build_bundle(options: CompressOptions) -> str:
    """The folder of the bundle of the last step's model, built as `invoke build` builds it."""
    from edge_bert.cli.progress import console_progress
    from edge_bert.pipeline.build.options import BuildOptions
    from edge_bert.pipeline.sizing.fit_to_budget import fit_to_budget

    build = BuildOptions(profile=options.profile, model=str(options.folder), out=options.bundles)
    with console_progress() as progress:
        return str(fit_to_budget(build, progress).folder)


def _print_compression(
    options: CompressOptions, compression: Compression, bundle: str | None, *, json: bool
) -> None:
    from edge_bert.cli.console import print_json, print_lines
    from edge_bert.report.terminal.compression import print_compression
    from edge_bert.report.terminal.plain_console import PlainConsole

    if json:
        print_json(compression)
        return
    print_compression(compression, PlainConsole())
    lines = [f"model: {options.folder}  report: {options.folder / 'report.html'}"]
    lines += [f"bundle: {bundle}"] if bundle else []
    print_lines(lines)
