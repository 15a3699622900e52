"""`invoke bench --benchmark-model`: the official tool in place of our runner.

No package registry has the real binary, so a program prints what one printed.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edge_bert.devices.runner.build import find_compiler, host_abi
from edge_bert.errors import DeviceError, InputError, MissingToolError
from edge_bert.pipeline.bench.bench import BenchResult, run_bench
from edge_bert.pipeline.bench.options import BenchOptions, check_bench_options
from edge_bert.pipeline.build.findings import measurements
from edge_bert.records.latency import AggregateLatency
from edge_bert.records.measurement import Evidence
from tests.measure.recordings import recording
from tests.pipeline.small_bundle import small_bundle

ADDRESS = "https://example.org/benchmark_model"
SOURCE = """
#include <stdio.h>
int main(int count, char **words) {
    for (int i = 1; i < count; i++) fprintf(stderr, "%%s\\n", words[i]);
    fputs(%s, stdout);
    return %d;
}
"""


def official(folder: Path, name: str, status: int = 0) -> Path:
    """A program, not marked as executable, that prints the recording and its own flags."""
    try:
        compiler = find_compiler(host_abi())
    except MissingToolError as error:
        pytest.skip(str(error))
    (folder / "tool.c").write_text(SOURCE % (json.dumps(recording(name)), status))
    argv = [*compiler, "-o", str(folder / "tool"), str(folder / "tool.c")]
    subprocess.run(argv, check=True, timeout=120)
    (folder / "tool").chmod(0o644)
    return folder / "tool"


def run(out: Path, binary: Path, **options: Any) -> tuple[BenchResult, ...]:
    return run_bench(
        BenchOptions(
            profile="pixel-9",
            target="host",
            out=out,
            lengths=(8,),
            benchmark_model=binary,
            benchmark_origin=ADDRESS,
            **options,
        )
    )


def test_its_figures_are_kept_with_where_it_came_from(tmp_path: Path) -> None:
    """sha256 and address are recorded; the report says whose figures they are."""
    bundle = small_bundle(tmp_path)
    binary = official(tmp_path, "benchmark_model/float_4_threads.txt")
    first, second = (run(tmp_path, binary, threads=(4,))[0] for _ in range(2))
    measurement = first.measurement
    digest = hashlib.sha256(binary.read_bytes()).hexdigest()
    assert measurement.tool_versions == {"benchmark_model": f"{digest} from {ADDRESS}"}
    assert isinstance(measurement.latency, AggregateLatency)
    assert (measurement.latency.median_us, measurement.subject.threads) == (23929, 4)
    assert (first.ratio, second.ratio) == (None, 1.0)
    (row,) = measurements.with_measurements(measurements.report_of(bundle), bundle).measurements
    assert (row.evidence, row.median_ms) == (Evidence.HOST, 23.929)
    assert row.machine.endswith(", benchmark_model")
    assert row.run is not None
    assert row.run.peak_bytes == round(41.0273 * 2**20)


def test_the_two_tools_are_never_compared(tmp_path: Path) -> None:
    """Our runner's figures stand apart, with as many threads too."""
    bundle = small_bundle(tmp_path)
    binary = official(tmp_path, "benchmark_model/all_same.txt")
    run_bench(
        BenchOptions(profile="pixel-9", target="host", out=tmp_path, lengths=(8,), repetitions=2)
    )
    (result,) = run(tmp_path, binary)
    assert result.ratio is None
    report = measurements.with_measurements(measurements.report_of(bundle), bundle)
    assert len(report.measurements) == 2


def test_its_failure_is_ours(tmp_path: Path) -> None:
    """Timings that a failed inference prints are not taken."""
    bundle = small_bundle(tmp_path)
    with pytest.raises(DeviceError, match="Benchmarking failed"):
        run(tmp_path, official(tmp_path, "benchmark_model/failed_invoke.txt", 1))
    assert not (bundle / "measurements").exists()


@pytest.mark.parametrize(
    ("target", "options", "words"),
    [
        ("emulated", {}, "--benchmark-model is for --target device or ssh or host"),
        ("device", {"energy": True}, "--energy is for our own runner"),
        ("host", {}, "not a program"),
        ("host", {"benchmark_model": None, "accelerator": "gpu"}, "name it with --benchmark"),
    ],
)
def test_what_it_cannot_do_is_refused(
    tmp_path: Path, target: str, options: dict[str, Any], words: str
) -> None:
    """No emulation, no energy, and a file that is no program."""
    page = tmp_path / "page"
    page.write_text("<!doctype html>")
    with pytest.raises(InputError, match=words):
        check_bench_options(
            BenchOptions(profile="pixel-9", target=target, **({"benchmark_model": page} | options))
        )


def test_accelerators_need_the_tool_that_has_them(tmp_path: Path) -> None:
    """Words that are none, and an NPU of the interpreter's tool, are refused before a run."""
    for accelerator, words in (("dsp", "gpu, npu"), ("npu", "LiteRT's benchmark_model")):
        classic = tmp_path / "tool"
        classic.write_bytes(b"\x7fELF use_gpu")
        with pytest.raises(InputError, match=words):
            check_bench_options(
                BenchOptions("pixel-9", "host", benchmark_model=classic, accelerator=accelerator)
            )
