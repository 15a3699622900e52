"""Which recipe each model of a plan is built in, and which one the plan ends in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge_bert.errors import InputError
from edge_bert.pipeline.build.choices.chosen_bits import HYBRID
from edge_bert.pipeline.build.session import find_recipes
from edge_bert.pipeline.compress.step_jobs import PlannedStep
from edge_bert.pipeline.train.options import ClusterOptions, QatOptions
from edge_bert.quantize.tflite_runtime_2_14 import refuse_narrow_weights
from edge_bert.records.plan import PlanBuild
from edge_bert.records.profile import TFLITE_RUNTIME_2_14, DeviceProfile
from edge_bert.records.recipe import RECIPES, WI8_AFP32
from edge_bert.records.weight_bits import WIDTHS

TOKENS = "tokens"  # the kind of step that cuts them
CLUSTERED = WI8_AFP32.name  # whose integers clusters are


def list_recipes(steps: Sequence[PlannedStep], base: str) -> tuple[str, ...]:
    """The recipe that each step's model is measured in: `base` until a step trains the integers
    of one, which later steps keep."""
    return tuple(_name_recipes(steps, base))


def choose_end_recipe(
    steps: Sequence[PlannedStep], build: PlanBuild, profile: DeviceProfile
) -> str:
    """The recipe of the bundle: that of the trained integers, the plan's, or the profile's first.

    Raises InputError for one that would round trained integers again, for an unknown one and for
    bits of a word table that it does not have, RefusedError for one that the profile's runtime
    cannot run.
    """
    _check_clustering(steps)
    find_recipes([build.recipe] if build.recipe else [])
    trained = [number for number, step in enumerate(steps, 1) if _trained_recipe(step)]
    recipe = build.recipe or profile.default_recipes[0]
    if trained:
        recipe = _trained_recipe(steps[trained[-1] - 1]) or recipe
        if build.recipe not in (None, recipe):
            raise InputError(
                f"[build] recipe {build.recipe}: step {trained[-1]} "
                f"({steps[trained[-1] - 1].kind}) trains the integers of {recipe}, and another "
                "file would round them again; leave it out, or train for that one."
            )
    if build.table_bits is not None:
        _check_table(build.table_bits, recipe, trained)
    if profile.parsed_runtime() == TFLITE_RUNTIME_2_14:
        refuse_narrow_weights(RECIPES[recipe])
    return recipe


def _check_table(bits: int, recipe: str, trained: Sequence[int]) -> None:
    """Raise InputError where the recipe's file cannot have a word table of `bits`, or the steps
    numbered `trained` trained the table's integers."""
    if trained:
        raise InputError(
            f"[build] table_bits = {bits}: step {trained[-1]} trains the integers of the word "
            "table; give it to that step."
        )
    if bits not in WIDTHS or RECIPES[recipe] not in HYBRID:
        hybrid = ", ".join(recipe.name for recipe in HYBRID)
        raise InputError(
            f"[build] table_bits = {bits}: give 2 (codebooks), 4 or 8, with one of the recipes "
            f"{hybrid}; {recipe} is built."
        )


def check_token_recipes(steps: Sequence[PlannedStep], base: str, end: str) -> None:
    """Raise InputError where a model that goes on with fewer tokens would have calibrated integers:
    in the measure of a step, in its training, or in the bundle, of the recipe `end`."""
    kinds = [step.kind for step in steps]
    if TOKENS not in kinds:
        return
    names = [f"step {number} ({kind})" for number, kind in enumerate(kinds, start=1)]
    recipes = zip([*names, "the bundle"], [*list_recipes(steps, base), end], strict=True)
    for name, recipe in list(recipes)[kinds.index(TOKENS) :]:
        if RECIPES[recipe].needs_calibration:
            raise InputError(
                f"{name} is of {recipe}: calibrated integers have no form of a model that goes on "
                "with fewer tokens; take wi8_afp32 or wi4c_afp32, or leave the step tokens out."
            )


def _name_recipes(steps: Sequence[PlannedStep], base: str) -> Iterator[str]:
    recipe = base
    for step in steps:
        recipe = _trained_recipe(step) or recipe
        yield recipe


def _trained_recipe(step: PlannedStep) -> str | None:
    """The recipe whose integers a step leaves."""
    if isinstance(step.options, QatOptions):
        return step.options.recipe
    return CLUSTERED if isinstance(step.options, ClusterOptions) else None


def _check_clustering(steps: Sequence[PlannedStep]) -> None:
    """Raise InputError where clusters would take the place of other trained integers."""
    earlier: tuple[int, str] | None = None
    for number, step in enumerate(steps, start=1):
        if isinstance(step.options, QatOptions):
            earlier = number, step.options.recipe
        elif isinstance(step.options, ClusterOptions) and earlier and earlier[1] != CLUSTERED:
            raise InputError(
                f"step {number} ({step.kind}) makes integers of {CLUSTERED}, and step "
                f"{earlier[0]} (qat) trains those of {earlier[1]}; leave one of them out."
            )
