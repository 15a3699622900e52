"""Sparsity allocation: the heads and neurons that each layer keeps of a total over all layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_bert.compress.prune.ffn import prune_ffn
from edge_bert.compress.prune.heads import prune_heads
from edge_bert.compress.prune.importance import Importance, InputImportance
from edge_bert.compress.prune.output_error import output_error
from edge_bert.encoder import numpy_forward
from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError
from edge_bert.progress import Progress, no_progress
from edge_bert.records.candidate import Structure

Prune = Callable[[EncoderWeights, Importance, Sequence[int]], EncoderWeights]
NEURONS_AT_ONCE = 32  # widths in this step suit the kernels of every runtime


@dataclass(frozen=True)
class ErrorCurves:
    """`heads[i][k]` is the output error when the k least important heads of layer i alone are gone.

    `neurons` are the same of neurons. Errors of several layers add up nearly.
    """

    heads: tuple[tuple[float, ...], ...]
    neurons: tuple[tuple[float, ...], ...]


def measure_curves(
    weights: EncoderWeights,
    importance: Importance,
    sentences: Sequence[Sentence],
    progress: Progress = no_progress,
) -> ErrorCurves:
    """The error curves of every layer: OBS gives their shape, one measurement their height.

    Each layer is pruned to half by itself, and the outputs for `sentences` (best others than those
    that gave the importance) give its error there. It costs 2 * layers + 1 runs of them.
    """
    expected = numpy_forward.run_encoder(weights, sentences)

    def measure(
        prune: Prune, inputs: Sequence[InputImportance], present: Sequence[int]
    ) -> tuple[tuple[float, ...], ...]:
        curves = []
        for layer, (count, ranked) in enumerate(zip(present, inputs, strict=True)):
            progress(f"allocation: error curve of layer {layer}")
            half = max(1, count // 2)
            pruned = prune(weights, importance, [*present[:layer], half, *present[layer + 1 :]])
            error = output_error(numpy_forward.run_encoder(pruned, sentences), expected)
            rate = error / max(ranked.removals.errors[count - half], 1e-24)
            curves.append(tuple(rate * predicted for predicted in ranked.removals.errors))
        return tuple(curves)

    return ErrorCurves(
        heads=measure(prune_heads, importance.heads, weights.config.heads),
        neurons=measure(prune_ffn, importance.neurons, weights.config.ffn),
    )


def allocate_sparsity(
    curves: Sequence[Sequence[float]], total: int, step: int = 1
) -> tuple[int, ...]:
    """The counts that the layers keep, `total` together, with the least sum of errors.

    Greedy: `step` go where the error rises least, and every layer keeps at least `step`. Where
    `total` is no sum of such steps, up to `step` - 1 more are kept. Raises InputError for a total
    that is out of reach.
    """
    counts = [len(curve) - 1 for curve in curves]
    if not step * len(counts) <= total <= sum(counts):
        raise InputError(
            f"{total} cannot be shared out over {len(counts)} layers that have {sum(counts)}; give "
            f"at least {step * len(counts)}."
        )
    while sum(counts) - step >= total:
        rises = [
            _error_rise(curve, len(curve) - 1 - count, step) if count >= 2 * step else float("inf")
            for curve, count in zip(curves, counts, strict=True)
        ]
        best = rises.index(min(rises))
        if rises[best] == float("inf"):
            break
        counts[best] -= step
    return tuple(counts)


def plan_structure(
    curves: ErrorCurves,
    layers: Sequence[int],
    heads_share: float,
    neurons_share: float,
    vocabulary: int,
) -> Structure:
    """The structure with these layers and, over all of them, these shares of heads and neurons.

    Shares are above 0 and at most 1; each layer keeps a head and `NEURONS_AT_ONCE` neurons at
    least. `vocabulary` is handed through.
    """
    heads = [curves.heads[layer] for layer in layers]
    neurons = [curves.neurons[layer] for layer in layers]
    return Structure(
        layers=tuple(layers),
        heads=allocate_sparsity(heads, _total_count(heads, heads_share, 1)),
        ffn=allocate_sparsity(
            neurons, _total_count(neurons, neurons_share, NEURONS_AT_ONCE), NEURONS_AT_ONCE
        ),
        vocabulary=vocabulary,
    )


def _total_count(curves: Sequence[Sequence[float]], share: float, step: int) -> int:
    present = sum(len(curve) - 1 for curve in curves)
    return max(round(share * present), step * len(curves))


def _error_rise(curve: Sequence[float], gone: int, step: int) -> float:
    return curve[gone + step] - curve[gone]
