"""`invoke build` for a budget: the whole model where it fits, else the best one that does."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import msgspec

from edge_bert import cache, profiles
from edge_bert.compress.neurons import share_weights
from edge_bert.data import calibration
from edge_bert.errors import BudgetError, InputError, MissingToolError, RefusedError
from edge_bert.package import store
from edge_bert.package.manifest import sha256
from edge_bert.pipeline import build as building
from edge_bert.pipeline import convert
from edge_bert.pipeline.build import Built
from edge_bert.pipeline.request import DEFAULT_OUT, chosen_recipes
from edge_bert.pipeline.sizing import bounds, evaluate
from edge_bert.pipeline.sizing.asked import Asked, request_of
from edge_bert.pipeline.sizing.candidate import request_for
from edge_bert.pipeline.sizing.space import ROOM, outline_of, space_of
from edge_bert.pipeline.sizing.worth import worth_of
from edge_bert.progress import Progress, silent
from edge_bert.records.candidate import Candidate, SearchResult, Structure
from edge_bert.records.measurement import Measurement
from edge_bert.records.profile import Budget
from edge_bert.records.recipe import DEFAULT_RECIPES, RECIPES
from edge_bert.search import gates
from edge_bert.search.executors.choose import executor
from edge_bert.search.problem import Effort, Problem
from edge_bert.search.search import infeasible, search
from edge_bert.search.space import Space
from edge_bert.targets import emulator_tools


class NothingFitsError(BudgetError):
    """`found` is what the search says of the candidates that come nearest."""

    def __init__(self, found: SearchResult) -> None:
        super().__init__(found.reason)
        self.found = found

    @property
    def details(self) -> dict[str, object]:
        """The whole search: every candidate with the reason it was dropped."""
        return {"search": self.found}


# Whose code decides what a candidate is, scores and costs.
STAGES = (
    "compress",
    "data",
    "evaluate",
    "float_encoder",
    "graph",
    "measure",
    "quantize",
    "targets",
)
EVALUATIONS = 20  # each takes half a minute to a minute of one processor


@dataclass(frozen=True)
class Means:
    """How a search is run: its effort, and on how many processes or on which Dask cluster."""

    effort: Effort = field(default_factory=lambda: Effort(evaluations=EVALUATIONS))
    workers: int = 1
    scheduler: str | None = None


DEFAULT_MEANS = Means()


@dataclass(frozen=True)
class Whole:
    """What the whole model misses of a budget, None if it fits, and what was counted to know."""

    misses: str | None
    counted: tuple[Measurement, ...] = ()


def build_for(
    asked: Asked,
    limits: Budget | None,
    *,
    recipes: Sequence[str] = (),
    out: Path | None = None,
    whole: bool = False,
    means: Means = DEFAULT_MEANS,
    progress: Progress = silent,
) -> Built:
    """The bundle for the profile's budget, with `limits` in place of what it says of the same.

    The whole model is built in `recipes` where they are named, where it is asked for, where it
    meets the budget, and where the model is of a kind that cannot be made smaller. Raises
    InputError for limits beside named recipes, DataError for a corpus that cannot be read,
    NothingFitsError where nothing meets the budget.
    """
    if limits and (recipes or whole):
        raise InputError("--recipes and --whole build the whole model; leave the limits out.")
    if asked.corpus:
        calibration.load(Path(asked.corpus))  # a search needs it much later
    request = dataclasses.replace(
        request_of(asked),
        recipes=chosen_recipes(recipes) or DEFAULT_RECIPES,
        explicit=bool(recipes),
        out=(out or DEFAULT_OUT) / profiles.bundle_name(asked.profile),
    )
    budget = _merged(request.profile.budget, limits)
    if limits and (limits.latency_ms or limits.energy_mj) and emulator_tools.missing_tools():
        _refuse_to_time(asked, budget, means.effort)
    if recipes or whole:
        return building.build(request, progress)
    found = _look_at_whole(asked, budget, limits, progress)
    if found.misses is None:
        profile = msgspec.structs.replace(request.profile, budget=budget)
        request = dataclasses.replace(request, profile=profile, counted=found.counted)
        return building.build(request, progress)
    progress(f"the whole model does not fit: {found.misses}")
    return build_sized(_emulating(asked), budget, request.out, means=means, progress=progress)


def _merged(budget: Budget, limits: Budget | None) -> Budget:
    """The profile's budget with the user's limits over it."""
    given = {
        name: getattr(limits, name)
        for name in ("size_bytes", "latency_ms", "energy_mj", "min_score")
        if limits and getattr(limits, name) is not None
    }
    return msgspec.structs.replace(budget, **given)


def _emulating(asked: Asked) -> Asked:
    """`asked` with latency and energy found out only where this machine can emulate."""
    emulates = asked.emulates and not emulator_tools.missing_tools()
    return msgspec.structs.replace(asked, emulates=emulates)


def _refuse_to_time(asked: Asked, budget: Budget, effort: Effort) -> NoReturn:
    """Without an emulated phone: what can never be is told; of the rest, nothing is known."""
    impossible = ruled_out(asked, budget, effort)
    if impossible:
        raise NothingFitsError(impossible)
    raise MissingToolError(
        "Latency and energy are found out on an emulated phone: invoke emulator setup."
    )


def _look_at_whole(
    asked: Asked, budget: Budget, limits: Budget | None, progress: Progress
) -> Whole:
    """The whole model against `budget`; it misses nothing where it cannot be made smaller."""
    if emulator_tools.missing_tools():
        progress("the budget's latency and energy are not looked at: invoke emulator setup")
    try:
        return look_at_whole(_emulating(asked), budget, progress)
    except RefusedError as refusal:
        if limits:
            raise
        progress(str(refusal))
        return Whole(misses=None)


def look_at_whole(asked: Asked, budget: Budget, progress: Progress = silent) -> Whole:
    """The whole model in the profile's first recipe against `budget`.

    Its file is computed; latency and energy are emulated where `asked` emulates. Its score is not
    looked at, because no smaller model is expected to score more. Raises RefusedError where the
    model is of a kind that cannot be made smaller.
    """
    candidate = whole_candidate(asked)
    misses = gates.over(budget, bounds.bounds(asked, candidate), bound=True)
    if misses:
        return Whole(gates.reason(misses))
    if not asked.emulates:
        return Whole(misses=None)
    cost, counted = evaluate.whole_count(asked, RECIPES[candidate.recipe], progress)
    misses = gates.over(budget, cost)
    return Whole(gates.reason(misses) if misses else None, (counted,))


def whole_candidate(asked: Asked) -> Candidate:
    """All of the model, in the recipe that the profile wants most.

    Raises RefusedError for models that cannot be made smaller.
    """
    request = request_of(asked)
    weights = convert.weights_of(request)
    if share_weights(weights):
        raise RefusedError(
            f"{request.checkpoint.architecture}: its layers share their weights, and such a model "
            "is not made smaller for a budget; take wi8_afp32 or wi4_afp32 with --recipes."
        )
    shape = weights.shape
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
    asked: Asked,
    budget: Budget,
    out: Path,
    *,
    means: Means = DEFAULT_MEANS,
    progress: Progress = silent,
) -> Built:
    """Search for the candidate that scores best within `budget`, and build its bundle in `out`.

    Raises NothingFitsError where no candidate meets the budget, RefusedError where the chosen one
    does not run on the profile's runtime.
    """
    asked = _with_content(asked)
    found = find(asked, budget, means, progress)
    if found.chosen is None:
        raise NothingFitsError(found)
    chosen = found.chosen.candidate
    request = request_for(asked, chosen)
    profile = msgspec.structs.replace(
        request.profile,
        budget=budget,
        default_recipes=(chosen.recipe,),
        default_reason=_as_reason(found.reason),
    )
    counted = (evaluate.count(asked, chosen),) if asked.emulates else ()
    sized = dataclasses.replace(
        request,
        profile=profile,
        search=found,
        counted=counted,
        out=out,
        explicit=True,  # float32 in place of the chosen file would not meet the budget
    )
    return building.build(sized, progress)


def find(asked: Asked, budget: Budget, means: Means, progress: Progress) -> SearchResult:
    """The search alone; what it evaluates is kept in the cache and used again.

    A budget that no candidate can meet ends it before anything is measured.
    """
    impossible = ruled_out(asked, budget, means.effort)
    if impossible:
        return impossible
    asked = _with_content(asked)
    problem = _problem(asked, space_of(asked, worth_of(asked, progress)), budget)
    journal = cache.folder("searches") / f"{problem.key}.jsonl"
    with executor(workers=means.workers, scheduler=means.scheduler) as workers:
        return search(problem, workers, journal, effort=means.effort, progress=progress)


def _as_reason(sentence: str) -> str:
    """A sentence as what follows the word `because`."""
    return (sentence[:1].lower() + sentence[1:]).rstrip(".")


def _with_content(asked: Asked) -> Asked:
    """`asked` for processes that live on, which must tell it from an older one of equal words."""
    return msgspec.structs.replace(asked, content=asked.content or _key(asked))


def ruled_out(asked: Asked, budget: Budget, effort: Effort) -> SearchResult | None:
    """What a search would end with, if the numbers of the model alone rule out all candidates.

    Those that it names have their heads and neurons shared out evenly. None where a candidate may
    meet the budget, or where that cannot be told without measuring.
    """
    outline = outline_of(asked)
    if outline is None:
        return None
    size = budget.size_bytes and ROOM * budget.size_bytes
    roomy = msgspec.structs.replace(budget, size_bytes=size)
    if infeasible(_problem(asked, outline, roomy)) is None:
        return None
    return infeasible(_problem(asked, outline, budget), effort=effort)


def _problem(asked: Asked, space: Space, budget: Budget) -> Problem[Asked]:
    return Problem(
        key=_key(asked),
        space=space,
        budget=budget,
        context=asked,
        bounds=bounds.bounds,
        score=evaluate.score,
        cost=evaluate.cost,
    )


def _key(asked: Asked) -> str:
    """All that a candidate's score and cost depend on beside itself."""
    request = request_of(asked)
    device = msgspec.structs.replace(request.profile, budget=Budget())
    code = store.source_digest(*(convert.PACKAGE / stage for stage in STAGES))
    length = request.profile.budget.latency_length
    corpus = Path(asked.corpus).read_bytes() if asked.corpus else b""
    return store.key_of(
        request.checkpoint.sha256,
        request.calibration.info,
        [msgspec.json.encode(each) for each in request.data],
        msgspec.json.encode(device),
        (length, request.lengths, asked.emulates, asked.float_output, sha256(corpus)),
        code,
        convert.tool_versions(),
    )
