"""The task that builds many models for many devices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import (
    CALIBRATION_COUNT_HELP,
    CALIBRATION_HELP,
    CORPUS_HELP,
    DATA_HELP,
    DIMENSIONS_HELP,
    JSON_HELP,
    LENGTHS_HELP,
    parse_options,
    split_csv,
    split_lengths,
)
from edge_bert.cli.progress import console_progress

if TYPE_CHECKING:
    from edge_bert.records.matrix import MatrixReport

DEFAULT_MODEL = "default"
FAILED = 4


@command(
    options={
        "Models and devices": {
            "profiles": "comma separated names, see `invoke profiles`, or paths of .toml files; "
            "or all",
            "models": "comma separated: model folders, ONNX files, names on the Hugging Face hub, "
            "or `default` for all-MiniLM-L6-v2, which is also taken without this option",
        },
        "Files": {
            "recipes": "as for `build`; then nothing is made smaller",
            "lengths": f"{LENGTHS_HELP}; or auto, as in build",
            "dimensions": DIMENSIONS_HELP,
            "out": "folder of the bundles, the index page and the journal (default: build/matrix)",
        },
        "Calibration and scores": {
            "calibration": CALIBRATION_HELP,
            "calibration-count": CALIBRATION_COUNT_HELP,
            "seed": "of the calibration sentences and of the searches (default: 0)",
            "data": f"{DATA_HELP}; the first gives the scores",
        },
        "Search for models that fit": {
            "unpruned": "build the models in full size, whatever the budgets say",
            "emulate": "get latency and energy from the emulated phone; --no-emulate does without",
            "corpus": CORPUS_HELP,
            "evaluations": "how many candidates the search of a cell may build (default: 20)",
            "workers": "processes that build cells side by side (default: 1)",
            "scheduler": "address of a Dask scheduler whose workers build them instead; they must "
            "see the same folders as this machine",
        },
        "Output": {"json": JSON_HELP},
    },
    renamed={"count": "calibration_count", "whole": "unpruned"},
    iterable=["data"],
)
def matrix(
    _: Context,
    profiles: str | None = None,
    models: str | None = None,
    out: str = "build/matrix",
    recipes: str | None = None,
    lengths: str | None = None,
    dimensions: str | None = None,
    calibration: str | None = None,
    calibration_count: str | None = None,
    seed: str | None = None,
    data: list[str] | None = None,
    corpus: str | None = None,
    unpruned: bool = False,
    emulate: bool = True,
    evaluations: str | None = None,
    workers: str | None = None,
    scheduler: str | None = None,
    json: bool = False,
) -> None:
    """Build every model for every device, and a page that compares them: OUT/index.html.

    Give the same command again after an interruption: what is built stays, what failed is tried
    again. Exit code 4 says that a cell failed; that nothing fits a budget is a result.

    Example: invoke matrix --profiles pixel-9,pixel-3a,wear-watch --models default,./my-bert
    Example: invoke matrix --profiles all --workers 4
    """
    from edge_bert.pipeline.build.options import BuildOptions
    from edge_bert.pipeline.matrix import matrix as pipeline

    names = pipeline.find_profiles(split_csv(profiles))
    values = locals() | split_lengths(lengths)
    options = parse_options(BuildOptions, values | {"profile": names[0]})
    folders = [
        None if model == DEFAULT_MODEL else model for model in split_csv(models) or [DEFAULT_MODEL]
    ]
    with console_progress() as progress:
        request = pipeline.request_matrix(options, names, folders)
        report = pipeline.build_matrix(request, progress=progress)
    _print_matrix(report, request.folder / pipeline.INDEX, json=json)


def _print_matrix(report: MatrixReport, page: Path, *, json: bool) -> None:
    from edge_bert.cli.console import print_json, print_lines
    from edge_bert.report.terminal.matrix import print_matrix
    from edge_bert.report.terminal.plain_console import PlainConsole

    if json:
        print_json(report)
    else:
        print_matrix(report, PlainConsole())
        print_lines([f"page: {page}"])
    if any(cell.status == "failed" for cell in report.cells):
        raise SystemExit(FAILED)
