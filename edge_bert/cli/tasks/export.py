"""Tasks that write models for other runtimes. Thin: parse, call the pipeline, print."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from edge_bert.cli.options import JSON_HELP, split_csv
from edge_bert.cli.progress import console_progress

if TYPE_CHECKING:
    from edge_bert.pipeline.build.session import BuildSession
    from edge_bert.progress import Progress
    from edge_bert.records.onnx_export import OnnxExport

KINDS = ("onnx", "ort", "triton", "tensorrt")
ANY_PROFILE = "pixel"  # these files are for no device


@task(
    help={
        "to": "onnx; ort for onnxruntime's own format as well; triton for a model repository; "
        "tensorrt for what builds an engine",
        "model": "model folder, ONNX file or name on the Hugging Face hub "
        "(default: all-MiniLM-L6-v2)",
        "tokenizer": "folder of an ONNX file's tokenizer (default: the file's own folder)",
        "forms": "comma separated (default: all): float32, float16, wi8_ai8_afp32; triton takes "
        "one (default: wi8_ai8_afp32), so does tensorrt (default: wi8_ai8_afp32_symmetric)",
        "out": "folder to write (default: build/onnx, build/triton or build/tensorrt)",
        "calibration": "calibration set of your own: .txt, .tsv, .csv or .jsonl",
        "count": "how many calibration sentences to use (default: 256)",
        "seed": "which sentences are used and which are held out (default: 0)",
        "data": "labelled data: stsb:FILE, sst2:FILE, FILE.csv:text=A,label=B; may be repeated",
        "compare": "quantize the model with onnxruntime's own tools too, and show both",
        "json": JSON_HELP,
    },
    iterable=["data"],
)
def export(
    _: Context,
    to: str = "onnx",
    model: str | None = None,
    forms: str | None = None,
    out: str | None = None,
    calibration: str | None = None,
    count: int = 256,
    seed: int = 0,
    data: list[str] | None = None,
    compare: bool = False,
    json: bool = False,
    tokenizer: str | None = None,
) -> None:
    """Write the model as ONNX files, checked, scored and timed on onnxruntime.

    Example: invoke export --to onnx --data stsb:sts-dev.csv --compare
    Example: invoke export --to triton --forms float16 --out serving
    Example: invoke export --model model.onnx --tokenizer my-tokenizer --forms wi8_ai8_afp32
    """
    from edge_bert.cli.console import error_boundary, print_json

    with error_boundary(json=json):
        from rich.console import Console

        from edge_bert.errors import InputError
        from edge_bert.pipeline.build.session import prepare_session
        from edge_bert.report.terminal.export import print_export

        if to not in KINDS:
            raise InputError(f"--to {to}: give one of {', '.join(KINDS)}.")
        request = prepare_session(
            ANY_PROFILE,
            model=model,
            tokenizer=Path(tokenizer) if tokenizer else None,
            calibration_file=Path(calibration) if calibration else None,
            calibration_count=count,
            seed=seed,
            data=data or [],
        )
        folder = Path(out or f"build/{'onnx' if to == 'ort' else to}")
        with console_progress() as step:
            found = _export(to, replace(request, out=folder), split_csv(forms), compare, step)
        if json:
            print_json(found)
            return
        console = Console()
        print_export(found, console)
        console.print(f"files: {folder}")


def _export(
    to: str, request: BuildSession, forms: list[str], compare: bool, step: Progress
) -> OnnxExport:
    from edge_bert.pipeline.export.onnx_files import FORMS, export_onnx
    from edge_bert.pipeline.export.serving import export_tensorrt, export_triton

    match to:
        case "triton":
            return export_triton(request, forms=forms, compare=compare, progress=step)
        case "tensorrt":
            return export_tensorrt(request, forms=forms, compare=compare, progress=step)
    return export_onnx(
        request, forms=forms or FORMS, ort=to == "ort", compare=compare, progress=step
    )
