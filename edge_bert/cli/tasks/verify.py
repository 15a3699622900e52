"""The task that runs a bundle again."""

from __future__ import annotations

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import (
    BUNDLE_OUT_HELP,
    BUNDLE_PROFILE_HELP,
    DATA_HELP,
    JSON_HELP,
    parse_options,
)
from edge_bert.cli.progress import console_progress

NOT_PASSED = 4


@command(
    options={
        "Bundle": {"profile": BUNDLE_PROFILE_HELP, "out": BUNDLE_OUT_HELP},
        "Checks": {
            "data": DATA_HELP,
            "text": "text file; count its sentences that MediaPipe tokenizes differently",
            "calibration": "the calibration set that the bundle was built with, if it was given",
        },
        "Output": {"json": JSON_HELP},
    },
    iterable=["data"],
)
def verify(
    _: Context,
    profile: str | None = None,
    out: str | None = None,
    data: list[str] | None = None,
    text: str | None = None,
    calibration: str | None = None,
    json: bool = False,
) -> None:
    """Run a built bundle again on its runtime; score it; compare the phone's tokens.

    Example: invoke verify --profile pixel --data stsb:sts-dev.csv --text my-sentences.txt
    """
    from edge_bert.cli.console import print_json
    from edge_bert.pipeline.verify import VerifyOptions, verify_bundle
    from edge_bert.report.terminal.plain_console import PlainConsole
    from edge_bert.report.terminal.verification import print_verification

    options = parse_options(VerifyOptions, locals())
    with console_progress() as progress:
        verification = verify_bundle(options, progress)
    if json:
        print_json(verification)
    else:
        print_verification(verification, PlainConsole())
    if not verification.passed:
        raise SystemExit(NOT_PASSED)
