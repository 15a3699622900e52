"""The task that writes a model for other runtimes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import (
    CALIBRATION_COUNT_HELP,
    CALIBRATION_HELP,
    DATA_HELP,
    JSON_HELP,
    MODEL_HELP,
    TOKENIZER_HELP,
    parse_options,
    split_csv,
)
from edge_bert.cli.progress import console_progress

if TYPE_CHECKING:
    from edge_bert.pipeline.build.session import BuildSession
    from edge_bert.progress import Progress
    from edge_bert.records.onnx_export import OnnxExport

KINDS = ("onnx", "ort", "triton", "tensorrt")
ANY_PROFILE = "pixel"  # these files are for no device


@command(
    options={
        "Model": {"model": MODEL_HELP, "tokenizer": TOKENIZER_HELP},
        "Files": {
            "to": "onnx; ort for onnxruntime's own format as well; triton for a model repository; "
            "tensorrt for what builds an engine (default: onnx)",
            "recipes": "comma separated (default: all): float32, float16, wi8_ai8_afp32; triton "
            "takes one (default: wi8_ai8_afp32), so does tensorrt (default: "
            "wi8_ai8_afp32_symmetric)",
            "out": "folder to write (default: build/onnx, build/triton or build/tensorrt)",
        },
        "Calibration and scores": {
            "calibration": CALIBRATION_HELP,
            "calibration-count": CALIBRATION_COUNT_HELP,
            "seed": "which sentences calibrate and which are held out (default: 0)",
            "data": DATA_HELP,
            "compare": "quantize the model with onnxruntime's own tools too, and show both",
        },
        "Output": {"json": JSON_HELP},
    },
    renamed={"count": "calibration_count", "forms": "recipes"},
    iterable=["data"],
)
def export(
    _: Context,
    to: str = "onnx",
    model: str | None = None,
    tokenizer: str | None = None,
    recipes: str | None = None,
    out: str | None = None,
    calibration: str | None = None,
    calibration_count: str | None = None,
    seed: str | None = None,
    data: list[str] | None = None,
    compare: bool = False,
    json: bool = False,
) -> None:
    """Write the model as ONNX files, checked, scored and timed on onnxruntime.

    Example: invoke export --to onnx --data stsb:sts-dev.csv --compare
    Example: invoke export --to triton --recipes float16 --out serving
    Example: invoke export --model model.onnx --tokenizer my-tokenizer --recipes wi8_ai8_afp32
    """
    from rich.console import Console

    from edge_bert.cli.console import print_json
    from edge_bert.errors import InputError
    from edge_bert.pipeline.build.options import BuildOptions
    from edge_bert.pipeline.build.session import BuildSession
    from edge_bert.report.terminal.export import print_export

    if to not in KINDS:
        raise InputError(f"--to {to}: give one of {', '.join(KINDS)}.")
    # What --recipes names here are forms of ONNX files.
    options = parse_options(BuildOptions, locals() | {"profile": ANY_PROFILE, "recipes": None})
    session = BuildSession.open(options)
    folder = Path(out or f"build/{'onnx' if to == 'ort' else to}")
    with console_progress() as progress:
        exported = _export(
            to, replace(session, folder=folder), split_csv(recipes), compare, progress
        )
    if json:
        print_json(exported)
        return
    console = Console()
    print_export(exported, console)
    console.print(f"files: {folder}")


def _export(
    to: str, session: BuildSession, recipes: list[str], compare: bool, progress: Progress
) -> OnnxExport:
    from edge_bert.pipeline.export.onnx_files import FORMS, export_onnx
    from edge_bert.pipeline.export.serving import export_tensorrt, export_triton

    match to:
        case "triton":
            return export_triton(session, forms=recipes, compare=compare, progress=progress)
        case "tensorrt":
            return export_tensorrt(session, forms=recipes, compare=compare, progress=progress)
    return export_onnx(
        session, forms=recipes or FORMS, ort=to == "ort", compare=compare, progress=progress
    )
