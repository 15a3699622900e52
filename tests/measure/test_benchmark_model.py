"""Reading the official benchmark_model, with each of its traps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.errors import DeviceError
from edge_bert.measure.benchmark_model import (
    check_accelerator,
    parse_classic,
    parse_litert,
    parse_output,
)
from tests.measure.recordings import recording


def test_the_measured_phase_is_the_second() -> None:
    """The first statistics line is the warm-up; memory and delegate are read too."""
    output = parse_classic(recording("benchmark_model/float_4_threads.txt"), 0)
    assert (output.latency.count, output.latency.median_us) == (50, 23929)
    assert output.latency.first_us == 29741
    assert output.latency.init_us == 34870
    assert (output.init_growth_mb, output.overall_growth_mb) == (24.1055, 33.7891)
    assert output.peak_mb == 41.0273
    assert output.delegates == {"XNNPACK": "completely"}


def test_averages_above_a_second_are_in_exponents() -> None:
    """1.23457e+06 is 1234570 µs; a warm-up of one run has no statistics but its value."""
    latency = parse_classic(recording("benchmark_model/slow_averages.txt"), 0).latency
    assert latency.mean_us == 1234570
    assert latency.warmup_mean_us == 1302540


def test_equal_values_print_one() -> None:
    """`count=50 curr=6(all same)` is fifty times 6 µs; lines may lack their prefix."""
    latency = parse_classic(recording("benchmark_model/all_same.txt"), 0).latency
    assert (latency.count, latency.median_us, latency.std_us, latency.p95_us) == (50, 6, 0, 6)


def test_a_failed_inference_prints_timings_all_the_same() -> None:
    """Only the exit code tells; with code 0 the same text would pass."""
    text = recording("benchmark_model/failed_invoke.txt")
    with pytest.raises(DeviceError, match="Benchmarking failed"):
        parse_classic(text, 1)
    assert parse_classic(text, 0).latency.count == 1


def test_an_unknown_flag_is_refused() -> None:
    """The tool only warns of a flag that it does not know, and measures something else."""
    with pytest.raises(DeviceError, match="enable_op_profilling"):
        parse_classic(recording("benchmark_model/unknown_flag.txt"), 0)


def test_a_delegate_that_does_not_run_is_named() -> None:
    """GPU delegates fall back to the CPU without failing."""
    output = parse_classic(recording("benchmark_model/gpu_fell_back.txt"), 0)
    assert output.delegates == {"GPU": "not at all", "XNNPACK": "partially"}


def test_no_measured_phase_is_an_error() -> None:
    """A run that ended after its warm-up has no result."""
    with pytest.raises(DeviceError, match="no measured phase"):
        parse_classic(recording("benchmark_model/warmup_only.txt"), 0)


def test_abort_and_help_are_errors() -> None:
    """FATAL aborts with 134; `--help` ends with 1."""
    with pytest.raises(DeviceError, match="aborted: FATAL: Value for --num_threads"):
        parse_classic(recording("benchmark_model/aborted.txt"), 134)
    with pytest.raises(DeviceError, match="status 1"):
        parse_classic(recording("benchmark_model/help.txt"), 1)


def test_summary_and_statistics_must_agree() -> None:
    """A summary that is not the statistics' is damaged output."""
    text = recording("benchmark_model/float_4_threads.txt")
    with pytest.raises(DeviceError, match="disagree"):
        parse_classic(text.replace("Inference (avg): 23957.2", "Inference (avg): 13957.2"), 0)


def test_litert_summary_is_milliseconds_on_standard_error() -> None:
    """LiteRT's tool of the same name gives milliseconds, and no percentiles."""
    latency = parse_litert(recording("benchmark_model/litert.txt"), 0).latency
    assert latency.count == 104
    assert latency.mean_us == pytest.approx(9620)
    assert latency.init_us == pytest.approx(41270)
    assert latency.median_us is None
    with pytest.raises(DeviceError, match="no measured"):
        parse_litert(recording("benchmark_model/float_4_threads.txt"), 0)


