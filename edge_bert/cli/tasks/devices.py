"""Tasks for phones: list and fill those on adb, run emulated ones."""

from __future__ import annotations

from pathlib import Path

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import (
    BUNDLE_OUT_HELP,
    BUNDLE_PROFILE_HELP,
    JSON_HELP,
    PROFILE_HELP,
    RUNNER_HELP,
    RUNTIME_LIBRARY_HELP,
    SERIAL_HELP,
    parse_options,
)
from edge_bert.cli.progress import console_progress
from edge_bert.installation import task_command


@command(
    options={
        "Bundle": {
            "profile": BUNDLE_PROFILE_HELP,
            "artifacts": "comma separated (default: the bundle's default one)",
            "out": BUNDLE_OUT_HELP,
        },
        "Device": {
            "serial": SERIAL_HELP,
            "script": "instead write a zip that measures on a phone which is not at hand",
            "lengths": "with --script: length buckets in tokens (default: 16,128)",
            "data": "with --script: instead of lengths play the texts of a data set, through the "
            "exits: FILE.txt, or what `invoke build --data` takes",
            "exits": "with --data: auto (the bundle's rule), whole, or a number of layers, such as "
            "auto,whole,2 (default: auto where there are exits, and whole)",
            "texts": "with --data: at most so many texts, evenly spaced (default: 4000)",
            "energy": "with --script: also one energy session, of the first file",
            "runtime_library": RUNTIME_LIBRARY_HELP,
            "runner": RUNNER_HELP,
            "remove": "instead remove all that push and bench ever left on the device",
        },
        "Output": {"json": JSON_HELP},
    },
    renamed={"artifact": "artifacts"},
)
def push(
    _: Context,
    profile: str | None = None,
    artifacts: str | None = None,
    serial: str | None = None,
    script: str | None = None,
    lengths: str | None = None,
    data: str | None = None,
    exits: str | None = None,
    texts: str | None = None,
    energy: bool = False,
    runtime_library: str | None = None,
    runner: str | None = None,
    remove: bool = False,
    out: str | None = None,
    json: bool = False,
) -> None:
    """Push a bundle and the runner to a device over adb, verified by size and sha256.

    The files stay under /data/local/tmp/edge_bert, named by their content; a later push or bench
    finds them there.

    `--script OUT.zip` needs no phone: unzipped on one, under /data/local/tmp, `sh run.sh` measures
    by itself, and `invoke bench --import results.txt` takes what it found.

    Example: invoke push --profile pixel --artifacts wi8_afp32
    Example: invoke push --profile pixel --script measure.zip
    Example: invoke push --profile pixel --script measure.zip --data sst2:dev.tsv --exits auto,whole
    """
    from edge_bert.cli.console import print_json, print_lines
    from edge_bert.pipeline.bench.device_script import write_device_script
    from edge_bert.pipeline.bench.push import PushOptions, push_bundle, remove_pushed
    from edge_bert.report.terminal.plain_console import PlainConsole
    from edge_bert.report.terminal.tables import print_table
    from edge_bert.text import byte_size

    if remove:
        cleared = remove_pushed(serial)
        if json:
            print_json({"removed_from": cleared})
        else:
            print_lines([f"removed from {cleared}"])
        return
    options = parse_options(PushOptions, locals())
    if script:
        with console_progress() as progress:
            written = write_device_script(options, Path(script), progress)
        lines = [f"{written.file} ({byte_size(written.size_bytes)}) measures:", *written.jobs]
        print_json(written) if json else print_lines(lines)
        return
    with console_progress() as progress:
        pushed = push_bundle(options, progress)
    if json:
        print_json(pushed)
    else:
        print_table(PlainConsole(), ("file", f"on {pushed.serial}"), list(pushed.files.items()))
        print_lines([f"runtime: {pushed.runtime_build}"])


@command(
    options={
        "Options": {
            "facts": "instead say what a run on one of them will yield, in some ten seconds",
            "serial": SERIAL_HELP,
            "json": JSON_HELP,
        }
    }
)
def devices(_: Context, facts: bool = False, serial: str | None = None, json: bool = False) -> None:
    """List the devices that adb sees, and whether each can be used.

    `--facts` looks at one: its clusters with their CPUs, the profile that it is, the gauges that
    answer, its heat, and whether its energy can be measured, or why not.

    Example: invoke devices
    Example: invoke devices --facts
    """
    import dataclasses

    from edge_bert.cli.console import print_json, print_lines
    from edge_bert.devices.adb.list_devices import list_devices
    from edge_bert.report.terminal.plain_console import PlainConsole
    from edge_bert.report.terminal.tables import print_table

    if facts:
        _print_facts(serial, json=json)
        return
    listed = list_devices()
    if json:
        print_json([dataclasses.asdict(device) for device in listed])
        return
    rows = [(device.serial, device.state, device.model) for device in listed]
    print_table(PlainConsole(), ("serial", "state", "model"), rows)
    if not listed:
        command_line = task_command("emulator start --profile pixel")
        print_lines([f"no devices; connect one, or start one: {command_line}"])


def _print_facts(serial: str | None, *, json: bool) -> None:
    """What a run on a device will yield."""
    from edge_bert.cli.console import print_json
    from edge_bert.pipeline.bench.phone_facts import describe_phone_facts, read_phone_facts
    from edge_bert.report.terminal.plain_console import PlainConsole
    from edge_bert.report.terminal.tables import print_table

    with console_progress() as progress:
        found = read_phone_facts(serial, progress)
    if json:
        print_json(found)
    else:
        print_table(PlainConsole(), ("fact", found.title), describe_phone_facts(found))


@command(
    positional=["action"],
    options={
        "Action": {"action": "setup, start, stop or status"},
        "Emulated phone": {
            "profile": f"{PROFILE_HELP}; needed for start",
            "port": "TCP port on 127.0.0.1 for adb (default: 5555)",
            "personality": "whose manners it has: ideal, pixel, samsung, xiaomi-mediatek or "
            "low-end (default: its maker's)",
        },
        "Output": {"json": JSON_HELP},
    },
)
def emulator(
    _: Context,
    action: str,
    profile: str | None = None,
    port: int = 5555,
    personality: str | None = None,
    json: bool = False,
) -> None:
    """Set up, start, stop or show emulated phones.

    `setup` installs what is missing through apt (as root) or says what to install. `start` runs a
    phone of the profile that answers adb on this machine only; it needs root. `stop` without a
    profile stops all of them. `status` says what is missing here, and which phones run.

    Example: invoke emulator setup; invoke emulator start --profile pixel; invoke devices
    """
    from edge_bert.cli.console import print_json, print_lines
    from edge_bert.cli.emulator_actions import run_emulator_action

    with console_progress() as progress:
        result, lines = run_emulator_action(action, profile, port, progress, personality)
    if json:
        print_json(result)
    else:
        print_lines(lines)
