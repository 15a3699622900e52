"""Factors from measured files, on phones whose truth differs from the model by known factors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from edge_bert import profiles
from edge_bert.devices.emulator import cpu_files
from edge_bert.errors import DeviceError
from edge_bert.estimate.energy_model import model_energy
from edge_bert.estimate.fit_scaling import (
    FittedFactors,
    ScalingPoint,
    fit_energy_factor,
    fit_factors,
)
from edge_bert.estimate.latency_model import predict_latency
from edge_bert.estimate.lower_bound import least_energy, least_latency
from edge_bert.estimate.macs import count_macs
from edge_bert.estimate.scaled_model import probe_model, require_current_scaling, split_time
from edge_bert.records.energy import ModelledEnergy
from edge_bert.records.profile import Cluster, Scaling
from edge_bert.records.recipe import RECIPES
from tests.estimate.test_macs import MINILM
from tests.pipeline.sizing.test_recorded_counts import EVERY

PROFILES = ("pixel-9", "pixel-4", "pixel-3a", "wear-watch")
TRUTHS = ((1.0, 1.0), (1.6, 0.7), (0.6, 1.8), (2.5, 2.5), (0.8, 3.0), (1.3, 0.4))
NOISE = 0.03


def fastest(profile: str) -> Cluster:
    return cpu_files.find_cluster(profiles.load_profile(profile), None)


def scaling(cluster: Cluster, compute: float, traffic: float, energy: float | None) -> Scaling:
    return Scaling(
        compute=compute,
        traffic=traffic,
        energy=energy,
        files=8,
        error=0.02,
        worst_error=0.05,
        phone="phone-1234abcd",
        title="Pixel 9",
        build="Android 15",
        date="2026-11-30",
        model_ms=probe_model(cluster),
    )


def points(profile: str, compute: float, traffic: float, noise: float = 0.0) -> list[ScalingPoint]:
    """Ten recorded files; a phone measured them so many times slower than the model says."""
    draw = np.random.default_rng(7)
    made_up = []
    for recorded in EVERY:
        if recorded.profile == profile:
            parts = split_time(predict_latency(recorded.counts, fastest(profile)))
            truth = compute * parts[0] + traffic * parts[1]
            measured = truth * float(draw.lognormal(0, noise))
            made_up.append(ScalingPoint(f"{recorded.artifact} {recorded.length}", measured, *parts))
    return made_up


def errors(fitted: FittedFactors, truth: Sequence[ScalingPoint]) -> list[float]:
    return [
        abs(
            (fitted.compute * point.compute_ms + fitted.traffic * point.traffic_ms)
            / point.measured_ms
            - 1
        )
        for point in truth
    ]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("truth", TRUTHS)
@pytest.mark.parametrize("files", [6, 8])
def test_a_phone_that_differs_by_known_factors_is_predicted(
    profile: str, truth: tuple[float, float], files: int
) -> None:
    """Within 10% for every file, those that were never measured among them; without, far off."""
    measured = points(profile, *truth, noise=NOISE)[:files]
    fitted = fit_factors(measured)
    assert max(errors(fitted, points(profile, *truth))) <= 0.10
    assert fitted.error <= 0.10
    if truth == (2.5, 2.5):
        assert max(abs(ratio - 1) for ratio in fitted.before) > 0.5


def test_files_that_say_nothing_of_traffic_leave_its_factor_with_the_other() -> None:
    """Without lines from memory the second factor cannot be told; it is not made up."""
    known = points("pixel-9", 1.5, 1.5)
    without = [
        ScalingPoint(point.name, 1.5 * point.compute_ms, point.compute_ms, 0.0) for point in known
    ]
    fitted = fit_factors(without)
    assert fitted.compute == pytest.approx(1.5, rel=1e-3)
    assert fitted.traffic == pytest.approx(1.5, rel=0.02)


def test_too_few_unreasonable_and_unexplained_files_are_refused() -> None:
    """One line each: nothing is scaled to a hot phone or to another one."""
    with pytest.raises(DeviceError, match="5 measured files are too few"):
        fit_factors(points("pixel-9", 1, 1)[:5])
    with pytest.raises(DeviceError, match="out of reason"):
        fit_factors(points("pixel-9", 30, 30))
    wild = points("pixel-9", 1, 1, noise=0.7)
    with pytest.raises(DeviceError, match="Files left out of the fit are off by"):
        fit_factors(wild)


def test_scaled_figures_are_the_parts_times_their_factors_and_say_so() -> None:
    """In latency, its bounds and energy; no lower bound of a search is above them."""
    cluster = fastest("pixel-9")
    scaled = msgspec.structs.replace(cluster, scaling=scaling(cluster, 0.5, 2.0, 0.8))
    for recorded in (each for each in EVERY if each.profile == "pixel-9"):
        plain = predict_latency(recorded.counts, cluster)
        latency = predict_latency(recorded.counts, scaled)
        compute, traffic = split_time(plain)
        assert latency.ms == pytest.approx(0.5 * compute + 2.0 * traffic)
        assert latency.scaled_to == "a measured Pixel 9 (phone-1234abcd, 2026-11-30)"
        assert plain.scaled_to == ""
        energy, unscaled = (
            model_energy(recorded.counts, latency, scaled),
            model_energy(recorded.counts, latency, cluster),
        )
        assert isinstance(energy, ModelledEnergy)
        assert isinstance(unscaled, ModelledEnergy)
        assert energy.low_mj == pytest.approx(0.8 * unscaled.low_mj)
        assert energy.high_mj == pytest.approx(0.8 * unscaled.high_mj)
        assert (energy.scaled_to, unscaled.scaled_to) == (latency.scaled_to, "")
        work = count_macs(MINILM, RECIPES[recorded.artifact], recorded.length)
        assert least_latency(work, scaled) <= latency.low_ms
        least = least_energy(work, scaled)
        assert least is not None
        assert least <= energy.low_mj


def test_factors_of_another_cost_model_are_refused() -> None:
    """A clock that was corrected, or other rates: the factors were for what was before."""
    cluster = fastest("pixel-9")
    scaled = msgspec.structs.replace(cluster, scaling=scaling(cluster, 1.2, 1.1, None))
    require_current_scaling(scaled)
    require_current_scaling(cluster)
    with pytest.raises(DeviceError, match="another cost model or clock"):
        require_current_scaling(msgspec.structs.replace(scaled, max_mhz=2900))


def test_energy_has_one_factor_from_three_files_on() -> None:
    """The mean of the ratios; fewer files leave the energy as it was."""
    assert fit_energy_factor([20.0, 40.0], [10.0, 20.0]) is None
    factor = fit_energy_factor([20.0, 40.0, 15.0], [10.0, 20.0, 10.0])
    assert factor == pytest.approx(math.exp((2 * math.log(2) + math.log(1.5)) / 3))
    with pytest.raises(DeviceError, match="factor for energy"):
        fit_energy_factor([90.0] * 3, [10.0] * 3)
