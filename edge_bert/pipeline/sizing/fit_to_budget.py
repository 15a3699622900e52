"""`invoke build` for a budget: the unpruned model where it fits, else the best one that does."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import msgspec

from edge_bert.budget_text import describe_violations
from edge_bert.data.sentence_files import read_sentences
from edge_bert.devices.emulator import cpu_files, host_tools
from edge_bert.errors import BudgetError, InputError, MissingToolError, RefusedError
from edge_bert.estimate import core_model
from edge_bert.pipeline.build.build import BudgetEvidence, BuiltBundle, build_bundle
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.sizing import evaluate_candidate
from edge_bert.pipeline.sizing.cost_bounds import bound_cost
from edge_bert.progress import Progress, no_progress
from edge_bert.records.budget import exceeded_limits
from edge_bert.records.candidate import Candidate, SearchResult, Structure
from edge_bert.records.measurement import Measurement
from edge_bert.records.profile import DeviceProfile
from edge_bert.records.recipe import RECIPES
from edge_bert.records.weight_bits import WeightBits

if TYPE_CHECKING:
    from edge_bert.pipeline.sizing.session import SizingSession
    from edge_bert.pipeline.sizing.tuning import Tuning


class NothingFitsError(BudgetError):
    """Nothing meets the budget; `search` holds the candidates that come nearest."""

    def __init__(self, search: SearchResult) -> None:
        super().__init__(search.reason)
        self.search = search

    @property
    def details(self) -> dict[str, object]:
        """The whole search: every candidate with the reason it was dropped."""
        return {"search": self.search}


@dataclass(frozen=True)
class UnprunedFit:
    """What the unpruned model exceeds of a budget, None if it fits, and what was counted."""

    exceeded: str | None
    counted: tuple[Measurement, ...] = ()


def fit_to_budget(
    options: BuildOptions, progress: Progress = no_progress, tuning: Tuning | None = None
) -> BuiltBundle:
    """The bundle for the profile's budget, with the options' limits over it.

    The unpruned model is built in the recipes that the options name, where `unpruned` asks for it,
    where it meets the budget, and where the model is of a kind that cannot be pruned; the
    sub-network of `structure` in any case. What a search chooses learns by `tuning` before it is
    built. Raises InputError for limits beside named recipes or a structure, DataError for a corpus
    that cannot be read, NothingFitsError where nothing meets the budget.
    """
    _check_options(options, tuning)
    _ = options.effort  # checked now, although a search needs it much later; so is the corpus
    if options.corpus:
        read_sentences(options.corpus)
    session = BuildSession.open(options)
    if tuning is not None:
        tuning.check(session)
    if (options.max_latency or options.max_energy) and why_not_emulated(session.profile):
        _refuse_to_emulate(session)
    if options.structure is not None:
        from edge_bert.pipeline.sizing.cut_session import cut_session  # as below

        return build_bundle(cut_session(session, options.structure), progress)
    if options.recipes or options.unpruned:
        return build_bundle(session, progress)
    return _fit_session(session, progress, tuning)


def _check_options(options: BuildOptions, tuning: Tuning | None) -> None:
    """Raise InputError for options that say against each other what is built."""
    if options.limits and (options.recipes or options.unpruned):
        raise InputError(
            "--recipes and --unpruned build the model in full size; leave the limits out."
        )
    if options.structure is not None and (options.limits or options.unpruned):
        raise InputError("--structure says what is built; leave limits and --unpruned out.")
    if tuning is not None and (options.recipes or options.unpruned or options.structure):
        raise InputError(
            "--tune is for what a search chooses; leave --recipes, --unpruned and --structure out."
        )


def _fit_session(session: BuildSession, progress: Progress, tuning: Tuning | None) -> BuiltBundle:
    from edge_bert.pipeline.sizing.session import SizingSession

    scaled_to = cpu_files.find_cluster(session.profile, None).scaled_to
    if scaled_to:
        progress(f"modelled times are scaled to {scaled_to}")
    unknown = why_not_emulated(session.profile)
    if unknown:
        progress(f"the budget's latency and energy are not looked at: {unknown}")
        session = without_emulation(session)
    sizing = SizingSession(session)
    try:
        _ = sizing.supernet  # one that is damaged is refused, also where the whole model fits
        fit = fit_unpruned(session, progress)
    except RefusedError as refusal:
        if session.options.limits:
            raise
        progress(str(refusal))
        fit = UnprunedFit(exceeded=None)
    if fit.exceeded is None:
        if tuning is not None:
            progress("the whole model fits; nothing is tuned")
        return build_bundle(session, progress, BudgetEvidence(counted=fit.counted))
    progress(f"the whole model does not fit: {fit.exceeded}")
    return build_sized(sizing, progress, tuning)


def without_emulation(session: BuildSession) -> BuildSession:
    """`session` without the latency and the energy of its budget."""
    options = msgspec.structs.replace(session.options, emulate=False)
    return dataclasses.replace(session, options=options)


def why_not_emulated(profile: DeviceProfile) -> str | None:
    """Why latency and energy cannot be emulated; None where they can."""
    if host_tools.find_missing_tools():
        return host_tools.suggest_setup()
    core = cpu_files.find_cluster(profile, None).core
    return None if core_model.knows_core(core) else f"the cost model does not know {core}"


def _refuse_to_emulate(session: BuildSession) -> NoReturn:
    """Raise NothingFitsError where bounds rule the budget out, else MissingToolError."""
    from edge_bert.pipeline.sizing.search_candidates import rule_out_budget
    from edge_bert.pipeline.sizing.session import SizingSession

    impossible = rule_out_budget(SizingSession(session))
    if impossible:
        raise NothingFitsError(impossible)
    reason = why_not_emulated(session.profile)
    raise MissingToolError(f"Limits on latency and energy need the emulated phone: {reason}.")


def fit_unpruned(session: BuildSession, progress: Progress = no_progress) -> UnprunedFit:
    """The unpruned model in the profile's first recipe against the budget.

    Its file is computed; latency and energy are emulated where the options say so. Its score is
    not looked at, because no smaller model is expected to score more. Raises RefusedError where
    the model is of a kind that cannot be pruned.
    """
    candidate, budget = unpruned_candidate(session), session.profile.budget
    exceeded = exceeded_limits(budget, bound_cost(session, candidate), bound=True)
    if exceeded:
        return UnprunedFit(describe_violations(exceeded))
    if not session.options.emulate:
        return UnprunedFit(exceeded=None)
    cost, measurement = evaluate_candidate.count_unpruned(
        session, RECIPES[candidate.recipe], progress
    )
    exceeded = exceeded_limits(budget, cost)
    text = describe_violations(exceeded) if exceeded else None
    return UnprunedFit(text, (measurement,))


def unpruned_candidate(session: BuildSession) -> Candidate:
    """All of the model, in the recipe that the profile wants most.

    Raises RefusedError for models that cannot be pruned.
    """
    if session.weights.shares_layers:
        raise RefusedError(
            f"{session.checkpoint.architecture}: its layers share their weights, and such a model "
            "is not made smaller for a budget; take wi8_afp32 or wi4_afp32 with --recipes."
        )
    if session.weights.exits:
        raise RefusedError(
            f"{session.checkpoint.name} has exits, which belong to its layers as they are; make it "
            "smaller first, with `prune` or `distill`, and give it exits then."
        )
    if session.weights.config.cuts:
        raise RefusedError(
            f"{session.checkpoint.name} goes on with fewer tokens after some of its layers, so "
            "that none can go, and nothing smaller is looked for; make the model smaller first, "
            "and run `invoke tokens` on what is left."
        )
    config, recipe = session.weights.config, RECIPES[session.profile.default_recipes[0]]
    bits = WeightBits.of_recipe(recipe, config.layers)
    return Candidate(
        structure=Structure(
            layers=tuple(range(config.layers)),
            ffn=config.ffn,
            heads=config.heads,
            vocabulary=config.vocabulary,
        ),
        recipe=recipe.name,
        matrix_bits=bits.matrix_bits,
        embedding_bits=bits.embedding_bits,
        lengths=session.lengths,
    )


def build_sized(
    sizing: SizingSession, progress: Progress = no_progress, tuning: Tuning | None = None
) -> BuiltBundle:
    """Search for the candidate that scores best within the budget, and build its bundle.

    With `tuning` it learns before it is built. Raises NothingFitsError where no candidate meets the
    budget, RefusedError where the chosen one does not run on the profile's runtime.
    """
    # Here, because scipy and what else a search needs takes half a second to import.
    from edge_bert.pipeline.sizing.search_candidates import search_candidates

    search = search_candidates(sizing, progress)
    if search.chosen is None:
        raise NothingFitsError(search)
    chosen, reason = search.chosen.candidate, _as_reason(search.reason)
    session = sizing.for_candidate(chosen)
    if tuning is not None:
        tuned = tuning.tune(sizing.build, sizing.cut_structure(chosen.structure), chosen.structure)
        session = sizing.for_tuned(chosen, tuned.weights)
        reason = f"{reason}; {tuned.description}"
    counted: tuple[Measurement, ...] = ()
    if session.options.emulate:
        counted = (evaluate_candidate.count_sized(session, RECIPES[chosen.recipe]),)
    profile = msgspec.structs.replace(
        session.profile, default_recipes=(chosen.recipe,), default_reason=reason
    )
    sized = dataclasses.replace(session, profile=profile)
    return build_bundle(sized, progress, BudgetEvidence(search, counted))


def _as_reason(sentence: str) -> str:
    """A sentence as what follows the word `because`."""
    return (sentence[:1].lower() + sentence[1:]).rstrip(".")
