"""`invoke build` for a budget: the whole model where it fits, else the best one that does."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import msgspec

from edge_bert import profiles
from edge_bert.budget_text import describe_violations
from edge_bert.compress.prune.ffn import share_weights
from edge_bert.data import calibration
from edge_bert.devices.emulator import cpu_files, host_tools
from edge_bert.errors import BudgetError, InputError, MissingToolError, RefusedError
from edge_bert.estimate import latency_model
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build import build as building
from edge_bert.pipeline.build.build import BuiltBundle
from edge_bert.pipeline.build.options import BuildOptions, open_session
from edge_bert.pipeline.build.session import DEFAULT_OUT, recipes_named
from edge_bert.pipeline.sizing import cost_bounds, evaluate_candidate
from edge_bert.pipeline.sizing.candidate_session import candidate_session
from edge_bert.pipeline.sizing.search_candidates import (
    DEFAULT_CONFIG,
    SearchConfig,
    ruled_out,
    search_candidates,
    with_content,
)
from edge_bert.progress import Progress, no_progress
from edge_bert.records.budget import exceeded_limits
from edge_bert.records.candidate import Candidate, SearchResult, Structure
from edge_bert.records.measurement import Measurement
from edge_bert.records.profile import Budget
from edge_bert.records.recipe import DEFAULT_RECIPES, RECIPES
from edge_bert.search.problem import SearchEffort


class NothingFitsError(BudgetError):
    """`found` is what the search says of the candidates that come nearest."""

    def __init__(self, found: SearchResult) -> None:
        super().__init__(found.reason)
        self.found = found

    @property
    def details(self) -> dict[str, object]:
        """The whole search: every candidate with the reason it was dropped."""
        return {"search": self.found}


@dataclass(frozen=True)
class Whole:
    """What the whole model misses of a budget, None if it fits, and what was counted to know."""

    misses: str | None
    counted: tuple[Measurement, ...] = ()


def fit_to_budget(
    asked: BuildOptions,
    limits: Budget | None,
    *,
    recipes: Sequence[str] = (),
    out: Path | None = None,
    whole: bool = False,
    means: SearchConfig = DEFAULT_CONFIG,
    progress: Progress = no_progress,
) -> BuiltBundle:
    """The bundle for the profile's budget, with `limits` in place of what it says of the same.

    The whole model is built in `recipes` where they are named, where it is asked for, where it
    meets the budget, and where the model is of a kind that cannot be made smaller. Raises
    InputError for limits beside named recipes, DataError for a corpus that cannot be read,
    NothingFitsError where nothing meets the budget.
    """
    if limits and (recipes or whole):
        raise InputError(
            "--recipes and --unpruned build the model in full size; leave the limits out."
        )
    if asked.corpus:
        calibration.load_sentences(Path(asked.corpus))  # a search needs it much later
    request = dataclasses.replace(
        open_session(asked),
        recipes=recipes_named(recipes) or DEFAULT_RECIPES,
        explicit=bool(recipes),
        out=(out or DEFAULT_OUT) / profiles.bundle_name(asked.profile),
    )
    budget = _merged(request.profile.budget, limits)
    if limits and (limits.latency_ms or limits.energy_mj) and _why_not_emulated(asked):
        _refuse_to_time(asked, budget, means.effort)
    if recipes or whole:
        return building.build_bundle(request, progress)
    found = _look_at_whole(asked, budget, limits, progress)
    if found.misses is None:
        profile = msgspec.structs.replace(request.profile, budget=budget)
        request = dataclasses.replace(request, profile=profile, counted=found.counted)
        return building.build_bundle(request, progress)
    progress(f"the whole model does not fit: {found.misses}")
    return build_sized(check_emulation(asked), budget, request.out, means=means, progress=progress)


def _merged(budget: Budget, limits: Budget | None) -> Budget:
    """The profile's budget with the user's limits over it."""
    given = {
        name: getattr(limits, name)
        for name in ("size_bytes", "latency_ms", "energy_mj", "min_score")
        if limits and getattr(limits, name) is not None
    }
    return msgspec.structs.replace(budget, **given)


def check_emulation(asked: BuildOptions) -> BuildOptions:
    """`asked` with latency and energy found out only where this machine can emulate."""
    emulates = asked.emulates and _why_not_emulated(asked) is None
    return msgspec.structs.replace(asked, emulates=emulates)


def _why_not_emulated(asked: BuildOptions) -> str | None:
    """Why latency and energy cannot be found out on an emulated phone; None where they can."""
    if host_tools.find_missing_tools():
        return "invoke emulator setup"
    core = cpu_files.find_cluster(open_session(asked).profile, None).core
    return None if latency_model.knows_core(core) else f"the cost model does not know {core}"


def _refuse_to_time(asked: BuildOptions, budget: Budget, effort: SearchEffort) -> NoReturn:
    """Without an emulated phone: what can never be is told; of the rest, nothing is known."""
    impossible = ruled_out(asked, budget, effort)
    if impossible:
        raise NothingFitsError(impossible)
    raise MissingToolError(
        f"Limits on latency and energy need the emulated phone: {_why_not_emulated(asked)}."
    )


def _look_at_whole(
    asked: BuildOptions, budget: Budget, limits: Budget | None, progress: Progress
) -> Whole:
    """The whole model against `budget`; it misses nothing where it cannot be made smaller."""
    unknown = _why_not_emulated(asked)
    if unknown:
        progress(f"the budget's latency and energy are not looked at: {unknown}")
    try:
        return look_at_whole(check_emulation(asked), budget, progress)
    except RefusedError as refusal:
        if limits:
            raise
        progress(str(refusal))
        return Whole(misses=None)


def look_at_whole(asked: BuildOptions, budget: Budget, progress: Progress = no_progress) -> Whole:
    """The whole model in the profile's first recipe against `budget`.

    Its file is computed; latency and energy are emulated where `asked` emulates. Its score is not
    looked at, because no smaller model is expected to score more. Raises RefusedError where the
    model is of a kind that cannot be made smaller.
    """
    candidate = whole_candidate(asked)
    misses = exceeded_limits(budget, cost_bounds.bound_cost(asked, candidate), bound=True)
    if misses:
        return Whole(describe_violations(misses))
    if not asked.emulates:
        return Whole(misses=None)
    cost, counted = evaluate_candidate.whole_count(asked, RECIPES[candidate.recipe], progress)
    misses = exceeded_limits(budget, cost)
    return Whole(describe_violations(misses) if misses else None, (counted,))


def whole_candidate(asked: BuildOptions) -> Candidate:
    """All of the model, in the recipe that the profile wants most.

    Raises RefusedError for models that cannot be made smaller.
    """
    request = open_session(asked)
    weights = artifacts.session_weights(request)
    if share_weights(weights):
        raise RefusedError(
            f"{request.checkpoint.architecture}: its layers share their weights, and such a model "
            "is not made smaller for a budget; take wi8_afp32 or wi4_afp32 with --recipes."
        )
    shape = weights.config
    recipe = RECIPES[request.profile.default_recipes[0]]
    bits = min(recipe.weight_bits, 8)
    return Candidate(
        structure=Structure(
            layers=tuple(range(shape.layers)),
            ffn=shape.ffn,
            heads=shape.heads,
            vocabulary=shape.vocabulary,
        ),
        recipe=recipe.name,
        matrix_bits=(bits,) * shape.layers,
        embedding_bits=bits,
        lengths=request.lengths,
    )


def build_sized(
    asked: BuildOptions,
    budget: Budget,
    out: Path,
    *,
    means: SearchConfig = DEFAULT_CONFIG,
    progress: Progress = no_progress,
) -> BuiltBundle:
    """Search for the candidate that scores best within `budget`, and build its bundle in `out`.

    Raises NothingFitsError where no candidate meets the budget, RefusedError where the chosen one
    does not run on the profile's runtime.
    """
    asked = with_content(asked)
    found = search_candidates(asked, budget, means, progress)
    if found.chosen is None:
        raise NothingFitsError(found)
    chosen = found.chosen.candidate
    request = candidate_session(asked, chosen)
    profile = msgspec.structs.replace(
        request.profile,
        budget=budget,
        default_recipes=(chosen.recipe,),
        default_reason=_as_reason(found.reason),
    )
    counted = (evaluate_candidate.count_candidate(asked, chosen),) if asked.emulates else ()
    sized = dataclasses.replace(
        request,
        profile=profile,
        search=found,
        counted=counted,
        out=out,
        explicit=True,  # float32 in place of the chosen file would not meet the budget
    )
    return building.build_bundle(sized, progress)


def _as_reason(sentence: str) -> str:
    """A sentence as what follows the word `because`."""
    return (sentence[:1].lower() + sentence[1:]).rstrip(".")
