"""Reading the C runner's lines."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.errors import DeviceError
from edge_bert.measure.runner_output import RunnerOutput, parse_runner

HEADER: dict[str, Any] = {
    "type": "header",
    "format_version": 1,
    "library_sha256": "a" * 64,
    "model_sha256": "b" * 64,
    "threads": 2,
    "warmup": 1,
    "signature": "encode_16",
    "inputs": [{"name": "input_ids", "element": 2, "bytes": 64, "shape": [1, 16]}],
    "outputs": [{"name": "embedding", "element": 1, "bytes": 1536, "shape": [1, 384]}],
    "cpu": {"hwcap": ["asimddp"], "cpuinfo": ["asimddp"], "parts": ["0xd0b"]},
}
WARMUP = {"type": "warmup", "us": 900.5}
RUN = {"type": "run", "us": 400.25}
FOOTER: dict[str, Any] = {
    "type": "footer",
    "init_us": 9000.0,
    "library_us": 4000.0,
    "load_us": 1000.0,
    "compile_us": 4000.0,
    "first_us": 900.5,
    "cold": False,
    "peak_rss_bytes": 10_000_000,
    "rss_bytes": 9_000_000,
    "anonymous_rss_bytes": 2_000_000,
    "file_rss_bytes": -1,
    "profile": None,
}
PROFILE = {
    "runs": 10,
    "operators": [{"name": "GELU", "index": 4, "delegate": True, "us": 45, "calls": 10}],
}
GOOD = (HEADER, WARMUP, RUN, RUN, FOOTER)


def text(*lines: dict[str, Any]) -> str:
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def test_reads_a_run() -> None:
    """Raw times stay apart from warm-up and init; -1 bytes are unknown bytes."""
    output = parse_runner(text(*GOOD), 0)
    assert output.latency.runs_us == (400.25, 400.25)
    assert output.latency.warmup_us == (900.5,)
    assert output.latency.init_us == 9000.0
    assert output.header.cpu.parts == ("0xd0b",)
    assert output.memory is not None
    assert output.memory.peak_rss_bytes == 10_000_000
    assert output.memory.file_rss_bytes is None
    assert output.noise == 0


def test_profiled_run_has_operators_and_no_memory() -> None:
    """Operator times are per inference; the profiler's memory is not the model's."""
    output = parse_runner(text(HEADER, WARMUP, RUN, FOOTER | {"profile": PROFILE}), 0)
    assert output.memory is None
    assert [(row.name, row.us) for row in output.operators] == [("GELU", 4.5)]


def test_other_lines_are_counted_and_skipped() -> None:
    """A device's linker may print warnings between the lines, and line ends may be CR LF."""
    noisy = "WARNING: linker: libLiteRt.so\r\n" + text(*GOOD).replace("\n", "\r\n\r\n")
    assert parse_runner(noisy, 0).noise == 1


FAULTS = {
    "nothing": ("", 0, "stopped before"),
    "no footer": (text(HEADER, WARMUP, RUN), 0, "stopped before"),
    "cut line": (text(*GOOD)[:-20], 0, "damaged"),
    "no runs": (text(HEADER, WARMUP, FOOTER), 0, "lacks inferences"),
    "no warm-up": (text(HEADER, RUN, FOOTER), 0, "lacks inferences"),
    "two headers": (text(HEADER, *GOOD), 0, "two headers"),
    "two footers": (text(*GOOD, FOOTER), 0, "two headers or two ends"),
    "after the end": (text(*GOOD, RUN), 0, "goes on"),
    "run first": (text(RUN, *GOOD), 0, "two headers"),
    "exit code": (text(*GOOD), 137, "status 137"),
    "newer format": (text(HEADER | {"format_version": 2}, *GOOD[1:]), 0, "push the runner"),
    "negative time": (text(HEADER, WARMUP, RUN | {"us": -1.0}, FOOTER), 0, "damaged"),
    "huge time": (text(HEADER, WARMUP, RUN | {"us": 1e300}, FOOTER), 0, "damaged"),
    "unknown key": (text(HEADER, WARMUP, RUN | {"ms": 1}, FOOTER), 0, "damaged"),
    "bad hash": (text(HEADER | {"model_sha256": "x"}, *GOOD[1:]), 0, "damaged"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_errors(fault: str) -> None:
    """Output that stops early, repeats itself or cannot be true is an error."""
    stdout, code, wanted = FAULTS[fault]
    with pytest.raises(DeviceError, match=wanted):
        parse_runner(stdout, code)


def test_the_runners_own_error_is_told() -> None:
    """The error line's code and message are in the exception, on one line."""
    line = {"type": "error", "code": "failed_invoke", "message": "bad\x1b[31m\nindex"}
    with pytest.raises(DeviceError, match="failed_invoke") as caught:
        parse_runner(text(HEADER, line), 1)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_last_words_of_standard_error_are_told() -> None:
    """A runner that could not even start leaves its reason on standard error."""
    with pytest.raises(DeviceError, match="not executable: 64-bit ELF file"):
        parse_runner("", 126, "sh: runner: not executable: 64-bit ELF file\n")


@given(st.text(), st.integers(0, 255), st.text())
def test_noise_is_an_error(stdout: str, code: int, stderr: str) -> None:
    """No text makes the parser raise anything but DeviceError."""
    with pytest.raises(DeviceError):
        parse_runner(stdout, code, stderr)


@given(st.data())
def test_damaged_output_is_an_error_or_a_run(data: st.DataObject) -> None:
    """Changed characters give a DeviceError or a record that keeps its promises."""
    characters = list(text(*GOOD))
    for _ in range(data.draw(st.integers(1, 4))):
        characters[data.draw(st.integers(0, len(characters) - 1))] = data.draw(st.characters())
    try:
        output = parse_runner("".join(characters), 0)
    except DeviceError:
        return
    assert isinstance(output, RunnerOutput)
    assert all(us > 0 for us in output.latency.runs_us)
