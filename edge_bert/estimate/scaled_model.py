"""What a measured phone scales of a modelled time, and whether its factors are current."""

from __future__ import annotations

import math

import msgspec

from edge_bert.errors import DeviceError
from edge_bert.estimate.latency_model import predict_latency
from edge_bert.installation import task_command
from edge_bert.records.latency import ModelledLatency
from edge_bert.records.measurement import InstructionCounts
from edge_bert.records.profile import Cluster

# The causes of a modelled time that are work of the core's units; the others are cache lines.
COMPUTE_CAUSES = ("busiest unit", "not hidden")
# The model is the same as long as it gives the same for this.
_PROBE = InstructionCounts(
    total=20_000_000,
    scalar_alu=2_000_000,
    branch=500_000,
    vector_int=1_000_000,
    sdot=0,
    smmla=0,
    fmla=8_000_000,
    vector_other=1_000_000,
    load_bytes_1=0,
    load_bytes_2=0,
    load_bytes_4=500_000,
    load_bytes_8=500_000,
    load_bytes_16=5_500_000,
    store_bytes_1=0,
    store_bytes_2=0,
    store_bytes_4=0,
    store_bytes_8=500_000,
    store_bytes_16=500_000,
    l1d_misses=800_000,
    l2_misses=400_000,
    l3_misses=200_000,
)
PROBE_TOLERANCE = 1e-3


def split_time(latency: ModelledLatency) -> tuple[float, float]:
    """The compute and traffic parts of a time modelled for one thread, in milliseconds."""
    compute = sum(latency.cycles[cause] for cause in COMPUTE_CAUSES)
    traffic = sum(latency.cycles.values()) - compute
    return compute / (latency.mhz * 1e3), traffic / (latency.mhz * 1e3)


def probe_model(cluster: Cluster) -> tuple[float, float]:
    """What the model gives for fixed counts on a cluster without factors: both parts, in ms."""
    return split_time(predict_latency(_PROBE, msgspec.structs.replace(cluster, scaling=None)))


def require_current_scaling(cluster: Cluster) -> None:
    """Raise DeviceError where the cluster's factors were found with another cost model."""
    scaling = cluster.scaling
    if scaling is None:
        return
    pairs = zip(scaling.model_ms, probe_model(cluster), strict=True)
    if not all(math.isclose(*pair, rel_tol=PROBE_TOLERANCE) for pair in pairs):
        raise DeviceError(
            f"The factors of {cluster.core} from {scaling.describe()} are for another cost model "
            f"or clock; run `{task_command('calibrate')}` again, or with --remove to do without."
        )
