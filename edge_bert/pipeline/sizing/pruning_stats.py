"""What layers, heads and neurons of a model are worth: measured once, kept by content."""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass

import msgspec
import numpy as np

from edge_bert.compress.prune import allocate_sparsity, importance, layers
from edge_bert.compress.prune.allocate_sparsity import ErrorCurves
from edge_bert.compress.prune.importance import Importance, Inputs
from edge_bert.compress.prune.obs import RemovalOrder
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.options import BuildOptions, open_session
from edge_bert.progress import Progress, no_progress
from edge_bert.store import cache, content_store

RANKING = 64  # sentences that layers and curves are measured on
HALVES = ("heads", "neurons")


@dataclass(frozen=True)
class PruningStats:
    """`layers` are the best ones to keep for every number of them, all of them first."""

    importance: Importance
    curves: ErrorCurves
    layers: tuple[tuple[int, ...], ...]


@functools.lru_cache(maxsize=1)
def pruning_stats(asked: BuildOptions, progress: Progress = no_progress) -> PruningStats:
    """The worth of everything in the model that `asked` names, over its calibration set."""
    request = open_session(asked)
    code = content_store.source_digest(
        artifacts.PACKAGE / "compress", artifacts.PACKAGE / "encoder"
    )
    key = content_store.key_of("worth", request.checkpoint.sha256, request.calibration.info, code)
    key = content_store.key_of(key, max(request.lengths))
    return _read(
        content_store.fetch_bytes(
            cache.cache_folder("worth"), key, lambda: _write(_measure(asked, progress))
        )
    )


def _measure(asked: BuildOptions, progress: Progress) -> PruningStats:
    request = open_session(asked)
    weights, sentences = artifacts.session_weights(request), artifacts.calibration_inputs(request)
    found = importance.measure_importance(weights, sentences, progress)
    held_out = artifacts.encode_inputs(request, request.calibration.held_out)[:RANKING]
    return PruningStats(
        importance=found,
        curves=allocate_sparsity.measure_curves(weights, found, held_out, progress),
        layers=layers.rank_layers(weights, held_out, progress),
    )


def _write(worth: PruningStats) -> bytes:
    """Arrays and JSON in one `.npz`; nothing in it can hold code."""
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {}
    orders = {}
    for half in HALVES:
        for index, each in enumerate(getattr(worth.importance, half)):
            arrays[f"{half}.{index}.covariance"] = each.covariance
            arrays[f"{half}.{index}.mean"] = each.mean
            orders[f"{half}.{index}"] = (each.elimination.order, each.elimination.errors)
    words = msgspec.json.encode([orders, worth.curves.heads, worth.curves.neurons, worth.layers])
    arrays["words"] = np.frombuffer(words, np.uint8)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


Orders = dict[str, tuple[tuple[int, ...], tuple[float, ...]]]
Table = tuple[tuple[float, ...], ...]


def _read(data: bytes) -> PruningStats:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        kinds = tuple[Orders, Table, Table, tuple[tuple[int, ...], ...]]
        orders, heads, neurons, kept = msgspec.json.decode(arrays["words"].tobytes(), type=kinds)
        halves = [
            tuple(
                Inputs(
                    arrays[f"{half}.{index}.covariance"],
                    arrays[f"{half}.{index}.mean"],
                    RemovalOrder(*orders[f"{half}.{index}"]),
                )
                for index in range(len(orders) // len(HALVES))
            )
            for half in HALVES
        ]
    return PruningStats(Importance(*halves), ErrorCurves(heads, neurons), kept)
