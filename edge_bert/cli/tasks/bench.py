"""Tasks that push, measure and emulate. Thin: parse, call the pipeline, print."""

from __future__ import annotations

from pathlib import Path

from invoke.context import Context
from invoke.tasks import task

from edge_bert.cli.options import (
    JSON_HELP,
    PROFILE_HELP,
    bundle_folder,
    parse_ints,
    require_option,
    split_csv,
)
from edge_bert.cli.progress import console_progress

OUT_HELP = "folder that bundles are in (default: build)"
SERIAL_HELP = "the device's serial, see `invoke devices`; needed when there are several"


def _number(option: str, text: str | None) -> float | None:
    from edge_bert.errors import InputError

    try:
        return None if text is None else float(text)
    except ValueError:
        raise InputError(f"--{option} {text}: give a number.") from None


def _whole(option: str, text: str | None) -> int | None:
    found = parse_ints(option, text)
    return found[0] if found else None


@task(
    positional=[],
    help={
        "profile": PROFILE_HELP,
        "target": "host (this machine), emulated (counts and models) or device (over adb)",
        "artifact": "artifacts, such as float32,wi8_afp32 (default: all)",
        "lengths": "length buckets in tokens (default: 16,128)",
        "threads": "thread counts, such as 1,2,4 (default: 1)",
        "repetitions": "measured inferences; host and device only",
        "duration": "seconds of measured inferences instead (default: 2)",
        "serial": SERIAL_HELP,
        "core": "kind of core to emulate, such as cortex-a720 (default: the fastest)",
        "cores": "bind a measured run to these cores, such as 4-7",
        "energy": "also measure energy on the device: about ten minutes for each figure",
        "benchmark_model": "time with this TFLite benchmark_model binary instead of our runner",
        "origin": "where that binary came from, such as its address; kept with the figures",
        "out": OUT_HELP,
        "json": JSON_HELP,
    },
)
def bench(
    _: Context,
    profile: str | None = None,
    target: str | None = None,
    artifact: str | None = None,
    lengths: str | None = None,
    threads: str | None = None,
    repetitions: str | None = None,
    duration: str | None = None,
    serial: str | None = None,
    core: str | None = None,
    cores: str | None = None,
    energy: bool = False,
    benchmark_model: str | None = None,
    origin: str = "",
    out: str = "build",
    json: bool = False,
) -> None:
    """Measure a bundle: latency, memory, operators, energy. Builds the bundle if there is none.

    `emulated` counts instructions on an emulated phone and models time and energy from them;
    nothing of it is measured, and every figure says so. Each run is kept in
    build/<profile>/measurements and shown in report.html.

    Example: invoke bench --profile pixel --target emulated --artifact wi8_afp32 --lengths 16,128
    """
    from edge_bert.cli.console import error_boundary, print_json

    with error_boundary(json=json):
        from rich.console import Console

        from edge_bert.pipeline.bench import bench as benching
        from edge_bert.report.terminal.measurements import print_measured

        request = benching.request_bench(
            require_option("profile", profile),
            require_option("target", target),
            out=Path(out),
            artifacts=split_csv(artifact),
            lengths=parse_ints("lengths", lengths),
            threads=parse_ints("threads", threads),
            repetitions=_whole("repetitions", repetitions),
            duration_s=_number("duration", duration),
            serial=serial,
            core=core,
            cores=cores,
            energy=energy,
            benchmark_model=Path(benchmark_model) if benchmark_model else None,
            origin=origin or benchmark_model or "",
        )
        with console_progress() as step:
            found = benching.run_bench(request, step)
        if json:
            print_json(found)
            return
        console = Console()
        print_measured(benching.rows_of(found), console)
        console.print(f"report: {request.folder / 'report.html'}", highlight=False)


