"""Tasks about device profiles."""

from __future__ import annotations

from pathlib import Path

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import JSON_HELP, SERIAL_HELP
from edge_bert.cli.progress import console_progress


@command(options={"Options": {"json": JSON_HELP}})
def profiles(_: Context, json: bool = False) -> None:
    """List the device profiles: cores, features, runtime, and what a model may cost there.

    Profiles of your own are listed too when EDGE_BERT_PROFILES names their folder.

    Example: invoke profiles
    """
    from edge_bert.cli.console import print_json
    from edge_bert.profiles import load_profile, profile_names
    from edge_bert.report.terminal.plain_console import PlainConsole
    from edge_bert.report.terminal.profiles import print_profiles

    by_name = {name: load_profile(name) for name in profile_names()}
    if json:
        print_json(by_name)
    else:
        print_profiles(by_name, PlainConsole())


@command(
    positional=["action"],
    options={
        "Action": {"action": "new"},
        "Profile": {
            "name": "what the profile shall be called, such as my-phone",
            "serial": SERIAL_HELP,
            "out": "file to write (default: NAME.toml in EDGE_BERT_PROFILES, else among a clone's "
            "own profiles, else in this folder)",
        },
        "Output": {"json": JSON_HELP},
    },
)
def profile(
    _: Context,
    action: str,
    name: str | None = None,
    serial: str | None = None,
    out: str | None = None,
    json: bool = False,
) -> None:
    """Write a device profile: `new` reads it from a connected device.

    Reads cores, clocks, features, caches and memory over adb, and suggests a budget; change that
    to what your app may spend. Never overwrites a file.

    Example: invoke profile new --name my-phone --serial 0A171JECB
    """
    from edge_bert.cli.console import print_json, print_lines
    from edge_bert.cli.profile_actions import run_profile_action

    with console_progress() as progress:
        result, lines = run_profile_action(
            action, name, serial, Path(out) if out else None, progress
        )
    if json:
        print_json(result)
    else:
        print_lines(lines)
