"""The main job as a task."""

from __future__ import annotations

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
    MODEL_HELP,
    OUT_HELP,
    PROFILE_HELP,
    TOKENIZER_HELP,
    parse_options,
    split_lengths,
)
from edge_bert.cli.progress import console_progress

if TYPE_CHECKING:
    from edge_bert.pipeline.build.build import BuiltBundle
    from edge_bert.pipeline.build.options import BuildOptions
    from edge_bert.pipeline.sizing.fit_to_budget import NothingFitsError
    from edge_bert.pipeline.sizing.tuning import Tuning
    from edge_bert.progress import Progress


@command(
    options={
        "Model and device": {
            "profile": PROFILE_HELP,
            "model": MODEL_HELP,
            "tokenizer": TOKENIZER_HELP,
            "via": "onnx2tf, for an ONNX file whose encoder edge-bert does not recognize",
        },
        "Files": {
            "recipes": "comma separated (default: the first six): float32, float16, wi8_afp32, "
            "wi8_ai8, wi8_ai8_afp32, wi4_afp32, wi8_ai16, wi4c_afp32, wi2c_afp32, "
            "wi4c_ai8, wi4c_ai8_afp32; then nothing is made smaller",
            "lengths": f"{LENGTHS_HELP}; auto, or auto:6, are the 4 or 6 that cost least for the "
            "texts of --data or --calibration",
            "dimensions": DIMENSIONS_HELP,
            "token-vectors": "give the vector of each token, in place of the model's own output",
            "float-output": "full-integer files end in a DEQUANTIZE, so that they give float32",
            "table-bits": "of the word table in hybrid files, such as wi8_afp32: 8, 4 (default "
            "where weights have fewer than 8) or 2, as codebooks",
            "wide": "what has 4 bits where wi2c_afp32 has 2, such as 0,-1 (layers; -1 is the last) "
            "or value,ffn_out",
            "rounding": "of int8 matrices with calibrated scales: nearest (default), or gptq, "
            "which takes a minute more; fewer bits always take gptq",
            "out": OUT_HELP,
        },
        "Calibration and scores": {
            "calibration": CALIBRATION_HELP,
            "calibration-count": CALIBRATION_COUNT_HELP,
            "seed": "which sentences calibrate and which are held out (default: 0)",
            "data": f"{DATA_HELP}; a search takes its scores on the first",
        },
        "Budget": {
            "max-size": "largest file, such as 12MB, instead of the profile's budget",
            "max-latency": "highest latency at the budget's length, such as 10ms, emulated",
            "max-energy": "highest energy of one inference, such as 5mJ, modelled",
            "min-score": "lowest score, such as 0.80 (with --data; else a cosine to float32)",
            "unpruned": "build the model in full size, whatever the budget says",
        },
        "Search for a model that fits": {
            "corpus": CORPUS_HELP,
            "evaluations": "how many candidates a search may build (default: 20)",
            "workers": "processes that a search uses (default: 1)",
            "scheduler": "address of a Dask scheduler that a search runs on instead",
            "tune": "minutes that the chosen one then learns from the whole model, on --tune-text",
            "tune-text": "sentences to learn from: .txt, FILE.csv:text=COLUMN; repeatable",
            "structure": "JSON with layers, heads and ffn: the sub-network of a super-network that "
            "is built, without a search (invoke supernet)",
        },
        "Output": {"json": JSON_HELP},
    },
    renamed={"count": "calibration_count", "whole": "unpruned"},
    iterable=["data", "tune_text"],
)
def build(
    _: Context,
    profile: str | None = None,
    model: str | None = None,
    tokenizer: str | None = None,
    via: str | None = None,
    recipes: str | None = None,
    lengths: str | None = None,
    dimensions: str | None = None,
    out: str | None = None,
    calibration: str | None = None,
    calibration_count: str | None = None,
    seed: str | None = None,
    data: list[str] | None = None,
    token_vectors: bool = False,
    float_output: bool = False,
    table_bits: str | None = None,
    wide: str | None = None,
    rounding: str | None = None,
    max_size: str | None = None,
    max_latency: str | None = None,
    max_energy: str | None = None,
    min_score: str | None = None,
    unpruned: bool = False,
    corpus: str | None = None,
    evaluations: str | None = None,
    workers: str | None = None,
    scheduler: str | None = None,
    tune: str | None = None,
    tune_text: list[str] | None = None,
    structure: str | None = None,
    json: bool = False,
) -> None:
    """Convert, quantize, verify and package a model for a device, within the device's budget.

    Where the model in full size exceeds the budget, which is the profile's or that of --max-size
    and its like, a search makes it smaller: layers, heads, neurons, tokens and bits.

    Example: invoke build --profile pixel --recipes float32,wi8_afp32 --lengths 16,128
    Example: invoke build --profile pixel --lengths auto --calibration my-sentences.txt
    Example: invoke build --profile pixel --model model.onnx --tokenizer my-tokenizer
    Example: invoke build --profile pixel --recipes wi2c_afp32 --wide value,attention_output
    Example: invoke build --profile pixel --max-size 12MB --data stsb:sts-dev.csv
    """
    from edge_bert.pipeline.build.options import BuildOptions
    from edge_bert.pipeline.sizing.fit_to_budget import NothingFitsError, fit_to_budget

    options = parse_options(BuildOptions, {**locals(), **split_lengths(lengths)})
    try:
        with console_progress() as progress:
            built = fit_to_budget(options, progress, _choose_tuning(options, progress))
    except NothingFitsError as error:
        _print_nearest(error, json=json)
        raise
    _print_bundle(built, json=json)


def _choose_tuning(options: BuildOptions, progress: Progress) -> Tuning | None:
    """What the chosen candidate learns by; None where nothing is to be learned."""
    if options.tune is None and not options.tune_text:
        return None
    from edge_bert.pipeline.train.tune_candidate import open_tuning

    return open_tuning(options, progress)


def _print_nearest(error: NothingFitsError, *, json: bool) -> None:
    from edge_bert.report.terminal.plain_console import PlainConsole
    from edge_bert.report.terminal.search import print_search

    if not json:
        print_search(error.search, PlainConsole())


def _print_bundle(built: BuiltBundle, *, json: bool) -> None:
    from edge_bert.cli.console import print_json, print_lines
    from edge_bert.report.terminal.build import print_build
    from edge_bert.report.terminal.plain_console import PlainConsole
    from edge_bert.report.terminal.search import print_search

    if json:
        print_json(built.report.manifest)
        return
    console = PlainConsole()
    print_build(built.report, console)
    search = built.report.search
    if search and search.chosen:
        print_search(search, console)
        print_lines([search.reason])
    print_lines([f"bundle: {built.folder}  report: {built.folder / 'report.html'}"])
