"""Pruning statistics of a model, measured once: the importance of layers, heads and neurons."""

from __future__ import annotations

import io
from dataclasses import dataclass

import msgspec
import numpy as np

from edge_bert.compress.prune import allocate_sparsity, importance, layers
from edge_bert.compress.prune.allocate_sparsity import ErrorCurves
from edge_bert.compress.prune.importance import Importance, InputImportance
from edge_bert.compress.prune.obs import RemovalOrder
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.progress import Progress, no_progress
from edge_bert.store.cached import Functions, cached

RANKING = 64  # sentences that layers and curves are measured on
HALVES = ("heads", "neurons")
FORMAT = 2  # of the entries in the cache; raise it where `_encode` changes
STATS_CODE: Functions = (
    importance.measure_importance,
    allocate_sparsity.measure_curves,
    layers.rank_layers,
    *artifacts.CALIBRATION_CODE,
)


@dataclass(frozen=True)
class PruningStats:
    """Importance and error curves; `layers` has the best layers of each count, most first."""

    importance: Importance
    curves: ErrorCurves
    layers: tuple[tuple[int, ...], ...]


def read_pruning_stats(session: BuildSession, progress: Progress = no_progress) -> PruningStats:
    """The stats of the session's model over its calibration set, from the cache where they are."""
    inputs = [FORMAT, session.checkpoint.sha256, session.calibration.info, max(session.lengths)]

    def make() -> bytes:
        return _encode(_measure(session, progress))

    return _decode(cached("pruning_stats", inputs, make, code=STATS_CODE))


def _measure(session: BuildSession, progress: Progress) -> PruningStats:
    weights, sentences = session.weights, session.calibration_inputs
    importances = importance.measure_importance(weights, sentences, progress)
    held_out = session.encode_inputs(session.calibration.held_out)[:RANKING]
    return PruningStats(
        importance=importances,
        curves=allocate_sparsity.measure_curves(weights, importances, held_out, progress),
        layers=layers.rank_layers(weights, held_out, progress),
    )


def _encode(stats: PruningStats) -> bytes:
    """Arrays and JSON in one `.npz`; nothing in it can hold code."""
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {}
    orders = {}
    for half in HALVES:
        for index, inputs in enumerate(getattr(stats.importance, half)):
            arrays[f"{half}.{index}.covariance"] = inputs.covariance
            arrays[f"{half}.{index}.mean"] = inputs.mean
            orders[f"{half}.{index}"] = (inputs.removals.order, inputs.removals.errors)
    curves = stats.curves
    text = msgspec.json.encode([orders, curves.heads, curves.neurons, stats.layers])
    arrays["json"] = np.frombuffer(text, np.uint8)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


Orders = dict[str, tuple[tuple[int, ...], tuple[float, ...]]]
Table = tuple[tuple[float, ...], ...]


def _decode(data: bytes) -> PruningStats:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        types = tuple[Orders, Table, Table, tuple[tuple[int, ...], ...]]
        orders, heads, neurons, ranked = msgspec.json.decode(arrays["json"].tobytes(), type=types)
        halves = [
            tuple(
                InputImportance(
                    arrays[f"{half}.{index}.covariance"],
                    arrays[f"{half}.{index}.mean"],
                    RemovalOrder(*orders[f"{half}.{index}"]),
                )
                for index in range(len(orders) // len(HALVES))
            )
            for half in HALVES
        ]
    return PruningStats(Importance(*halves), ErrorCurves(heads, neurons), ranked)
