"""The task that carries a phone's measured times back into the cost model."""

from __future__ import annotations

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import (
    BUNDLE_OUT_HELP,
    BUNDLE_PROFILE_HELP,
    JSON_HELP,
    SERIAL_HELP,
    parse_options,
    require_option,
)
from edge_bert.cli.progress import console_progress


@command(
    options={
        "Files": {
            "profile": BUNDLE_PROFILE_HELP,
            "artifacts": "comma separated (default: those that differ most, six to eight files)",
            "lengths": "length buckets in tokens (default: from the shortest to the longest)",
            "out": BUNDLE_OUT_HELP,
        },
        "Phone": {
            "target": "device (over adb, the default), ssh (a board), or saved: what the bundle's "
            "measurements have, such as imported ones",
            "serial": SERIAL_HELP,
            "host": "with --target ssh: the board, such as pi@raspberrypi.local",
            "phone": "with --target saved: the phone's name in the measurements",
            "cores": "prime, big, little, or some of them (default: all; saved: prime)",
            "runtime_library": "an app's own LiteRT, as in `invoke bench`",
            "runner": "a runner of your own for it",
            "energy": "also measure energy on the fastest core, which takes hours",
        },
        "Instead": {"remove": "remove the profile's factors, so that figures are unscaled again"},
        "Output": {"json": JSON_HELP},
    },
)
def calibrate(
    _: Context,
    profile: str | None = None,
    target: str | None = None,
    artifacts: str | None = None,
    lengths: str | None = None,
    serial: str | None = None,
    host: str | None = None,
    phone: str | None = None,
    cores: str | None = None,
    energy: bool = False,
    runtime_library: str | None = None,
    runner: str | None = None,
    remove: bool = False,
    out: str | None = None,
    json: bool = False,
) -> None:
    """Scale the cost model to a phone: measure six to eight files, fit two factors, keep them.

    One factor for compute and one for cache lines of each cluster, and one for energy where at
    least three files have a measured one. They are kept beside your own profiles with the date, the
    build and the phone; from then on modelled figures say what they are scaled to.

    Example: invoke calibrate --profile pixel-9 --target device
    """
    from edge_bert.cli.console import print_json, print_lines
    from edge_bert.pipeline.bench.calibrate import (
        CalibrateOptions,
        calibrate_profile,
        remove_factors,
    )
    from edge_bert.report.terminal.plain_console import PlainConsole
    from edge_bert.report.terminal.scaling import print_scaling

    if remove:
        removed = remove_factors(require_option("profile", profile))
        print_json({"removed": removed}) if json else print_lines([f"removed {removed}"])
        return
    options = parse_options(CalibrateOptions, locals())
    with console_progress() as progress:
        calibrated = calibrate_profile(options, progress)
    if json:
        print_json(calibrated)
    else:
        print_scaling(calibrated.clusters, PlainConsole())
        lines = [f"without factors: {reason}" for reason in calibrated.unscaled]
        print_lines([*lines, f"kept in {calibrated.file}"])
