"""Which recipe a plan's models are in, and which one it ends in: trained integers stay."""

from __future__ import annotations

import pytest

from edge_bert import profiles
from edge_bert.cli.plan_steps import parse_steps
from edge_bert.compress.plan_file import parse_plan
from edge_bert.errors import EdgeBertError, InputError, RefusedError
from edge_bert.pipeline.compress.options import CompressOptions
from edge_bert.pipeline.compress.plan_lengths import split_lengths
from edge_bert.pipeline.compress.plan_recipes import (
    check_token_recipes,
    choose_end_recipe,
    list_recipes,
)
from edge_bert.pipeline.compress.step_jobs import PlannedStep
from edge_bert.records.plan import Plan, PlanBuild
from tests.one_line import refused

PRUNE = "[[steps]]\nkind = 'prune'\nneurons = '50%'\n"
QAT = "[[steps]]\nkind = 'qat'\nrecipe = '{}'\n"
CLUSTER = "[[steps]]\nkind = 'cluster'\n"
FOUR = QAT.format("wi4c_afp32")
EIGHT = QAT.format("wi8_afp32")
TOKENS = "[[steps]]\nkind = 'tokens'\nafter = 1\nkeep = '50%'\n"
TABLE = "[build]\ntable_bits = 4\n"
BUILD = "[build]\nrecipe = '{}'\n"


def steps_of(text: str) -> tuple[Plan, tuple[PlannedStep, ...]]:
    """A plan of this text, and its steps on some texts."""
    plan = parse_plan("p.toml", text.encode())
    options = CompressOptions(plan="p", profile="pixel-9", name="n", text=("c.txt",))
    return plan, parse_steps(options, plan, "p")


@pytest.mark.parametrize(
    ("text", "recipes", "end"),
    [
        (PRUNE, ["wi8_afp32"], "wi8_ai8_afp32"),
        (PRUNE + BUILD.format("wi4_afp32"), ["wi8_afp32"], "wi4_afp32"),
        (PRUNE + FOUR, ["wi8_afp32", "wi4c_afp32"], "wi4c_afp32"),
        (PRUNE + FOUR + BUILD.format("wi4c_afp32"), ["wi8_afp32", "wi4c_afp32"], "wi4c_afp32"),
        (EIGHT + CLUSTER, ["wi8_afp32", "wi8_afp32"], "wi8_afp32"),
        (CLUSTER, ["wi8_afp32"], "wi8_afp32"),
    ],
)
def test_trained_integers_are_built(text: str, recipes: list[str], end: str) -> None:
    """From the step on that trains them; without such a step it is the plan's or the profile's."""
    plan, steps = steps_of(text)
    assert list(list_recipes(steps, "wi8_afp32")) == recipes
    assert choose_end_recipe(steps, plan.build, profiles.load_profile("android-low-end")) == end


@pytest.mark.parametrize(
    ("text", "profile", "kind", "match"),
    [
        (PRUNE + FOUR + BUILD.format("wi8_afp32"), "pixel-9", InputError, r"step 2 \(qat\) trains"),
        (CLUSTER + BUILD.format("wi4_afp32"), "pixel-9", InputError, r"step 1 \(cluster\) trains"),
        (FOUR + CLUSTER, "pixel-9", InputError, r"step 2 \(cluster\) makes .* step 1 \(qat\)"),
        (PRUNE + BUILD.format("wi3"), "pixel-9", InputError, "No recipe is called 'wi3'"),
        (PRUNE + TABLE + "recipe = 'wi8_ai8'\n", "pixel-9", InputError, "wi8_ai8 is built"),
        (PRUNE + TABLE.replace("4", "3"), "android-low-end", InputError, "table_bits = 3: give 2"),
        (FOUR + TABLE, "pixel-9", InputError, "table_bits = 4: step 1 trains"),
        (FOUR, "raspberry-pi-4", RefusedError, "wi4c_afp32 is not made for tflite"),
    ],
)
def test_integers_that_would_be_rounded_again_are_refused(
    text: str, profile: str, kind: type[EdgeBertError], match: str
) -> None:
    """As is what the device's runtime cannot run."""
    plan, steps = steps_of(text)
    with refused(kind, match):
        choose_end_recipe(steps, plan.build, profiles.load_profile(profile))


def test_buckets_are_given_or_chosen_for_the_texts() -> None:
    """As `invoke build --lengths` takes them."""
    plan, _ = steps_of(PRUNE + "[build]\nlengths = [32, 128]\n")
    assert split_lengths(plan.build) == ((32, 128), None)
    assert split_lengths(PlanBuild(lengths="auto")) == ((), 4)
    assert split_lengths(PlanBuild(lengths="auto:6")) == ((), 6)
    for text in ("32,128", "auto:", "automatic", "auto:x"):
        with refused(InputError, r"\[build\] lengths"):
            split_lengths(PlanBuild(lengths=text))


@pytest.mark.parametrize(
    ("text", "base", "end", "match"),
    [
        (TOKENS + FOUR, "wi8_afp32", "wi4c_afp32", None),
        (PRUNE + QAT.format("wi8_ai8"), "wi8_ai8", "wi8_ai8", None),
        (PRUNE + TOKENS + QAT.format("wi8_ai8"), "wi8_afp32", "wi8_ai8", r"step 3 \(qat\) is of"),
        (PRUNE + TOKENS, "wi8_afp32", "wi8_ai8_afp32", "the bundle is of wi8_ai8_afp32"),
        (PRUNE + TOKENS, "wi8_ai8", "wi8_afp32", r"step 2 \(tokens\) is of wi8_ai8"),
    ],
)
def test_calibrated_integers_of_fewer_tokens_are_refused(
    text: str, base: str, end: str, match: str | None
) -> None:
    """Before the first step trains, wherever they would come up."""
    _, steps = steps_of(text)
    if match is None:
        check_token_recipes(steps, base, end)
        return
    with refused(InputError, match):
        check_token_recipes(steps, base, end)
