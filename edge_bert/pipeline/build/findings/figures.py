"""Figures of a measurement as reports show them: its machine in words, and its energy."""

from __future__ import annotations

import math

from edge_bert.records.energy import EnergyUnavailable, ModelledEnergy
from edge_bert.records.latency import ModelledLatency
from edge_bert.records.measurement import BENCHMARK_MODEL, Evidence, Measurement
from edge_bert.records.report import Energy, EnergyKind


def machine_of(measurement: Measurement) -> str:
    """The machine of a measurement in words; figures of equal machines may share a table."""
    scaled = f"; scaled to {measurement.scaled_to}" if measurement.scaled_to else ""
    return place_of(measurement) + scaled


def place_of(measurement: Measurement) -> str:
    """The machine; of a modelled figure without what it is scaled to."""
    target, latency = measurement.target, measurement.latency
    if measurement.evidence is Evidence.EMULATED:
        core = target.properties.get("core", "")
        clock = f" at {latency.mhz} MHz" if isinstance(latency, ModelledLatency) else ""
        return f"{target.name}, {core}{clock}; low and high are the model's bounds"
    model = target.properties.get("ro.product.model") or target.properties.get("cpu") or ""
    device = f"{target.name} ({model})" if model else target.name
    subject = measurement.subject
    cores = f"cores {subject.cores}" if subject.cores else ""
    tool = BENCHMARK_MODEL if BENCHMARK_MODEL in measurement.tool_versions else ""
    return ", ".join(filter(None, (device, cores, subject.pace, tool, subject.runtime_build)))


def energy_of(measurement: Measurement) -> Energy | None:
    """The energy as reports show it; None without a figure, or with an impossible one."""
    energy = measurement.energy
    if isinstance(energy, EnergyUnavailable):
        return None
    low, high = energy.low_mj, energy.high_mj
    if not 0 < low <= high < math.inf:
        return None
    kind: EnergyKind = "modelled" if isinstance(energy, ModelledEnergy) else "measured"
    # The tables differ by factors, so a bracket's middle is the geometric one.
    middle = (low * high) ** 0.5 if isinstance(energy, ModelledEnergy) else energy.mj
    # Rounding may put the middle outside a narrow range.
    return Energy(kind, min(max(middle, low), high), low, high)
