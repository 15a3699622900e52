"""Tasks that write models for other runtimes. Thin: parse, call the pipeline, print."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from invoke.context import Context
from invoke.tasks import task

from edge_bert.command_line.options import JSON_HELP, words

KINDS = ("onnx", "ort")
ANY_PROFILE = "pixel"  # these files are for no device


@task(
    help={
        "to": "onnx, or ort for onnxruntime's own format as well",
        "model": "model folder or name on the Hugging Face hub (default: all-MiniLM-L6-v2)",
        "forms": "comma separated (default: all): float32, float16, wi8_ai8_afp32",
        "out": "folder to write (default: build/onnx)",
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
    out: str = "build/onnx",
    calibration: str | None = None,
    count: int = 256,
    seed: int = 0,
    data: list[str] | None = None,
    compare: bool = False,
    json: bool = False,
) -> None:
    """Write the model as ONNX files, checked, scored and timed on onnxruntime.

    Example: invoke export --to onnx --data stsb:sts-dev.csv --compare
    """
    from edge_bert.console import plainly, print_json

    with plainly(json=json):
        from rich.console import Console

        from edge_bert import progress
        from edge_bert.errors import InputError
        from edge_bert.pipeline.export_onnx import FORMS, export_onnx
        from edge_bert.pipeline.request import prepare
        from edge_bert.report.exported import render_export

        if to not in KINDS:
            raise InputError(f"--to {to}: give one of {', '.join(KINDS)}.")
        request = prepare(
            ANY_PROFILE,
            model=model,
            calibration_file=Path(calibration) if calibration else None,
            calibration_count=count,
            seed=seed,
            data=data or [],
        )
        with progress.shown() as step:
            found = export_onnx(
                replace(request, out=Path(out)),
                forms=words(forms) or FORMS,
                ort=to == "ort",
                compare=compare,
                progress=step,
            )
        if json:
            print_json(found)
            return
        console = Console()
        render_export(found, console)
        console.print(f"files: {out}")
