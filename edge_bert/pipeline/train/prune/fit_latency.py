"""The structure of a model that meets a latency on a device, by the modelled cost."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from edge_bert.compress.prune.allocate_sparsity import NEURONS_AT_ONCE, ErrorCurves, plan_structure
from edge_bert.compress.train.backends.choose_backend import DEFAULT, select_backend
from edge_bert.errors import BudgetError, InputError, MissingToolError
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.sizing.cost_bounds import bound_cost
from edge_bert.pipeline.sizing.evaluate_candidate import measure_cost
from edge_bert.pipeline.sizing.fit_to_budget import unpruned_candidate, why_not_emulated
from edge_bert.pipeline.sizing.session import SizingSession
from edge_bert.pipeline.train.options import PruneOptions
from edge_bert.progress import Progress, no_progress
from edge_bert.records.candidate import Candidate, Structure

FINEST = 50  # shares of heads and neurons that are told apart: 2 % and its multiples
LatencyOf = Callable[[float], float]


def check_reach(options: PruneOptions) -> None:
    """Raise where `options.max_latency` cannot be met or modelled, before anything is computed.

    BudgetError where the least structure's multiply-adds alone take longer, MissingToolError
    without an emulator, and what opening a build raises, such as ProfileError.
    """
    if select_backend() != DEFAULT:
        raise InputError(
            "--max-latency builds files, which only TensorFlow can; unset KERAS_BACKEND."
        )
    session, limit = _open_session(options), options.max_latency or 0.0
    whole = unpruned_candidate(session)
    structure = whole.structure
    count = len(structure.layers)
    smallest = msgspec.structs.replace(
        structure,
        heads=(1,) * count,
        ffn=tuple(min(NEURONS_AT_ONCE, present) for present in structure.ffn),
    )
    least = bound_cost(session, msgspec.structs.replace(whole, structure=smallest)).latency_ms
    if least is not None and least > limit:
        raise _out_of_reach(limit, least, "the multiply-adds of its smallest structure")
    reason = why_not_emulated(session.profile)
    if reason:
        raise MissingToolError(f"--max-latency needs the emulated phone: {reason}.")


def fit_latency(
    options: PruneOptions, curves: ErrorCurves, progress: Progress = no_progress
) -> tuple[Structure, float]:
    """The largest structure within `options.max_latency`, and its modelled milliseconds.

    Heads and neurons have one share. A file of each structure that is tried is built in the
    profile's first recipe, and its instructions are counted on the emulated phone. Raises
    BudgetError for a latency that is out of reach, and InputError where the whole model meets it.
    """
    session = _open_session(options)
    sizing, whole = SizingSession(session), unpruned_candidate(session)

    def resize(share: float) -> Candidate:
        structure = plan_structure(
            curves, whole.structure.layers, share, share, whole.structure.vocabulary
        )
        return msgspec.structs.replace(whole, structure=structure)

    def latency_of(share: float) -> float:
        latency = measure_cost(sizing, resize(share)).latency_ms or 0.0
        progress(f"latency: {share:.0%} of heads and neurons take {latency:.2f} ms")
        return latency

    share, latency = largest_share(latency_of, options.max_latency or 0.0)
    return resize(share).structure, latency


def _open_session(options: PruneOptions) -> BuildSession:
    return BuildSession.open(
        BuildOptions(
            profile=options.profile or "", model=options.model, max_latency=options.max_latency
        )
    )


def largest_share(latency_of: LatencyOf, limit: float) -> tuple[float, float]:
    """The largest multiple of 1 / FINEST whose latency is within the limit, and that latency.

    By bisection, as the latency rises with the share. Raises InputError where all of the model is
    within the limit, BudgetError where its smallest share is not.
    """
    whole = latency_of(1.0)
    if whole <= limit:
        raise InputError(
            f"--max-latency {limit:g}ms: all of the model takes {whole:.2f} ms; nothing has to go."
        )
    low, high = 1, FINEST
    fits = latency_of(low / FINEST)
    if fits > limit:
        raise _out_of_reach(limit, fits, f"{low / FINEST:.0%} of its heads and neurons")
    while high - low > 1:
        middle = (low + high) // 2
        latency = latency_of(middle / FINEST)
        if latency <= limit:
            low, fits = middle, latency
        else:
            high = middle
    return low / FINEST, fits


def _out_of_reach(limit: float, nearest: float, what: str) -> BudgetError:
    return BudgetError(
        f"--max-latency {limit:g}ms is out of reach: {what} take {nearest:.2f} ms, the nearest; "
        "drop layers first, with --layers or `invoke distill`."
    )
