"""The task that looks into a TFLite file."""

from __future__ import annotations

from pathlib import Path

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import JSON_HELP


@command(positional=["file"], options={"Options": {"file": "a .tflite file", "json": JSON_HELP}})
def inspect(_: Context, file: str, json: bool = False) -> None:
    """Show what is in a .tflite file: operators, number formats, bytes, signatures.

    Example: invoke inspect build/pixel/wi8_ai8.tflite
    """
    from edge_bert.cli.console import print_json
    from edge_bert.formats.tflite.inspect import inspect_file
    from edge_bert.report.terminal.model_file import print_model_file
    from edge_bert.report.terminal.plain_console import PlainConsole

    model_file = inspect_file(Path(file))
    if json:
        print_json(model_file)
    else:
        print_model_file(file, model_file, PlainConsole())
