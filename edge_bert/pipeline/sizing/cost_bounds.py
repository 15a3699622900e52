"""Lower bounds of a candidate's cost, computed from its sizes; nothing is built or measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from edge_bert.data.buckets import choose_bucket
from edge_bert.devices.emulator import cpu_files
from edge_bert.encoder.config import EncoderConfig
from edge_bert.encoder.weights import EncoderWeights, HeadDense, HeadLayer
from edge_bert.estimate import core_model
from edge_bert.estimate.file_size import predict_size
from edge_bert.estimate.lower_bound import least_energy, least_latency
from edge_bert.estimate.macs import count_macs
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.records.candidate import Candidate, CandidateCost
from edge_bert.records.profile import DeviceProfile
from edge_bert.records.recipe import RECIPES, Scheme
from edge_bert.records.weight_bits import WeightBits


def bound_cost(session: BuildSession, candidate: Candidate) -> CandidateCost:
    """The computed size of the candidate's file and, where latency and energy are emulated, their
    lower bounds at the budget's length."""
    weights = session.weights
    recipe, config = RECIPES[candidate.recipe], _candidate_config(weights.config, candidate)
    bits = candidate_bits(candidate) if recipe.scheme is Scheme.HYBRID else None
    size = predict_size(
        config,
        recipe,
        candidate.lengths,
        bits,
        _head_sizes(weights.head_layers),
        list_exit_sizes(weights),
    )
    cluster = cpu_files.find_cluster(session.profile, None)
    if not session.options.emulate or not core_model.knows_core(cluster.core):
        return CandidateCost(size_bytes=size)
    macs = count_macs(config, recipe, budget_length(session.profile, candidate.lengths), bits)
    return CandidateCost(
        size_bytes=size,
        latency_ms=least_latency(macs, cluster),
        energy_mj=least_energy(macs, cluster),
    )


def budget_length(profile: DeviceProfile, lengths: Collection[int]) -> int:
    """The bucket among `lengths` that the budget's latency and energy are held against."""
    return choose_bucket(min(profile.budget.latency_length, max(lengths)), lengths)


def candidate_bits(candidate: Candidate) -> WeightBits:
    """The bits of the candidate's matrices and table; its recipe says what has a scale."""
    return WeightBits(
        matrix_bits=candidate.matrix_bits,
        embedding_bits=candidate.embedding_bits,
        matrix_block=RECIPES[candidate.recipe].matrix_block,
    )


def _candidate_config(unpruned: EncoderConfig, candidate: Candidate) -> EncoderConfig:
    structure = candidate.structure
    return dataclasses.replace(
        unpruned, heads=structure.heads, ffn=structure.ffn, vocabulary=structure.vocabulary
    )


def _head_sizes(layers: Sequence[HeadLayer]) -> list[tuple[int, int]]:
    shapes = [dense.kernel.shape for dense in layers if isinstance(dense, HeadDense)]
    return [(outputs, inputs) for inputs, outputs in shapes]


def list_exit_sizes(weights: EncoderWeights) -> list[list[tuple[int, int]]]:
    """The matrices [outputs, inputs] of each exit's head."""
    sizes = []
    for part in weights.exits:
        predicted = [part.agreement.kernel.shape[::-1]] if part.agreement is not None else []
        sizes.append([*_head_sizes(part.head_layers), *((x, y) for x, y in predicted)])
    return sizes
