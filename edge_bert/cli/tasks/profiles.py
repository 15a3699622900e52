"""Tasks about device profiles. Thin: parse, call, print."""

from __future__ import annotations

from pathlib import Path

from invoke.context import Context
from invoke.tasks import task

from edge_bert.cli.options import JSON_HELP
from edge_bert.cli.progress import console_progress


@task(help={"json": JSON_HELP})
def profiles(_: Context, json: bool = False) -> None:
    """List the device profiles: cores, features, runtime, and what a model may cost there.

    Profiles of your own are found too when EDGE_BERT_PROFILES names their folder. What the keys
    of a profile mean, and where its facts are from: docs/profiles.md.

    Example: invoke profiles; EDGE_BERT_PROFILES=my-phones invoke profiles --json
    """
    from edge_bert.cli.console import error_boundary, print_json

    with error_boundary(json=json):
        from rich.console import Console

        from edge_bert import profiles as device_profiles
        from edge_bert.report.terminal import profiles as shown

        found = {
            name: device_profiles.load_profile(name) for name in device_profiles.profile_names()
        }
        if json:
            print_json(found)
        else:
            shown.print_profiles(found, Console())


@task(
    positional=["action"],
    help={
        "action": "new",
        "name": "what the profile shall be called, such as my-phone",
        "serial": "the device's serial, see `invoke devices`; needed when there are several",
        "out": "file to write (default: NAME.toml in EDGE_BERT_PROFILES, else device_profiles)",
        "json": JSON_HELP,
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

    Reads cores, clocks, features, caches and memory over adb, and suggests a budget. Never
    overwrites a file.

    Example: invoke profile new --name my-phone --serial 0A171JECB
    """
    from edge_bert.cli.console import error_boundary, print_json

    with error_boundary(json=json):
        from rich.console import Console

        from edge_bert.cli.profile_actions import HELP, run_profile_action

        if action in ("--help", "-h", "help"):  # invoke takes the flag for the action
            Console().print(HELP, markup=False, highlight=False)
            return
        with console_progress() as step:
            found, lines = run_profile_action(
                action, name, serial, Path(out) if out else None, step
            )
        if json:
            print_json(found)
            return
        for line in lines:
            Console().print(line, markup=False, highlight=False, soft_wrap=True)
