"""Tasks that look into quantization. Thin: parse, call the pipeline, print."""

from __future__ import annotations

from pathlib import Path

from invoke.context import Context
from invoke.tasks import task

from edge_bert.cli.options import PROFILE_HELP, bundle_folder
from edge_bert.cli.progress import console_progress


@task(
    help={
        "profile": f"{PROFILE_HELP}; its bundle is explained",
        "artifact": "one with calibrated integers: wi8_ai8 (default), wi8_ai16, wi8_ai8_afp32",
        "model": "the model that the bundle was built from (default: all-MiniLM-L6-v2)",
        "tokenizer": "the folder of its tokenizer.json, where the build was given one",
        "calibration": "the calibration set that the bundle was built with, if one was given",
        "sentences": "how many held-out sentences to run (default: 20)",
        "limit": "show only so many outputs of each layer, those with the largest errors",
        "out": "folder that bundles are in (default: build)",
        "json": "machine-readable output on standard output, always whole",
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
    """Show where an integer artifact loses its accuracy: outliers, harm by group, every tensor.

    What is found also goes into the bundle, as explanations/ARTIFACT.json and in report.html.

    Example: invoke explain --profile pixel --artifact wi8_ai8 --limit 5
    """
    from edge_bert.cli.console import error_boundary, print_json

    with error_boundary(json=json):
        from rich.console import Console

        from edge_bert.pipeline.build import explanations, measurements
        from edge_bert.pipeline.explain.explain import explain_artifact as run
        from edge_bert.report.terminal.explanation import print_explanation

        row_limit = _limit(limit)
        folder = bundle_folder(out, profile)
        with console_progress() as step:
            found = run(
                folder,
                artifact,
                model=model,
                tokenizer=Path(tokenizer) if tokenizer else None,
                calibration_file=Path(calibration) if calibration else None,
                sentences=sentences,
                progress=step,
            )
            explanations.save_explanation(found, folder)
            measurements.rerender_report(folder, step)
        if json:
            print_json(found)
        else:
            print_explanation(found, Console(), row_limit)


def _limit(value: str | None) -> int | None:
    from edge_bert.errors import InputError

    if value is None:
        return None
    if not value.isdecimal() or int(value) < 1:
        raise InputError(f"--limit {value}: give a whole number of 1 or more.")
    return int(value)
