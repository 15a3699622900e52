"""Energy of an inference from rails and fuel gauges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_bert.errors import DeviceError
from edge_bert.measure.energy.energy_per_inference import EnergyWindow, compute_energy
from edge_bert.measure.sensors.fuel_gauge import (
    CurrentScale,
    GaugeSample,
    calibrate_current,
    integrate_charge,
    integrate_current,
)
from edge_bert.records.energy import EnergySource, EnergyUnavailable, MeasuredEnergy

VOLTS = 4.0
IDLE_MW, LOAD_MW = 400.0, 2400.0
SECONDS, INFERENCES = 120.0, 4000
TRUE_MJ = (LOAD_MW - IDLE_MW) * SECONDS / INFERENCES
PATTERN = ["idle", *["load", "load", "idle"] * 3]


def battery(
    milliwatts: float, start: float, charge: float, *, step: int = 1, raw_per_ua: float = -1.0
) -> list[GaugeSample]:
    """A battery that gives constant power at 4 V, read every second."""
    ua = milliwatts * 1e3 / VOLTS
    return [
        GaugeSample(
            seconds=start + second,
            voltage_uv=int(VOLTS * 1e6),
            discharging=True,
            charge_uah=int((charge - ua * second / 3600) // step * step),
            current_raw=round(ua * raw_per_ua),
        )
        for second in range(int(SECONDS) + 1)
    ]


def session(*, rails: bool = False, step: int = 1, raw_per_ua: float = -1.0) -> list[EnergyWindow]:
    """Interleaved idle and load windows of a device whose idle power drifts."""
    windows, clock, charge = [], 0.0, 4e6
    noise = np.random.default_rng(2)
    for kind in PATTERN:
        milliwatts = (LOAD_MW if kind == "load" else IDLE_MW) * noise.normal(1, 0.01)
        samples = battery(milliwatts, clock, charge, step=step, raw_per_ua=raw_per_ua)
        meter = {"[S2M]:CPU(BIG)": clock * 10}
        after = {"[S2M]:CPU(BIG)": clock * 10 + milliwatts * SECONDS}
        windows.append(
            EnergyWindow(
                kind="load" if kind == "load" else "idle",
                seconds=SECONDS,
                inferences=INFERENCES if kind == "load" else 0,
                rails_before=meter if rails else {},
                rails_after=after if rails else {},
                samples=tuple(samples),
            )
        )
        clock += SECONDS + 1
        charge = float(samples[-1].charge_uah or 0)
    return windows


def test_the_counter_gives_joules() -> None:
    """1 mAh at 4 V is 14.4 J."""
    ends = [GaugeSample(60.0 * i, 4_000_000, True, 3_000_000 - 40 * i) for i in range(26)]
    assert integrate_charge(ends) == pytest.approx(14_400)


@pytest.mark.parametrize("raw_per_ua", [-1.0, 1.0, -0.001, 0.001])
def test_unit_and_sign_are_found(raw_per_ua: float) -> None:
    """µA or mA, negative or positive when discharging: the counter settles it."""
    samples = battery(2000, 0, 3e6, raw_per_ua=raw_per_ua)
    scale = calibrate_current(samples)
    assert scale.ua_per_raw == pytest.approx(1 / raw_per_ua)
    assert integrate_current(samples, scale) == pytest.approx(2000 * SECONDS, rel=0.01)


def test_currents_that_fit_nothing_are_refused() -> None:
    """A current 30 times off is no unit that we know; so is none at all."""
    for raw_per_ua in (-30.0, 0.0):
        with pytest.raises(DeviceError, match="in no unit"):
            calibrate_current(battery(2000, 0, 3e6, raw_per_ua=raw_per_ua))


def test_coarse_counters_need_longer_windows() -> None:
    """Fewer than 20 steps of the counter are refused."""
    with pytest.raises(DeviceError, match="measure longer"):
        integrate_charge(battery(2000, 0, 3e6, step=1000))


def test_charging_and_rising_counters_are_refused() -> None:
    """A charger, or a counter that goes up, makes the battery useless as a gauge."""
    samples = battery(2000, 0, 3e6)
    charging = [*samples[:-1], GaugeSample(500, 4_000_000, False, 1)]
    with pytest.raises(DeviceError, match="charging"):
        integrate_charge(charging)
    rising = [*samples, GaugeSample(500, 4_000_000, True, 3_100_000)]
    with pytest.raises(DeviceError, match="rose"):
        integrate_charge(rising)
    with pytest.raises(DeviceError, match="times do not grow"):
        integrate_charge([samples[1], samples[0]])
    with pytest.raises(DeviceError, match="out of the battery"):
        integrate_current(samples, CurrentScale("uA", 1.0))


@pytest.mark.parametrize(
    ("windows", "source"),
    [
        (session(rails=True), EnergySource.POWER_RAILS),
        (session(), EnergySource.CHARGE_COUNTER),
        (session(step=1000), EnergySource.CURRENT_VOLTAGE),
        (session(step=1000, raw_per_ua=0.001), EnergySource.CURRENT_VOLTAGE),
    ],
)
def test_the_best_source_is_taken(windows: list[EnergyWindow], source: EnergySource) -> None:
    """Rails first, then counter, then current; the true energy lies by the interval."""
    energy = compute_energy(windows)
    assert isinstance(energy, MeasuredEnergy)
    assert energy.source is source
    assert len(energy.repeats_mj) == 6
    assert energy.mj == pytest.approx(TRUE_MJ, rel=0.03)
    assert energy.low_mj <= energy.mj <= energy.high_mj
    assert energy.idle_mw == pytest.approx(IDLE_MW, rel=0.05)


def test_idle_drift_cancels() -> None:
    """Idle power that grows over the session does not leak into the result."""
    windows, meter = [], 0.0
    for index, kind in enumerate(PATTERN):
        milliwatts = IDLE_MW + 20 * index + (2000 if kind == "load" else 0)
        before, meter = meter, meter + milliwatts * SECONDS
        windows.append(
            EnergyWindow(
                "load" if kind == "load" else "idle",
                SECONDS,
                INFERENCES if kind == "load" else 0,
                {"CPU": before},
                {"CPU": meter},
            )
        )
    energy = compute_energy(windows)
    assert isinstance(energy, MeasuredEnergy)
    assert energy.mj == pytest.approx(TRUE_MJ, rel=1e-9)


def test_nothing_trusted_is_unavailable() -> None:
    """Without a usable source the answer is why, for each source, and never a number."""
    bare = [EnergyWindow(window.kind, SECONDS, window.inferences) for window in session()]
    energy = compute_energy(bare)
    assert isinstance(energy, EnergyUnavailable)
    assert all(source.value in energy.reason for source in EnergySource)


def test_short_or_few_windows_are_unavailable() -> None:
    """Five loads of 60 s, between idle windows, are the least."""
    windows = session(rails=True)
    short = [EnergyWindow("load", 59.0, 1), EnergyWindow("idle", 60.0)]
    for wrong in ([], windows[:4], windows[1:], windows[:-1], [*windows, *short]):
        assert isinstance(compute_energy(wrong), EnergyUnavailable)


@pytest.mark.parametrize("seed", range(10))
def test_a_load_like_idle_is_unavailable(seed: int) -> None:
    """A load that cannot be told from idle gives no figure."""
    noise = np.random.default_rng(seed).normal(0, 500, len(PATTERN))
    windows, meter = [], 0.0
    for extra, kind in zip(noise, PATTERN, strict=True):
        before, meter = meter, meter + (3000 + float(extra)) * SECONDS
        load = kind == "load"
        windows.append(
            EnergyWindow(
                "load" if load else "idle", SECONDS, int(load), {"CPU": before}, {"CPU": meter}
            )
        )
    energy = compute_energy(windows)
    assert isinstance(energy, EnergyUnavailable)
    assert "measure longer" in energy.reason


SAMPLES = st.builds(
    GaugeSample,
    seconds=st.floats(0, 1e6),
    voltage_uv=st.integers(1_000_000, 20_000_000),
    discharging=st.just(value=True),
    charge_uah=st.none() | st.integers(-(10**7), 10**7),
    current_raw=st.none() | st.integers(-(10**7), 10**7),
)


@settings(max_examples=60)
@given(st.lists(SAMPLES, max_size=8))
def test_any_samples_give_energy_or_a_reason(samples: list[GaugeSample]) -> None:
    """Noise from a gauge gives a positive figure or a DeviceError."""
    for measure in (integrate_charge, lambda x: integrate_current(x, calibrate_current(x))):
        try:
            assert measure(samples) > 0
        except DeviceError:
            continue
