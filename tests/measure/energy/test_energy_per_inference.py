"""Energy of an inference from rails and fuel gauges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from edge_bert.errors import DeviceError
from edge_bert.measure.energy.energy_per_inference import compute_energy
from edge_bert.measure.energy.energy_window import EnergyWindow
from edge_bert.measure.sensors.fuel_gauge import (
    GaugeSample,
    check_discharging,
    find_charge_unit,
    find_current_scale,
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
            # It jitters, as every live gauge does.
            current_raw=round(ua * raw_per_ua * (1 + 0.01 * (second % 3 - 1))),
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
        charge -= milliwatts * 1e3 / VOLTS * (SECONDS + 1) / 3600
    return windows


@pytest.mark.parametrize("raw_per_ua", [-1.0, 1.0, -0.001, 0.001])
def test_unit_and_sign_are_found(raw_per_ua: float) -> None:
    """µA or mA, negative or positive when discharging: the counter settles it."""
    samples = battery(2000, 0, 3e6, raw_per_ua=raw_per_ua)
    assert find_current_scale(samples, samples) == pytest.approx(1 / raw_per_ua)


def test_currents_that_fit_nothing_are_refused() -> None:
    """A current 30 times off is no unit that we know; so is none at all."""
    for raw_per_ua in (-30.0, 0.0):
        samples = battery(2000, 0, 3e6, raw_per_ua=raw_per_ua)
        with pytest.raises(DeviceError, match="in no unit"):
            find_current_scale(samples, samples)


def test_a_current_alone_is_of_one_unit_only() -> None:
    """Without a counter the size decides: no phone runs on half a milliampere, or on 500 A."""
    for raw_per_ua, unit in ((-1.0, -1.0), (0.001, 1000.0)):
        samples = [
            replace(sample, charge_uah=None)
            for sample in battery(2000, 0, 3e6, raw_per_ua=raw_per_ua)
        ]
        assert find_current_scale(samples, samples) == unit


@pytest.mark.parametrize(
    ("charge", "level", "unit"),
    [(3_000_000, 75, 1.0), (3000, 75, 1000.0), (230_000, 80, 1.0), (3_000_000, None, 1.0)],
)
def test_the_level_tells_the_counters_unit(charge: int, level: int | None, unit: float) -> None:
    """mAh for µAh would be an energy a thousand times too small."""
    ends = [GaugeSample(60.0 * i, 4_000_000, True, charge - i, None, level) for i in range(2)]
    assert find_charge_unit(ends) == unit


def test_implausible_counters_are_refused() -> None:
    """A counter of no battery's size, without a level to tell, or against the level."""
    for charge, level, words in (
        (3000, None, "no level tells its unit"),
        (90_000_000, 80, "no battery of a phone"),
        (60_000, 80, "no battery of a phone"),
    ):
        with pytest.raises(DeviceError, match=words):
            find_charge_unit([GaugeSample(1.0, 4_000_000, True, charge, None, level)])
    first = GaugeSample(1.0, 4_000_000, True, 3_000_000, None, 75)
    with pytest.raises(DeviceError, match="they disagree"):
        find_charge_unit([first, GaugeSample(900.0, 4_000_000, True, 2_999_000, None, 65)])


def test_coarse_counters_need_longer_windows() -> None:
    """A counter that hardly moves in the whole session is refused."""
    energy = compute_energy(without_current(session(step=100_000)))
    assert isinstance(energy, EnergyUnavailable)
    assert "measure longer" in energy.reason


def without_current(windows: list[EnergyWindow]) -> list[EnergyWindow]:
    return [
        replace(w, samples=tuple(replace(s, current_raw=None) for s in w.samples)) for w in windows
    ]


def test_charging_and_rising_counters_are_refused() -> None:
    """A charger, or a counter that goes up, makes the battery useless as a gauge."""
    samples = battery(2000, 0, 3e6)
    with pytest.raises(DeviceError, match="charging"):
        check_discharging([*samples[:-1], GaugeSample(500, 4_000_000, False, 1)])
    with pytest.raises(DeviceError, match="times do not grow"):
        check_discharging([samples[1], samples[0]])
    windows = without_current(session())
    last = windows[-1].samples
    rising = (*last[:-1], replace(last[-1], charge_uah=4_100_000))
    energy = compute_energy([*windows[:-1], replace(windows[-1], samples=rising)])
    assert isinstance(energy, EnergyUnavailable)
    assert "rose" in energy.reason


