"""Parse the output of the official TFLite `benchmark_model`.

Two tools have that name. `parse_classic` reads the interpreter's one, whose figures are
microseconds on standard output; `parse_litert` reads LiteRT 2's, whose summary is milliseconds on
standard error, and whose percentiles are in the statistics on standard output.

The file that `--result_file_path` writes is not read: it has the same figures in single precision
and no raw values either, and tools that do not know the flag only warn of it.
"""

from __future__ import annotations

import math
import re

from edge_bert.errors import DeviceError
from edge_bert.records.base import Record
from edge_bert.records.latency import AggregateLatency

NUMBER = r"(\d+(?:\.\d+)?(?:[eE][-+]?\d{1,3})?)"
MAX_OUTPUT = 64 * 1024 * 1024
_STATISTICS = re.compile(r"(?:^|[\s\]])count=(\d{1,12})((?: \w+=[^\s(]+)*)( ?\(all same\))?\s*$")
_TIMINGS = re.compile(
    rf"Inference timings in us: Init: {NUMBER}, First inference: {NUMBER}, "
    rf"Warmup \(avg\): {NUMBER}, Inference \(avg\): {NUMBER}"
)
_FOOTPRINT = re.compile(
    rf"Memory footprint delta from the start of the tool \(MB\): init={NUMBER} overall={NUMBER}"
)
_PEAK = re.compile(rf"Overall peak memory footprint \(MB\) via periodic monitoring: {NUMBER}")
_COMPLETE = re.compile(r"Explicitly applied (\S+) delegate, and the model graph will be completely")
_PARTIAL = re.compile(r"Explicitly applied (\S+) delegate, and the model graph will be partially")
_REFUSED = re.compile(r"Though (\S+) delegate is explicitly applied, the model graph will not be")
_UNKNOWN_FLAGS = re.compile(r"Unconsumed cmdline flags:?\s*(.*)")
_LITERT_LINES = {
    "init": rf"Model initialization:\s+{NUMBER} ms",
    "first": rf"Warmup \(first\):\s+{NUMBER} ms",
    "warmup": rf"Warmup \(avg\):\s+{NUMBER} ms \((\d{{1,12}}) runs\)",
    "mean": rf"Inference \(avg\):\s+{NUMBER} ms \((\d{{1,12}}) runs\)",
    "min": rf"Inference \(min\):\s+{NUMBER} ms",
    "max": rf"Inference \(max\):\s+{NUMBER} ms",
    "std": rf"Inference \(std\):\s+{NUMBER}",
}
_LITERT_MEMORY = {
    "init_growth_mb": rf"Init footprint:\s+{NUMBER} MB",
    "overall_growth_mb": rf"Overall footprint:\s+{NUMBER} MB",
    "peak_mb": rf"Peak memory usage:\s+{NUMBER} MB",
}
_NOT_ACCELERATED = re.compile(r"not (?:be )?fully (?:accelerated|delegated)", re.IGNORECASE)
# How delegates call themselves, by the option that asks for them.
ACCELERATOR_NAMES = {"gpu": ("GPU", "TfLiteGpuDelegateV2"), "npu": ("NPU", "DISPATCH")}
# The summary prints averages with six digits.
SUMMARY_TOLERANCE = 1e-4
ABORTED = 134


class BenchmarkModelOutput(Record, frozen=True):
    """A run of `benchmark_model` that went well.

    Memory is in MB as the tool prints it: growth since the tool's start, and the high-water mark
    of the process. `delegates` says of each delegate that was asked for whether it runs the model
    `completely`, `partially` or `not at all`.
    """

    latency: AggregateLatency
    delegates: dict[str, str]
    init_growth_mb: float | None = None
    overall_growth_mb: float | None = None
    peak_mb: float | None = None


def parse_output(stdout: str, stderr: str, exit_code: int) -> BenchmarkModelOutput:
    """Parse the output of either tool. Raises DeviceError as the two parsers do."""
    if exit_code == 0 and re.search(_LITERT_LINES["mean"], f"{stdout}\n{stderr}"):
        return parse_litert(stderr, exit_code, stdout)
    return parse_classic(f"{stdout}\n{stderr}", exit_code)


def check_accelerator(output: BenchmarkModelOutput, accelerator: str) -> None:
    """Raises DeviceError where `gpu` or `npu` was asked for and ran not the whole model."""
    for name, state in output.delegates.items():
        if name in ACCELERATOR_NAMES[accelerator] and state != "completely":
            raise DeviceError(
                f"the {accelerator.upper()} fell back: its delegate runs the model {state}; no "
                "figure of it is kept."
            )


def parse_classic(stdout: str, exit_code: int) -> BenchmarkModelOutput:
    """Parse the interpreter's tool.

    Raises DeviceError when the tool failed (by its exit code), did not know a flag, or measured
    nothing.
    """
    _check_exit(stdout, exit_code)
    _check_flags(stdout)
    phases = [match for line in stdout.splitlines() if (match := _STATISTICS.search(line))]
    timings = _TIMINGS.search(stdout)
    if len(phases) < 2 or not timings:
        raise DeviceError("benchmark_model printed no measured phase after its warm-up.")
    latency = _build_latency(_parse_statistics(phases[-1]), timings)
    growth, peak = _FOOTPRINT.search(stdout), _PEAK.search(stdout)
    return BenchmarkModelOutput(
        latency=latency,
        delegates=_parse_delegates(stdout),
        init_growth_mb=_parse_finite(growth[1]) if growth else None,
        overall_growth_mb=_parse_finite(growth[2]) if growth else None,
        peak_mb=_parse_finite(peak[1]) if peak else None,
    )


