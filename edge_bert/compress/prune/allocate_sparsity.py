"""How many heads and neurons each layer keeps, when all layers together keep so many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_bert.compress.prune import ffn, heads
from edge_bert.compress.prune.importance import Importance, Inputs
from edge_bert.compress.prune.output_error import output_error
from edge_bert.encoder import numpy_forward
from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError
from edge_bert.progress import Progress, no_progress
from edge_bert.records.candidate import Structure

NEURONS_AT_ONCE = 32  # widths in this step suit the kernels of every runtime


@dataclass(frozen=True)
class ErrorCurves:
    """`heads[i][k]` is what the outputs lose when the k least heads of layer i alone are gone.

    `neurons` are the same of neurons. In units of `harm`; losses of several layers add up nearly.
    """

    heads: tuple[tuple[float, ...], ...]
    neurons: tuple[tuple[float, ...], ...]


def measure_curves(
    weights: EncoderWeights,
    importance: Importance,
    sentences: Sequence[Sentence],
    progress: Progress = no_progress,
) -> ErrorCurves:
    """The curves of every layer: the shape is that of its error, the height is measured.

    Each layer is cut to half by itself, and the outputs for `sentences` (best others than those
    that gave the importance) say what its error is worth. It costs 2 * layers + 1 runs of them.
    """
    expected = numpy_forward.run_encoder(weights, sentences)

    def scaled(
        inputs: Inputs, cut: Callable[[Sequence[int]], EncoderWeights], present: list[int], at: int
    ) -> tuple[float, ...]:
        progress(f"allocation: what layer {at} is worth")
        counts = [*present]
        counts[at] = max(1, present[at] // 2)
        errors = inputs.elimination.errors
        lost = output_error(numpy_forward.run_encoder(cut(counts), sentences), expected)
        rate = lost / max(errors[present[at] - counts[at]], 1e-24)
        return tuple(rate * error for error in errors)

    shape = weights.config
    return ErrorCurves(
        heads=tuple(
            scaled(
                each,
                lambda counts: heads.prune_heads(weights, importance, counts),
                [*shape.heads],
                at,
            )
            for at, each in enumerate(importance.heads)
        ),
        neurons=tuple(
            scaled(
                each, lambda counts: ffn.prune_ffn(weights, importance, counts), [*shape.ffn], at
            )
            for at, each in enumerate(importance.neurons)
        ),
    )


def allocate_sparsity(
    curves: Sequence[Sequence[float]], total: int, step: int = 1
) -> tuple[int, ...]:
    """How many each layer keeps, `total` together, so that the curves' losses are least.

    Greedy: `step` go where they cost least, and every layer keeps at least `step`. Where `total`
    is no sum of such steps, up to `step` - 1 more are kept. Raises InputError for a total that is
    out of reach.
    """
    kept = [len(curve) - 1 for curve in curves]
    if not step * len(kept) <= total <= sum(kept):
        raise InputError(
            f"{total} cannot be shared out over {len(kept)} layers that have {sum(kept)}; give at "
            f"least {step * len(kept)}."
        )
    while sum(kept) - step >= total:
        costs = [
            _cost(curve, len(curve) - 1 - count, step) if count >= 2 * step else float("inf")
            for curve, count in zip(curves, kept, strict=True)
        ]
        best = costs.index(min(costs))
        if costs[best] == float("inf"):
            break
        kept[best] -= step
    return tuple(kept)


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
    kept_heads = [curves.heads[index] for index in layers]
    kept_neurons = [curves.neurons[index] for index in layers]
    return Structure(
        layers=tuple(layers),
        heads=allocate_sparsity(kept_heads, _total(kept_heads, heads_share, 1)),
        ffn=allocate_sparsity(
            kept_neurons, _total(kept_neurons, neurons_share, NEURONS_AT_ONCE), NEURONS_AT_ONCE
        ),
        vocabulary=vocabulary,
    )


def _total(curves: Sequence[Sequence[float]], share: float, step: int) -> int:
    present = sum(len(curve) - 1 for curve in curves)
    return max(round(share * present), step * len(curves))


def _cost(curve: Sequence[float], gone: int, step: int) -> float:
    return curve[gone + step] - curve[gone]
