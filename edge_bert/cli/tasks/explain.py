"""The task that looks into the quantization of a file."""

from __future__ import annotations

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import (
    BUILT_MODEL_HELP,
    BUNDLE_OUT_HELP,
    BUNDLE_PROFILE_HELP,
    JSON_HELP,
    bundle_folder,
    parse_options,
)
from edge_bert.cli.progress import console_progress


@command(
    options={
        "Bundle": {
            "profile": BUNDLE_PROFILE_HELP,
            "artifact": "one with calibrated integers, such as wi8_ai8 (default) or wi8_ai8_afp32",
            "out": BUNDLE_OUT_HELP,
        },
        "Built from": {
            "model": BUILT_MODEL_HELP,
            "tokenizer": "the folder of its tokenizer.json, where the build was given one",
            "calibration": "the calibration set that the bundle was built with, if it was given",
        },
        "Output": {
            "sentences": "how many held-out sentences to run (default: 20)",
            "limit": "show only so many outputs of each layer, those with the largest errors",
            "json": f"{JSON_HELP}, always with every output",
        },
    }
)
def explain(
    _: Context,
    profile: str | None = None,
    artifact: str = "wi8_ai8",
    model: str | None = None,
    tokenizer: str | None = None,
    calibration: str | None = None,
    sentences: int = 20,
    limit: str | None = None,
    out: str = "build",
    json: bool = False,
) -> None:
    """Show where an integer artifact loses its accuracy: outliers, error by group, every tensor.

    The explanation also goes into the bundle, as explanations/ARTIFACT.json and in report.html.

    Example: invoke explain --profile pixel --artifact wi8_ai8 --limit 5
    """
    from edge_bert.cli.console import print_json
    from edge_bert.pipeline.build.findings import explanations, measurements
    from edge_bert.pipeline.explain.explain import BuildInputs, explain_artifact
    from edge_bert.report.terminal.explanation import print_explanation
    from edge_bert.report.terminal.plain_console import PlainConsole

    inputs = parse_options(BuildInputs, locals())
    row_limit = _parse_limit(limit)
    folder = bundle_folder(out, profile)
    with console_progress() as progress:
        explanation = explain_artifact(
            folder, artifact, inputs, sentences=sentences, progress=progress
        )
        explanations.save_explanation(explanation, folder)
        measurements.rerender_report(folder, progress)
    if json:
        print_json(explanation)
    else:
        print_explanation(explanation, PlainConsole(), row_limit)


def _parse_limit(value: str | None) -> int | None:
    from edge_bert.errors import InputError

    if value is None:
        return None
    if not value.isdecimal() or int(value) < 1:
        raise InputError(f"--limit {value}: give a whole number of 1 or more.")
    return int(value)
