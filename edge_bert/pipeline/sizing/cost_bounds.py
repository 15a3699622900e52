"""What a candidate costs at least, computed from its numbers; nothing is built or measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from edge_bert.data.buckets import choose_bucket
from edge_bert.devices.emulator import cpu_files
from edge_bert.encoder.config import EncoderConfig
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.estimate import latency_model
from edge_bert.estimate.file_size import predict_size
from edge_bert.estimate.lower_bound import least_energy, least_latency
from edge_bert.estimate.macs import count_macs
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.options import BuildOptions, open_session
from edge_bert.records.candidate import Candidate, CandidateCost
from edge_bert.records.profile import DeviceProfile
from edge_bert.records.recipe import RECIPES, Scheme
from edge_bert.records.weight_bits import WeightBits


def bound_cost(asked: BuildOptions, candidate: Candidate) -> CandidateCost:
    """The computed size of the candidate's file and, where `asked` emulates, what its modelled
    latency and energy at the budget's length cannot be below."""
    request = open_session(asked)
    weights = artifacts.session_weights(request)
    recipe, shape = RECIPES[candidate.recipe], _shape(weights.config, candidate)
    bits = bits_of(candidate) if recipe.scheme is Scheme.HYBRID else None
    size = predict_size(shape, recipe, candidate.lengths, bits, _head(weights))
    cluster = cpu_files.find_cluster(request.profile, None)
    if not asked.emulates or not latency_model.knows_core(cluster.core):
        return CandidateCost(size_bytes=size)
    work = count_macs(shape, recipe, budget_length(request.profile, candidate.lengths))
    return CandidateCost(
        size_bytes=size,
        latency_ms=least_latency(work, cluster),
        energy_mj=least_energy(work, cluster),
    )


def budget_length(profile: DeviceProfile, lengths: Collection[int]) -> int:
    """The bucket among `lengths` that the budget's latency and energy are held against."""
    return choose_bucket(min(profile.budget.latency_length, max(lengths)), lengths)


def bits_of(candidate: Candidate) -> WeightBits:
    """The bits of the candidate's matrices and table."""
    return WeightBits(matrix_bits=candidate.matrix_bits, embedding_bits=candidate.embedding_bits)


def _shape(whole: EncoderConfig, candidate: Candidate) -> EncoderConfig:
    kept = candidate.structure
    return dataclasses.replace(whole, heads=kept.heads, ffn=kept.ffn, vocabulary=kept.vocabulary)


def _head(weights: EncoderWeights) -> list[tuple[int, int]]:
    names = [f"head.{index}.kernel" for index in range(len(weights.head_activations))]
    kernels = [weights.arrays[name] for name in names if name in weights.arrays]
    return [(kernel.shape[1], kernel.shape[0]) for kernel in kernels]