@task(
    positional=[],
    help={
        "profile": PROFILE_HELP,
        "artifact": "artifacts to push (default: the bundle's default one)",
        "serial": SERIAL_HELP,
        "remove": "instead remove all that push and bench ever left on the device",
        "out": OUT_HELP,
        "json": JSON_HELP,
    },
)
def push(
    _: Context,
    profile: str | None = None,
    artifact: str | None = None,
    serial: str | None = None,
    remove: bool = False,
    out: str = "build",
    json: bool = False,
) -> None:
    """Push a bundle and the runner to a device over adb, verified by size and sha256.

    The files stay under /data/local/tmp/edge_bert, named by their content; a later push or bench
    finds them there.

    Example: invoke push --profile pixel --artifact wi8_afp32
    """
    from edge_bert.cli.console import error_boundary, print_json

    with error_boundary(json=json):
        from rich.console import Console

        from edge_bert.pipeline.bench import push as pushing
        from edge_bert.report.terminal.tables import print_table

        if remove:
            cleared = pushing.remove_pushed(serial)
            if json:
                print_json({"removed_from": cleared})
            else:
                Console().print(f"removed from {cleared}", markup=False, highlight=False)
            return
        name = require_option("profile", profile)
        folder = bundle_folder(out, name)
        with console_progress() as step:
            found = pushing.push_bundle(
                name, folder, artifacts=split_csv(artifact), serial=serial, progress=step
            )
        if json:
            print_json(found)
        else:
            print_table(Console(), ("file", f"on {found.serial}"), list(found.files.items()))


@task(help={"json": JSON_HELP})
def devices(_: Context, json: bool = False) -> None:
    """List the devices that adb sees, and whether each can be used."""
    from edge_bert.cli.console import error_boundary, print_json

    with error_boundary(json=json):
        import dataclasses

        from rich.console import Console

        from edge_bert.devices.adb.list_devices import list_devices as seen
        from edge_bert.report.terminal.tables import print_table

        found = seen()
        if json:
            print_json([dataclasses.asdict(each) for each in found])
            return
        print_table(
            Console(),
            ("serial", "state", "model"),
            [(each.serial, each.state, each.model) for each in found],
        )
        if not found:
            Console().print(
                "no devices; connect one, or start one: invoke emulator start --profile pixel"
            )


@task(
    positional=["action"],
    help={
        "action": "setup, start, stop or status",
        "profile": f"{PROFILE_HELP}; needed for start",
        "port": "TCP port on 127.0.0.1 for adb (default: 5555)",
        "json": JSON_HELP,
    },
)
def emulator(
    _: Context,
    action: str,
    profile: str | None = None,
    port: int = 5555,
    json: bool = False,
) -> None:
    """Set up, start, stop or show emulated phones.

    `setup` installs what is missing through apt (as root) or says what to install. `start` runs a
    phone of the profile that answers adb on this machine only; it needs root. `stop` without a
    profile stops all of them.

    Example: invoke emulator setup; invoke emulator start --profile pixel; invoke devices
    """
    from edge_bert.cli.console import error_boundary, print_json

    with error_boundary(json=json):
        from rich.console import Console

        from edge_bert.cli.emulator_actions import HELP, run_emulator_action

        if action in ("--help", "-h", "help"):  # invoke takes the flag for the action
            Console().print(HELP, markup=False, highlight=False)
            return

        with console_progress() as step:
            found, lines = run_emulator_action(action, profile, port, step)
        if json:
            print_json(found)
            return
        for line in lines:
            Console().print(line, markup=False, highlight=False, soft_wrap=True)


@task(
    help={
        "device": "only rows of this device, such as 'Pixel 3a' (default: all)",
        "json": JSON_HELP,
    },
)
def validate(_: Context, device: str | None = None, json: bool = False) -> None:
    """Hold the cost model to published latencies: predicted, published, ratio, errors.

    Rebuilds the published networks (TensorFlow), counts them on an emulated phone of each
    published device, and predicts their latency. Takes minutes; counts are kept in the cache.

    Example: invoke validate --device "Pixel 3a"
    """
    from edge_bert.cli.console import error_boundary, print_json

    with error_boundary(json=json):
        from rich.console import Console

        from edge_bert.pipeline.bench.validate_cost_model import validate_cost_model as run
        from edge_bert.report.terminal.validation import print_validation

        with console_progress() as step:
            found = run(device, step)
        if json:
            print_json(found)
        else:
            print_validation(found, Console())