def test_either_tool_is_known_by_where_it_writes() -> None:
    """Figures from standard output or standard error; a warning of a flag counts on both."""
    classic, litert = (recording(f"benchmark_model/{x}.txt") for x in ("all_same", "litert"))
    assert parse_output(classic, "", 0).latency.median_us == 6
    assert parse_output("", litert, 0).latency.count == 104
    with pytest.raises(DeviceError, match="aborted: FATAL"):
        parse_output("", recording("benchmark_model/aborted.txt"), 134)
    with pytest.raises(DeviceError, match="num_runz"):
        parse_output("", f"{litert}\nWARN: Unconsumed cmdline flags: --num_runz=5\n", 0)


@given(st.text())
def test_noise_is_an_error(text: str) -> None:
    """No text makes the parsers raise anything but DeviceError."""
    for read in (parse_classic, parse_litert):
        with pytest.raises(DeviceError):
            read(text, 0)
    with pytest.raises(DeviceError):
        parse_output(text, text, 0)


@given(st.data())
def test_damaged_recordings_never_raise_anything_else(data: st.DataObject) -> None:
    """Changed characters give figures or a DeviceError."""
    name = data.draw(st.sampled_from(["float_4_threads", "slow_averages", "all_same", "litert"]))
    characters = list(recording(f"benchmark_model/{name}.txt"))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(characters) - 1))
        characters[at] = data.draw(st.sampled_from("0123456789.e+-=: \nnaif(avg)"))
    for read in (parse_classic, parse_litert):
        try:
            assert read("".join(characters), 0).latency.count > 0
        except DeviceError:
            continue


LITERT_STDOUT = """INFO: STARTING!
INFO: Running benchmark for at least 5 iterations and at least 0 seconds.
INFO: count=5 first=1201 curr=750 min=740 max=1201 avg=841.2 std=180 p5=740 median=752 p95=1201

INFO: count=104 first=9751 curr=9648 min=9410 max=11300 avg=9620 p5=9438 median=9549 p95=9771
"""


def test_litert_prints_its_percentiles_elsewhere() -> None:
    """The median is on standard output, in microseconds; memory is in the summary."""
    summary = recording("benchmark_model/litert.txt")
    output = parse_output(LITERT_STDOUT, summary, 0)
    assert (output.latency.median_us, output.latency.p95_us) == (9549, 9771)
    assert output.latency.mean_us == pytest.approx(9620)
    assert (output.init_growth_mb, output.overall_growth_mb, output.peak_mb) == (61.2, 64.02, None)
    # The statistics of another phase are not the measured one's.
    other = LITERT_STDOUT.replace("count=104", "count=103")
    assert parse_output(other, summary, 0).latency.median_us is None


def test_a_flag_that_litert_ignores_is_seen_where_it_warns() -> None:
    """INFO and WARN go to standard output there, the summary to standard error."""
    warned = f"WARN: Unconsumed cmdline flags: --use_xnnpack=true\n{LITERT_STDOUT}"
    with pytest.raises(DeviceError, match="use_xnnpack"):
        parse_output(warned, recording("benchmark_model/litert.txt"), 0)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("/system/bin/sh: ./benchmark_model: can't execute: Permission denied", 126),
        ('CANNOT LINK EXECUTABLE "./x": program alignment (4096) cannot be smaller', 1),
        ("taskset: failed to set pid 1234's affinity: Invalid argument", 1),
        ("Killed", 137),
    ],
)
def test_a_tool_that_does_not_start_says_what_the_phone_said(said: str, status: int) -> None:
    """The last word is the system's, from either stream."""
    for streams in ((said, ""), ("", f"{said}\n\n")):
        with pytest.raises(DeviceError) as caught:
            parse_output(*streams, status)
        assert said in str(caught.value)


def test_an_accelerator_that_fell_back_is_an_error() -> None:
    """Neither tool's figure of the CPU passes for one of the accelerator that was asked for."""
    with pytest.raises(DeviceError, match="GPU fell back: its delegate runs the model not at all"):
        check_accelerator(parse_classic(recording("benchmark_model/gpu_fell_back.txt"), 0), "gpu")
    check_accelerator(parse_classic(recording("benchmark_model/all_same.txt"), 0), "gpu")
    summary = recording("benchmark_model/litert.txt")
    with pytest.raises(DeviceError, match="fell back"):
        parse_output(LITERT_STDOUT, f"ERROR: Model is not fully accelerated.\n{summary}", 0)
