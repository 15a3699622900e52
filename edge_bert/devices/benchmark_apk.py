"""TFLite's benchmark as an app: it runs as apps do, and tells its figures in the phone's log."""

from __future__ import annotations

import hashlib
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from edge_bert.devices.adb.adb_device import AdbDevice
from edge_bert.devices.benchmark_model import BenchmarkBinary, BenchmarkRequest
from edge_bert.devices.device import CompletedCommand
from edge_bert.errors import DeviceError, InputError

PACKAGE = "org.tensorflow.lite.benchmark"
COMPONENT = f"{PACKAGE}/.BenchmarkModelActivity"
MANIFEST = "AndroidManifest.xml"
# The app's tag in the log, without the log's own columns.
LOGCAT = ("logcat", "-d", "-v", "raw", "-s", "tflite:V", "AndroidRuntime:E")
ENDED = "Inference timings in us:"
MEMORY = "Overall peak memory footprint (MB)"
MOST_LOOKS = 5
FAILED = ("FATAL EXCEPTION", "Benchmarking failed")
COMMAND_TIMEOUT_S = 60.0
LOOK_EVERY_S = 2.0


def read_benchmark_apk(path: Path, origin: str) -> BenchmarkBinary:
    """Check and hash the app. Raises InputError when it is not an Android package."""
    try:
        content = path.read_bytes()
        with zipfile.ZipFile(path) as archive:
            is_package = MANIFEST in archive.namelist()
    except OSError as error:
        raise InputError(f"--benchmark-apk: {path} cannot be read: {error.strerror}.") from error
    except zipfile.BadZipFile:
        is_package = False
    if not is_package:
        raise InputError(f"{path.name} is no Android package; name TFLite's benchmark app.")
    return BenchmarkBinary(path, origin, hashlib.sha256(content).hexdigest())


def run_benchmark_app(
    device: AdbDevice,
    request: BenchmarkRequest,
    timeout_s: float,
    wait: Callable[[float], None] = time.sleep,
) -> CompletedCommand:
    """Start the installed app and wait for its figures; they come back as if it had printed them.

    Raises DeviceError where it does not start or says nothing within `timeout_s`.
    """
    look = (*LOGCAT, *_clear_log(device))
    flags = " ".join(request.arguments())
    started = _require(device, "am", "start", "-S", "-n", COMPONENT, "--es", "args", flags)
    if "Error" in started:
        raise DeviceError(f"the benchmark app does not start: {' '.join(started.split())[-200:]}")
    waited = 0.0
    while waited < timeout_s:
        wait(LOOK_EVERY_S)
        waited += LOOK_EVERY_S
        log = _require(device, *look)
        if ENDED in log:
            return CompletedCommand(_read_rest(device, look, log, wait), "", 0)
        if any(word in log for word in FAILED):
            return CompletedCommand(log, "", 1)
    device.run(["am", "force-stop", PACKAGE], COMMAND_TIMEOUT_S)
    raise DeviceError(f"the benchmark app gave no figures within {timeout_s:g} s.")


def _clear_log(device: AdbDevice) -> tuple[str, ...]:
    """Clear the log; where the phone refuses, the option that shows what comes from now on."""
    if device.run(["logcat", "-c"], COMMAND_TIMEOUT_S).exit_code == 0:
        return ()
    return ("-T", _require(device, "date", "+%m-%d %H:%M:%S.000").strip())


def _read_rest(
    device: AdbDevice, look: Sequence[str], log: str, wait: Callable[[float], None]
) -> str:
    """The log once its memory is there, which follows the figures, or it grows no more."""
    for _ in range(MOST_LOOKS):
        if MEMORY in log:
            break
        wait(LOOK_EVERY_S)
        before, log = log, _require(device, *look)
        if log == before:
            break
    return log


def _require(device: AdbDevice, *argv: str) -> str:
    completed = device.run(argv, COMMAND_TIMEOUT_S)
    if completed.exit_code != 0:
        raise DeviceError(f"{argv[0]} failed: {(completed.stderr or completed.stdout)[-200:]}")
    return completed.stdout + completed.stderr