@pytest.mark.parametrize(
    ("windows", "source"),
    [
        (session(rails=True), EnergySource.POWER_RAILS),
        (session(), EnergySource.CHARGE_COUNTER),
        (session(step=1000), EnergySource.CHARGE_COUNTER),
        (session(step=100_000), EnergySource.CURRENT_VOLTAGE),
        (session(step=100_000, raw_per_ua=0.001), EnergySource.CURRENT_VOLTAGE),
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
    """Without a usable source the answer is the one reason, and never a number."""
    bare = [EnergyWindow(window.kind, SECONDS, window.inferences) for window in session()]
    energy = compute_energy(bare)
    assert isinstance(energy, EnergyUnavailable)
    assert energy.reason == "charge counter: this device's battery does not answer, or is frozen."


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
    """Noise from a gauge gives a positive figure or the reason why not."""
    windows = [replace(window, samples=tuple(samples)) for window in session()]
    energy = compute_energy(windows)
    assert isinstance(energy, EnergyUnavailable) or energy.low_mj > 0


def gauge_session(
    *, average_s: float = 0.0, step: int = 1000, counter: bool = True, cached_s: float = 0.0
) -> list[EnergyWindow]:
    """Windows of a minute as a host records them: the first and last reading lie outside."""
    windows, history, clock = [], [(880.0, 1000.0, 150.0)], 1000.0

    def spend(seconds: float, milliampere: float) -> None:
        nonlocal clock
        history.append((clock, clock + seconds, milliampere))
        clock += seconds

    def drawn(since: float, until: float) -> float:
        return sum(ma * max(0.0, min(b, until) - max(a, since)) for a, b, ma in history)

    for kind in PATTERN:
        milliampere = 650.0 if kind == "load" else 150.0
        moments = [clock]
        spend(1, 150)
        for _ in range(12):
            spend(5, milliampere)
            moments.append(clock)
        spend(0.2, 150)
        moments[-1] = clock
        samples = []
        for moment in moments:
            seen = moment - moment % cached_s if cached_s else moment
            span = max(average_s, 0.05)
            current = -round(1000 * drawn(seen - span, seen) / span)
            charge = int((3_000_000 - drawn(880, seen) / 3.6) // step * step)
            voltage = 3_900_000
            samples.append(GaugeSample(moment, voltage, True, charge if counter else None, current))
        spend(1, 150)
        inferences = 6000 if kind == "load" else 0
        load = kind == "load"
        windows.append(
            EnergyWindow("load" if load else "idle", 60.0, inferences, samples=tuple(samples))
        )
    return windows


@pytest.mark.parametrize("average_s", [0, 1, 5, 10, 20, 30, 45, 60])
@pytest.mark.parametrize("counter", [True, False])
def test_edges_and_averages_do_not_bias(average_s: float, *, counter: bool) -> None:
    """Readings beyond the ends, and a gauge that averages: the true energy, or none."""
    true_mj = 500 * 3.9 * 60 / 6000
    energy = compute_energy(gauge_session(average_s=average_s, counter=counter))
    if isinstance(energy, MeasuredEnergy):
        assert energy.mj == pytest.approx(true_mj, rel=0.05)
        assert energy.low_mj <= true_mj * 1.05
    else:
        assert not counter
        assert "measure longer" in energy.reason


@pytest.mark.parametrize(("step", "cached_s"), [(1, 0), (100, 0), (1000, 10), (5000, 0), (1, 60)])
def test_real_counters_give_energy(step: int, cached_s: float) -> None:
    """Steps of 1 and 5 mAh and copies in windows of a minute: the true energy, or none."""
    energy = compute_energy(without_current(gauge_session(step=step, cached_s=cached_s)))
    if isinstance(energy, MeasuredEnergy):
        assert energy.mj == pytest.approx(500 * 3.9 * 60 / 6000, rel=0.1)
    else:
        assert cached_s == 60 or step == 5000
        assert "measure longer" in energy.reason
