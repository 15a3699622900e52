"""What `invoke prune` is asked for: a structure, a latency or blocks of zeros, one of them."""

from __future__ import annotations

import enum
import re
from typing import get_args

from edge_bert.compress.prune.block_sparsity import check_blocks
from edge_bert.compress.train.prune.rank_units import ImportanceKind
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError
from edge_bert.pipeline.train.options import DEFAULT_BLOCK, PruneOptions

BLOCK = re.compile(r"([1-9][0-9]{0,3})x([1-9][0-9]{0,3})")
SHARES = ("neurons", "heads", "sparsity")


class PruningGoal(enum.Enum):
    """What pruning aims at."""

    STRUCTURE = "structure"
    LATENCY = "latency"
    SPARSITY = "sparsity"


def choose_goal(options: PruneOptions) -> PruningGoal:
    """The goal of the options, which are checked as far as no model is needed.

    Raises InputError with the option that is at fault.
    """
    _check_values(options)
    shares = [name for name in ("neurons", "heads", "layers") if getattr(options, name) is not None]
    goals = [f"--{shares[0]}"] if shares else []
    goals += ["--max-latency"] if options.max_latency is not None else []
    goals += ["--sparsity"] if options.sparsity is not None else []
    if len(goals) > 1:
        raise InputError(
            f"{goals[0]} and {goals[1]} are two goals; give one, and prune the result again."
        )
    if not goals:
        raise InputError(
            "Nothing says what to keep; give --neurons 50%, --heads 67% or --layers 5, "
            "--max-latency 5ms with --profile, or --sparsity 80%."
        )
    if (options.max_latency is None) != (options.profile is None):
        raise InputError("--max-latency and --profile go together: a latency is a device's.")
    if options.block != DEFAULT_BLOCK and options.sparsity is None:
        raise InputError("--block says what --sparsity 80% cuts; give both.")
    if options.sparsity is not None:
        return PruningGoal.SPARSITY
    return PruningGoal.STRUCTURE if shares else PruningGoal.LATENCY


def parse_block(text: str) -> tuple[int, int]:
    """Outputs and inputs of a block; InputError for a text that is no block."""
    block = BLOCK.fullmatch(text)
    if block is None:
        raise InputError(f"--block {text[:40]!r}: give outputs x inputs, such as {DEFAULT_BLOCK}.")
    return int(block[1]), int(block[2])


def importance_kind(text: str) -> ImportanceKind:
    """The kind of importance of a name; InputError for an unknown one."""
    for kind in get_args(ImportanceKind):
        if text == kind:
            known: ImportanceKind = kind
            return known
    raise InputError(
        f"--importance {text[:40]!r}: give one of {', '.join(get_args(ImportanceKind))}."
    )


def check_goal(goal: PruningGoal, options: PruneOptions, weights: EncoderWeights) -> None:
    """Raise where this model cannot have the goal, before anything is computed.

    InputError for shares that keep all, layers that are not there and blocks that do not fit; for a
    latency what `check_reach` raises.
    """
    if goal is PruningGoal.SPARSITY:
        check_blocks(weights, parse_block(options.block))
    elif goal is PruningGoal.LATENCY:
        from edge_bert.pipeline.train.prune.fit_latency import (
            check_reach,  # it needs what a build needs
        )

        check_reach(options)
    else:
        _check_shares(options, weights.config.layers)


def _check_shares(options: PruneOptions, present: int) -> None:
    """Shares of a model with so many layers."""
    if options.layers is not None and options.layers > present:
        raise InputError(f"--layers {options.layers}: the model has {present}.")
    shares = (options.neurons or 1.0, options.heads or 1.0, (options.layers or present) / present)
    if min(shares) >= 1.0:
        raise InputError("All of the model would be kept; give a smaller share, or fewer layers.")


def _check_values(options: PruneOptions) -> None:
    importance_kind(options.importance)
    parse_block(options.block)
    for name in SHARES:
        share = getattr(options, name)
        if share is not None and not 0 < share <= 1:
            raise InputError(f"--{name} {share:.4g}: give a share above 0 and at most 100%.")
    if options.sparsity is not None and options.sparsity >= 1:
        raise InputError("--sparsity 100%: nothing would be left; give less.")
    for name in ("layers", "steps", "final_epochs"):
        value = getattr(options, name)
        if value is not None and not 1 <= value <= 1000:
            raise InputError(f"--{name.replace('_', '-')} {value}: give 1 to 1000.")
