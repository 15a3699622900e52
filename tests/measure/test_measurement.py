"""Measurements: what they hold, and which figures they refuse."""

from __future__ import annotations

import json

import msgspec
import pytest

from edge_bert.errors import DeviceError
from edge_bert.measure.benchmark_model import parse_classic
from edge_bert.measure.measurement import (
    RunConditions,
    build_benchmark_measurement,
    build_emulated_measurement,
    build_measurement,
    describe_subject,
)
from edge_bert.measure.runner_output import parse_runner
from edge_bert.records.energy import EnergySource, EnergyUnavailable, MeasuredEnergy, ModelledEnergy
from edge_bert.records.latency import AggregateLatency, MeasuredLatency, ModelledLatency
from edge_bert.records.measurement import (
    ClockLimit,
    DeviceDescription,
    DeviceState,
    Evidence,
    MeasuredSubject,
    Measurement,
)
from edge_bert.records.profile import Runtime
from tests.estimate.test_latency_model import MOBILENET_V1, cluster
from tests.measure.recordings import recording
from tests.measure.test_runner_output import GOOD, text

OUTPUT = parse_runner(text(*GOOD), 0)
RUNTIME = Runtime("ai-edge-litert", "2.3.0")
SUBJECT = describe_subject(OUTPUT, "wi8.tflite", RUNTIME)
ENERGY = MeasuredEnergy(EnergySource.POWER_RAILS, (60.0, 61.0), 59.0, 62.0, 8000, 400.0)


def described_device(evidence: Evidence) -> DeviceDescription:
    return DeviceDescription(evidence, "a phone", "arm64-v8a", "Android 15", 8)


def test_a_measured_run_survives_json() -> None:
    """Raw values, environment and origin come back from the file as they went in."""
    measurement = build_measurement(OUTPUT, described_device(Evidence.DEVICE), SUBJECT)
    assert measurement.valid
    assert isinstance(measurement.energy, EnergyUnavailable)
    document = msgspec.json.encode(measurement)
    assert msgspec.json.decode(document, type=Measurement) == measurement
    plain = json.loads(document)
    assert plain["evidence"] == "device"
    assert plain["latency"]["latency"] == "measured"
    assert plain["latency"]["runs_us"] == [400.25, 400.25]
    assert plain["energy"]["energy"] == "unavailable"


def test_an_emulated_run_is_modelled_and_says_so() -> None:
    """Counts are kept, times and energy are modelled, memory is not claimed."""
    measurement = build_emulated_measurement(
        OUTPUT,
        MOBILENET_V1,
        described_device(Evidence.EMULATED),
        msgspec.structs.replace(SUBJECT, threads=2),
        cluster(),
    )
    assert isinstance(measurement.latency, ModelledLatency)
    assert isinstance(measurement.energy, ModelledEnergy)
    assert measurement.memory is None
    assert (measurement.subject.threads, measurement.latency.threads) == (2, 2)
    document = msgspec.json.encode(measurement)
    assert msgspec.json.decode(document, type=Measurement) == measurement


def test_times_under_emulation_are_no_measurement() -> None:
    """The emulator's clock is not the phone's."""
    with pytest.raises(DeviceError, match="not measurements"):
        build_measurement(OUTPUT, described_device(Evidence.EMULATED), SUBJECT)


def test_heat_makes_a_run_invalid() -> None:
    """A throttled run keeps its figures and says why they do not count."""
    cool = DeviceState(thermal_status=0)
    hot = DeviceState(thermal_status=2, clocks=(ClockLimit("policy4", 1_000_000, 2_400_000),))
    run = build_measurement(
        OUTPUT, described_device(Evidence.DEVICE), SUBJECT, RunConditions(cool, hot)
    )
    assert not run.valid
    assert len(run.faults) == 2
    assert build_measurement(
        OUTPUT, described_device(Evidence.DEVICE), SUBJECT, RunConditions(cool, cool)
    ).valid


def test_figures_that_the_evidence_cannot_give_are_refused() -> None:
    """Energy is measured on devices alone; measured times are never emulated."""
    with pytest.raises(ValueError, match="only a device"):
        build_measurement(
            OUTPUT, described_device(Evidence.HOST), SUBJECT, RunConditions(energy=ENERGY)
        )
    good = build_measurement(
        OUTPUT, described_device(Evidence.DEVICE), SUBJECT, RunConditions(energy=ENERGY)
    )
    emulated_one = build_emulated_measurement(
        OUTPUT, MOBILENET_V1, described_device(Evidence.EMULATED), SUBJECT, cluster()
    )
    swaps: list[tuple[Measurement, dict[str, object]]] = [
        (good, {"evidence": Evidence.HOST}),
        (good, {"latency": emulated_one.latency}),
        (emulated_one, {"latency": good.latency}),
        (emulated_one, {"counts": None}),
        (emulated_one, {"memory": OUTPUT.memory}),
        (emulated_one, {"energy": ENERGY}),
    ]
    for measurement, change in swaps:
        with pytest.raises(ValueError, match=r"evidence|emulation|device"):
            msgspec.structs.replace(measurement, **change).__post_init__()


def test_benchmark_model_keeps_no_raw_values() -> None:
    """Its measurement says so by its type; a delegate that fell back is a fault."""
    subject = MeasuredSubject("f.tflite", "b" * 64, "encode_16", 4)
    good = parse_classic(recording("benchmark_model/float_4_threads.txt"), 0)
    run = build_benchmark_measurement(good, described_device(Evidence.DEVICE), subject)
    assert run.valid
    assert isinstance(run.latency, AggregateLatency)
    fallen = parse_classic(recording("benchmark_model/gpu_fell_back.txt"), 0)
    run = build_benchmark_measurement(fallen, described_device(Evidence.DEVICE), subject)
    assert run.faults == ("the GPU delegate runs the model not at all",)
    with pytest.raises(DeviceError, match="emulation"):
        build_benchmark_measurement(good, described_device(Evidence.EMULATED), subject)


def test_impossible_values_are_refused() -> None:
    """Zero, negative and infinite times are no measurements."""
    for runs in ((0.0,), (-1.0,), (float("inf"),), (float("nan"),)):
        with pytest.raises(ValueError, match="positive"):
            MeasuredLatency(runs_us=runs)
