"""Reading the official benchmark_model, with each of its traps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.errors import DeviceError
from edge_bert.measure.benchmark_model import parse_classic, parse_litert, parse_output
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