def parse_litert(stderr: str, exit_code: int, stdout: str = "") -> BenchmarkModelOutput:
    """Parse LiteRT 2's tool; the milliseconds of its summary become microseconds.

    Its INFO and WARN lines go to standard output, with the statistics of each phase. Raises
    DeviceError when the tool failed, did not know a flag, fell back or measured nothing.
    """
    output = f"{stdout}\n{stderr}"
    _check_exit(output, exit_code)
    _check_flags(output)
    if _NOT_ACCELERATED.search(output):
        raise DeviceError("the accelerator fell back: the model is not fully accelerated.")
    matches = {key: re.search(pattern, output) for key, pattern in _LITERT_LINES.items()}
    mean = matches["mean"]
    if not mean or int(mean[2]) == 0 or not matches["min"] or not matches["max"]:
        raise DeviceError("benchmark_model (LiteRT) printed no measured inferences.")

    def microseconds(key: str) -> float | None:
        match = matches[key]
        return _parse_finite(match[1]) * 1e3 if match else None

    values = _match_phase(stdout, int(mean[2]))
    latency = AggregateLatency(
        count=int(mean[2]),
        p5_us=values.get("p5"),
        median_us=values.get("median"),
        p95_us=values.get("p95"),
        mean_us=_parse_finite(mean[1]) * 1e3,
        min_us=microseconds("min") or 0.0,
        max_us=microseconds("max") or 0.0,
        std_us=microseconds("std"),
        init_us=microseconds("init"),
        first_us=microseconds("first"),
        warmup_mean_us=microseconds("warmup"),
    )
    memory = {name: re.search(pattern, output) for name, pattern in _LITERT_MEMORY.items()}
    return BenchmarkModelOutput(
        latency=latency,
        delegates=_parse_delegates(output),
        **{name: _parse_finite(match[1]) for name, match in memory.items() if match},
    )


def _match_phase(stdout: str, count: int) -> dict[str, float]:
    """The statistics of the measured phase, known by its count; empty where none is printed."""
    phases = [match for line in stdout.splitlines() if (match := _STATISTICS.search(line))]
    if not phases or int(phases[-1][1]) != count:
        return {}
    return _parse_statistics(phases[-1])


def _check_exit(output: str, exit_code: int) -> None:
    if len(output) > MAX_OUTPUT:
        raise DeviceError(f"benchmark_model printed more than {MAX_OUTPUT} characters.")
    if exit_code == 0:
        return
    lines = [line for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line or "FATAL" in line]
    # A tool that never started prints nothing of its own: the last word is the system's.
    last = (errors or lines or [""])[-1]
    reason = "".join(c if c.isprintable() else " " for c in last).strip()[-300:]
    ending = "aborted" if exit_code == ABORTED else f"ended with status {exit_code}"
    raise DeviceError(f"benchmark_model {ending}{': ' + reason if reason else '.'}")


def _check_flags(output: str) -> None:
    unknown = _UNKNOWN_FLAGS.search(output)
    if unknown:
        raise DeviceError(
            f"benchmark_model does not know {unknown[1].strip()[:200]!r} and ignored it; leave the "
            "flag out or use another version."
        )


def _parse_statistics(match: re.Match[str]) -> dict[str, float]:
    """The fields of a `count=…` line; where all values are equal only one is printed."""
    fields = dict(pair.split("=", 1) for pair in match[2].split())
    values = {"count": float(match[1])}
    for key, text in fields.items():
        if re.fullmatch(NUMBER, text):
            values[key] = _parse_finite(text)
    if "curr" in values and "min" not in values:
        names = ("min", "max", "avg", "p5", "median", "p95")
        values |= dict.fromkeys(names, values["curr"]) | {"std": 0.0}
    if values["count"] < 1 or not {"min", "max", "avg"} <= values.keys():
        raise DeviceError("benchmark_model's statistics are damaged or empty; run it again.")
    return values


def _build_latency(values: dict[str, float], timings: re.Match[str]) -> AggregateLatency:
    init, first, warmup, mean = (_parse_finite(text) for text in timings.groups())
    if abs(mean - values["avg"]) > SUMMARY_TOLERANCE * max(mean, values["avg"]):
        raise DeviceError("benchmark_model's summary and statistics disagree; run it again.")
    return AggregateLatency(
        count=int(values["count"]),
        mean_us=values["avg"],
        min_us=values["min"],
        max_us=values["max"],
        std_us=values.get("std"),
        p5_us=values.get("p5"),
        median_us=values.get("median"),
        p95_us=values.get("p95"),
        init_us=init,
        first_us=first,
        warmup_mean_us=warmup,
    )


def _parse_delegates(output: str) -> dict[str, str]:
    states = {"completely": _COMPLETE, "partially": _PARTIAL, "not at all": _REFUSED}
    return {name: state for state, pattern in states.items() for name in pattern.findall(output)}


def _parse_finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise DeviceError(f"benchmark_model printed {text[:40]}, which no clock gives.")
    return value
