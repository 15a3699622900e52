"""Exits of a model whose body was changed, fitted anew to the rows that it gives now."""

from __future__ import annotations

from edge_bert.compress.train.loop import Report
from edge_bert.encoder.weights import EncoderWeights, ExitWeights, HeadDense
from edge_bert.pipeline.train.exits.exits_model import open_exit_job
from edge_bert.pipeline.train.exits.fit_exits import FittedExits, fit_exits
from edge_bert.pipeline.train.options import ExitsOptions, LoopOptions
from edge_bert.pipeline.train.start_model import StartModel


def refit_exits(
    options: LoopOptions,
    data: tuple[str, ...],
    text: tuple[str, ...],
    model: StartModel,
    weights: EncoderWeights,
    backend: str,
    report: Report,
) -> FittedExits | None:
    """The exits of `model` on `weights`, a body made of its own; None for a model without exits.

    Their places, their neurons and the wanted agreement are those that they had. Raises what
    `fit_exits` raises.
    """
    exits = model.checkpoint.exits
    if exits is None:
        return None
    old, rule = model.weights.exits, exits.saved.rule
    asked = ExitsOptions(
        name=options.name,
        after=tuple(exit_weights.after for exit_weights in old),
        data=data,
        text=text,
        agreement=rule.wanted_agreement,
        head_neurons=_count_neurons(old[0]),
        held_out=options.held_out,
        split_seed=options.split_seed,
        seed=options.seed,
        threads=options.threads,
    )
    job = open_exit_job(asked, model, weights, 0, backend)
    return fit_exits(job, report)


def _count_neurons(exit_weights: ExitWeights) -> int:
    """Those of the hidden layer, 0 where there is none."""
    hidden, *rest = (x for x in exit_weights.head_layers if isinstance(x, HeadDense))
    return len(hidden.bias) if rest else 0
