"""The main job as a task. Thin: parse, call the pipeline, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from edge_bert.cli import units
from edge_bert.cli.options import JSON_HELP, PROFILE_HELP, parse_ints, require_option, split_csv
from edge_bert.cli.progress import console_progress

if TYPE_CHECKING:
    from edge_bert.pipeline.build.build import BuiltBundle
    from edge_bert.pipeline.sizing.fit_to_budget import NothingFitsError
    from edge_bert.records.profile import Budget

OUT_HELP = "folder that bundles are written to (default: build)"
DATA_HELP = "labelled data: stsb:FILE, sst2:FILE, FILE.csv:text=A,label=B; may be repeated"


@task(
    help={
        "profile": PROFILE_HELP,
        "model": "model folder, ONNX file or name on the Hugging Face hub "
        "(default: all-MiniLM-L6-v2)",
        "tokenizer": "folder of an ONNX file's tokenizer (default: the file's own folder)",
        "via": "onnx2tf, for an ONNX file whose encoder edge-bert does not recognise",
        "recipes": "comma separated (default: all but wi8_ai16): float32, float16, "
        "wi8_afp32, wi8_ai8, wi8_ai16, wi8_ai8_afp32, wi4_afp32; then nothing is made smaller",
        "lengths": "length buckets in tokens (default: 16,32,64,128)",
        "out": OUT_HELP,
        "calibration": "calibration set of your own: .txt, .tsv, .csv or .jsonl",
        "count": "how many calibration sentences to use (default: 256)",
        "seed": "which sentences are used and which are held out (default: 0)",
        "data": f"{DATA_HELP}; the first is what a search's scores are taken on",
        "float-output": "full-integer files end in a DEQUANTIZE, so that their output is float32",
        "max-size": "largest file, such as 12MB, instead of the profile's budget",
        "max-latency": "slowest inference at the budget's length, such as 10ms, emulated",
        "max-energy": "dearest inference, such as 5mJ, modelled",
        "min-score": "lowest acceptable score, such as 0.80 (with --data; else a cosine)",
        "whole": "build the whole model, whatever the budget says",
        "corpus": "texts whose words a trimmed vocabulary keeps (default: the --calibration file)",
        "evaluations": "how many candidates a search may build (default: 20)",
        "workers": "processes that a search uses (default: 1)",
        "scheduler": "address of a Dask scheduler that a search runs on instead",
        "json": JSON_HELP,
    },
    iterable=["data"],
)
def build(
    _: Context,
    profile: str | None = None,
    model: str | None = None,
    tokenizer: str | None = None,
    via: str | None = None,
    recipes: str | None = None,
    lengths: str | None = None,
    out: str | None = None,
    calibration: str | None = None,
    count: int = 256,
    seed: int = 0,
    data: list[str] | None = None,
    float_output: bool = False,
    max_size: str | None = None,
    max_latency: str | None = None,
    max_energy: str | None = None,
    min_score: str | None = None,
    whole: bool = False,
    corpus: str | None = None,
    evaluations: int = 20,
    workers: int = 1,
    scheduler: str | None = None,
    json: bool = False,
) -> None:
    """Convert, quantize, prove and package a model for a device, within the device's budget.

    Where the whole model does not fit the budget of the profile, or that of --max-size and its
    like, a search makes it smaller: layers, heads, neurons, tokens and bits (docs/sizing.md).

    Example: invoke build --profile pixel --recipes float32,wi8_afp32 --lengths 16,128
    Example: invoke build --profile pixel --model model.onnx --tokenizer my-tokenizer
    Example: invoke build --profile pixel --max-size 12MB --data stsb:sts-dev.csv
    """
    from edge_bert.cli.console import error_boundary

    with error_boundary(json=json):
        from edge_bert.pipeline.build.options import build_options
        from edge_bert.pipeline.sizing.fit_to_budget import NothingFitsError, fit_to_budget
        from edge_bert.pipeline.sizing.search_candidates import SearchConfig
        from edge_bert.search.problem import search_effort

        means = SearchConfig(search_effort(seed, evaluations), workers, scheduler)
        asked = build_options(
            require_option("profile", profile),
            model=model,
            tokenizer=tokenizer,
            via=via,
            lengths=parse_ints("lengths", lengths, "16,32,64,128"),
            calibration=calibration,
            count=count,
            seed=seed,
            data=data or [],
            corpus=corpus,
            float_output=float_output,
        )
        limits = _limits(max_size, max_latency, max_energy, min_score)
        try:
            with console_progress() as step:
                built = fit_to_budget(
                    asked,
                    limits,
                    recipes=split_csv(recipes),
                    out=Path(out) if out else None,
                    whole=whole,
                    means=means,
                    progress=step,
                )
        except NothingFitsError as error:
            _show_nearest(error, json=json)
            raise
        _show(built, json=json)


def _limits(
    size: str | None, latency: str | None, energy: str | None, score: str | None
) -> Budget | None:
    """The limits that the user gave; None without any."""
    from edge_bert.records.profile import Budget

    if not any((size, latency, energy, score)):
        return None
    return Budget(
        size_bytes=units.parse_size("max-size", size) if size else None,
        latency_ms=units.parse_latency("max-latency", latency) if latency else None,
        energy_mj=units.parse_energy("max-energy", energy) if energy else None,
        min_score=units.parse_score("min-score", score) if score else None,
    )


def _show_nearest(error: NothingFitsError, *, json: bool) -> None:
    from rich.console import Console

    from edge_bert.report.terminal.search import print_search

    if not json:
        print_search(error.found, Console())


def _show(built: BuiltBundle, *, json: bool) -> None:
    from rich.console import Console

    from edge_bert.cli.console import print_json
    from edge_bert.report.terminal.build import print_build
    from edge_bert.report.terminal.search import print_search

    if json:
        print_json(built.report.manifest)
        return
    console = Console()
    print_build(built.report, console)
    found = built.report.search
    if found and found.chosen:
        print_search(found, console)
        console.print(found.reason, soft_wrap=True)
    console.print(f"bundle: {built.folder}  report: {built.folder / 'report.html'}")
