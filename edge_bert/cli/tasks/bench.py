"""Tasks that measure a bundle, and what the cost model's errors are."""

from __future__ import annotations

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import (
    BUNDLE_OUT_HELP,
    JSON_HELP,
    PROFILE_HELP,
    RUNNER_HELP,
    RUNTIME_LIBRARY_HELP,
    SERIAL_HELP,
    parse_options,
)
from edge_bert.cli.progress import console_progress


@command(
    options={
        "Bundle": {
            "profile": PROFILE_HELP,
            "artifacts": "comma separated, such as float32,wi8_afp32 (default: all)",
            "out": BUNDLE_OUT_HELP,
        },
        "Where": {
            "target": "host (this machine), emulated (counts and models), device (over adb) or ssh "
            "(a board)",
            "serial": SERIAL_HELP,
            "host": "with --target ssh: the board, such as pi@raspberrypi.local, as your ssh "
            "configuration knows it",
            "import": "instead keep the results.txt of a script from `invoke push --script`",
            "core": "kind of core to emulate, such as cortex-a720 (default: the fastest)",
            "cores": "run on prime, big or little cores, on any, or on some such as 4-7 (default: "
            "prime on a device)",
        },
        "What": {
            "lengths": "length buckets in tokens (default: 16,128)",
            "data": "instead run the texts of a data set, each in its smallest bucket and through "
            "the exits: FILE.txt, or what `invoke build --data` takes",
            "exits": "with --data: auto (the bundle's rule), whole, or a number of layers, such as "
            "auto,whole,2 (default: auto where there are exits, and whole)",
            "texts": "with --data: at most so many texts, evenly spaced (default: 4000, emulated "
            "100)",
            "threads": "thread counts, such as 1,2,4 (default: 1)",
            "repetitions": "number of measured inferences, with --data of rounds (default: 3); on "
            "host and device only",
            "every_ms": "begin an inference each so many milliseconds, as an app does (default: "
            "back to back)",
            "as": "foreground or background, as Android schedules apps (default: foreground)",
            "duration": "seconds of measured inferences instead (default: 2)",
            "energy": "also measure energy on the device: 20 minutes by power rails, else up to 75 "
            "without a cable, or more where the phone shows old copies alone",
            "benchmark-model": "measure with this binary of TFLite's benchmark_model instead",
            "benchmark_apk": "the same as an app: TFLite's published package, installed and run "
            "on a device",
            "runtime_library": RUNTIME_LIBRARY_HELP,
            "runner": RUNNER_HELP,
            "accelerator": "with --benchmark-model: gpu or npu, which must run the whole model",
            "benchmark-origin": "where that binary is from; kept with the figures (default: its "
            "path)",
        },
        "Output": {"json": JSON_HELP},
    },
    renamed={"artifact": "artifacts", "origin": "benchmark_origin"},
)
def bench(
    _: Context,
    profile: str | None = None,
    target: str | None = None,
    artifacts: str | None = None,
    lengths: str | None = None,
    data: str | None = None,
    exits: str | None = None,
    texts: str | None = None,
    threads: str | None = None,
    repetitions: str | None = None,
    duration: str | None = None,
    serial: str | None = None,
    host: str | None = None,
    core: str | None = None,
    cores: str | None = None,
    every_ms: str | None = None,
    as_: str | None = None,
    energy: bool = False,
    benchmark_model: str | None = None,
    benchmark_apk: str | None = None,
    benchmark_origin: str | None = None,
    accelerator: str | None = None,
    runtime_library: str | None = None,
    runner: str | None = None,
    import_: str | None = None,
    out: str | None = None,
    json: bool = False,
) -> None:
    """Measure a bundle: latency, memory, operators, energy. Builds the bundle if there is none.

    `emulated` counts instructions on an emulated phone and models time and energy from them;
    nothing of it is measured, and every figure says so. Each run is kept in
    build/<profile>/measurements and shown in report.html.

    Example: invoke bench --profile pixel --import results.txt
    Example: invoke bench --profile pixel --target emulated --artifacts wi8_afp32 --lengths 16,128
    Example: invoke bench --profile pixel --target device --data sst2:dev.tsv --exits auto,whole
    """
    from edge_bert.cli.console import print_json, print_lines
    from edge_bert.pipeline.bench.bench import (
        list_expected,
        list_measured_rows,
        list_played,
        run_bench,
    )
    from edge_bert.pipeline.bench.options import BenchOptions
    from edge_bert.report.terminal.measurements import print_expected, print_measured
    from edge_bert.report.terminal.plain_console import PlainConsole
    from edge_bert.report.terminal.played import print_played

    target = target or ("device" if import_ else None)
    options = parse_options(BenchOptions, locals())
    with console_progress() as progress:
        measured = run_bench(options, progress)
    if json:
        print_json(measured)
        return
    console = PlainConsole()
    print_measured(list_measured_rows(measured), console)
    print_played(list_played(measured), console)
    print_expected(list_expected(options.folder, measured), console)
    print_lines([f"report: {options.folder / 'report.html'}"])


@command(
    options={
        "Options": {
            "device": "only rows of this device, such as 'Pixel 3a' (default: all)",
            "json": JSON_HELP,
        }
    }
)
def validate(_: Context, device: str | None = None, json: bool = False) -> None:
    """Hold the cost model to published latencies: predicted, published, ratio, errors.

    Rebuilds the published networks (TensorFlow), counts them on an emulated phone of each
    published device, and predicts their latency. Takes minutes; counts are kept in the cache.

    Example: invoke validate --device "Pixel 3a"
    """
    from edge_bert.cli.console import print_json
    from edge_bert.pipeline.bench.validate_cost_model import validate_cost_model
    from edge_bert.report.terminal.plain_console import PlainConsole
    from edge_bert.report.terminal.validation import print_validation

    with console_progress() as progress:
        validation = validate_cost_model(device, progress)
    if json:
        print_json(validation)
    else:
        print_validation(validation, PlainConsole())
