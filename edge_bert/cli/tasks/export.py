"""The task that writes a model for other runtimes."""

from __future__ import annotations

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import (
    CALIBRATION_COUNT_HELP,
    CALIBRATION_HELP,
    DATA_HELP,
    DIMENSIONS_HELP,
    JSON_HELP,
    MODEL_HELP,
    TOKENIZER_HELP,
    parse_options,
)
from edge_bert.cli.progress import console_progress


@command(
    options={
        "Model": {"model": MODEL_HELP, "tokenizer": TOKENIZER_HELP},
        "Files": {
            "to": "onnx; ort for onnxruntime's own format as well; triton for a model repository; "
            "tensorrt for what builds an engine (default: onnx)",
            "recipes": "comma separated (default: all): float32, float16, wi8_ai8_afp32; triton "
            "takes one (default: wi8_ai8_afp32), so does tensorrt (default: "
            "wi8_ai8_afp32_symmetric)",
            "dimensions": DIMENSIONS_HELP,
            "token-vectors": "give the vector of each token, in place of the model's own output",
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
    to: str | None = None,
    model: str | None = None,
    tokenizer: str | None = None,
    recipes: str | None = None,
    dimensions: str | None = None,
    out: str | None = None,
    calibration: str | None = None,
    calibration_count: str | None = None,
    seed: str | None = None,
    data: list[str] | None = None,
    token_vectors: bool = False,
    compare: bool = False,
    json: bool = False,
) -> None:
    """Write the model as ONNX files, checked, scored and timed on onnxruntime.

    Example: invoke export --to onnx --data stsb:sts-dev.csv --compare
    Example: invoke export --to triton --recipes float16 --out serving
    Example: invoke export --model model.onnx --tokenizer my-tokenizer --recipes wi8_ai8_afp32
    """
    from edge_bert.cli.console import print_json, print_lines
    from edge_bert.pipeline.export.export import export_model
    from edge_bert.pipeline.export.options import ExportOptions
    from edge_bert.report.terminal.export import print_export
    from edge_bert.report.terminal.plain_console import PlainConsole

    options = parse_options(ExportOptions, locals())
    with console_progress() as progress:
        exported = export_model(options, progress)
    if json:
        print_json(exported)
        return
    print_export(exported, PlainConsole())
    print_lines([f"files: {options.folder}"])
