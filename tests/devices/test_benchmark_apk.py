"""TFLite's benchmark as an app, on a phone that logs what the published one logs."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_bert.devices.adb.adb_device import AdbDevice
from edge_bert.devices.benchmark_apk import COMPONENT, read_benchmark_apk, run_benchmark_app
from edge_bert.devices.benchmark_model import BenchmarkRequest
from edge_bert.devices.device import CompletedCommand
from edge_bert.errors import DeviceError, InputError
from edge_bert.measure.benchmark_model import parse_output
from edge_bert.pipeline.bench.options import BenchOptions, check_bench_options
from tests.measure.recordings import recording

REQUEST = BenchmarkRequest("/data/local/tmp/m.tflite", "encode_128", threads=4)


class LoggingPhone(AdbDevice):
    """Its log grows with each look; commands are kept."""

    def __init__(self, *looks: str, starts: str = "Starting: Intent { }") -> None:
        self._looks, self._starts = list(looks), starts
        self.commands: list[tuple[str, ...]] = []

    def run(self, argv: Sequence[str], timeout_s: float) -> CompletedCommand:
        assert timeout_s > 0
        self.commands.append(tuple(argv))
        if argv[:2] == ("logcat", "-d"):
            return CompletedCommand(self._looks.pop(0) if self._looks else "", "", 0)
        return CompletedCommand(self._starts if argv[1] == "start" else "", "", 0)


def test_the_apps_log_gives_the_tools_figures() -> None:
    """Flags go to the app as one word; the log is read until its figures are there."""
    text = recording("benchmark_model/float_4_threads.txt")
    phone = LoggingPhone("", text[:400], text)
    waits: list[float] = []
    completed = run_benchmark_app(phone, REQUEST, 60, waits.append)
    output = parse_output(completed.stdout, completed.stderr, completed.exit_code)
    assert output.latency.median_us == 23929
    assert len(waits) == 3
    start = phone.commands[1]
    assert start[:7] == ("am", "start", "-S", "-n", COMPONENT, "--es", "args")
    assert start[7].startswith("--graph=/data/local/tmp/m.tflite --signature_to_run_for=encode_128")


def test_memory_that_follows_the_figures_is_waited_for() -> None:
    """The app logs line after line: a look may come between its times and its memory."""
    text = recording("benchmark_model/float_4_threads.txt")
    cut = text.index("INFO: Memory footprint delta")
    phone = LoggingPhone(text[:cut], text[: cut + 90], text)
    completed = run_benchmark_app(phone, REQUEST, 60, lambda _: None)
    assert parse_output(completed.stdout, completed.stderr, 0).peak_mb == 41.0273
    without = LoggingPhone(text[:cut], text[:cut])
    completed = run_benchmark_app(without, REQUEST, 60, lambda _: None)
    assert parse_output(completed.stdout, completed.stderr, 0).peak_mb is None


def test_a_log_that_cannot_be_cleared_is_read_from_now_on() -> None:
    """Some phones keep a buffer from the shell; figures of an earlier run are not taken."""

    class Keeping(LoggingPhone):
        def run(self, argv: Sequence[str], timeout_s: float) -> CompletedCommand:
            if argv == ["logcat", "-c"]:
                return CompletedCommand("", "failed to clear the 'main' log", 1)
            if argv[0] == "date":
                return CompletedCommand("11-30 19:00:00.000\n", "", 0)
            return super().run(argv, timeout_s)

    text = recording("benchmark_model/float_4_threads.txt")
    phone = Keeping(text)
    assert run_benchmark_app(phone, REQUEST, 60, lambda _: None).stdout == text
    assert phone.commands[-1][-2:] == ("-T", "11-30 19:00:00.000")


def test_an_app_that_fails_says_why() -> None:
    """A crash in the log, an app that is not there, and one that says nothing."""
    crashed = LoggingPhone("FATAL EXCEPTION: main\njava.lang.UnsatisfiedLinkError: no tflite")
    completed = run_benchmark_app(crashed, REQUEST, 60, lambda _: None)
    with pytest.raises(DeviceError, match="FATAL EXCEPTION"):
        parse_output(completed.stdout, completed.stderr, completed.exit_code)
    absent = LoggingPhone(starts="Error: Activity class does not exist.")
    with pytest.raises(DeviceError, match="Activity class does not exist"):
        run_benchmark_app(absent, REQUEST, 60, lambda _: None)
    silent = LoggingPhone()
    with pytest.raises(DeviceError, match="within 6 s"):
        run_benchmark_app(silent, REQUEST, 6, lambda _: None)
    assert silent.commands[-1][:2] == ("am", "force-stop")


def test_what_is_no_app_is_refused(tmp_path: Path) -> None:
    """A page, an archive without a manifest, and options that an app cannot have."""
    page, archive, app = (tmp_path / name for name in ("page", "archive", "app.apk"))
    page.write_text("<!doctype html>")
    for path, member in ((archive, "readme"), (app, "AndroidManifest.xml")):
        with zipfile.ZipFile(path, "w") as file:
            file.writestr(member, "x")
    for path in (page, archive):
        with pytest.raises(InputError, match="no Android package"):
            read_benchmark_apk(path, "")
    assert read_benchmark_apk(app, "the release").origin == "the release"
    for options, words in (
        ({"target": "host"}, "--benchmark-apk is for --target device"),
        ({"target": "device", "cores": "big"}, "Android chooses"),
        ({"target": "device", "energy": True}, "own runner"),
        ({"target": "device", "benchmark_model": page}, "exclude each other"),
    ):
        with pytest.raises(InputError, match=words):
            check_bench_options(BenchOptions(profile="pixel-9", benchmark_apk=app, **options))
