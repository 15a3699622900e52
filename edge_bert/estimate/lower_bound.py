"""Lower bounds of latency and energy, known before a file exists.

A core does no more multiply-adds in a cycle than its vector units can. Whatever else a file costs,
and whatever its kernels, comes on top of that in the cost model.
"""

from __future__ import annotations

from collections.abc import Collection

from edge_bert.estimate.core_model import CoreModel, core_model
from edge_bert.estimate.energy_model import core_milliwatts
from edge_bert.records.multiply_adds import MultiplyAdds
from edge_bert.records.profile import Cluster

# Multiply-adds of one 128-bit instruction. Without dot products, int8 is at best cast to int16
# (SMLAL); instructions that add up the pairs come on top.
SMLAL, SDOT, SMMLA, FMLA = 8, 16, 32, 4


def least_latency(work: MultiplyAdds, cluster: Cluster) -> float:
    """Milliseconds that `work` takes on one core of `cluster` at its top clock, at least.

    No `low_ms` of `predict_latency` for a file that does this work is below it. Raises InputError
    for a core that the cost model does not know.
    """
    core = core_model(cluster.core)
    features = frozenset(cluster.features)
    cycles = work.float32 / (FMLA * core.fmla)
    cycles += (work.integer - work.without_i8mm) / _integer_peak(core, features)
    cycles += work.without_i8mm / _integer_peak(core, features - {"i8mm"})
    return cluster.compute_factor * cycles / (cluster.max_mhz * 1e3)


def least_energy(work: MultiplyAdds, cluster: Cluster) -> float | None:
    """Millijoules that `work` takes at least: the least time at the lowest power of the tables.

    No `low_mj` of `model_energy` is below it. None where no power table knows the core. Raises
    InputError as `least_latency`.
    """
    powers = core_milliwatts(cluster)
    factor = cluster.energy_factor
    return factor * min(powers) * least_latency(work, cluster) / 1e3 if powers else None


def _integer_peak(core: CoreModel, features: Collection[str]) -> float:
    """Multiply-adds of int8 in a cycle, with the best instruction among `features`."""
    rates = [SMLAL * core.vector]
    if "dotprod" in features:
        rates.append(SDOT * core.sdot)
    if "i8mm" in features:
        rates.append(SMMLA * core.smmla)
    return max(rates)
