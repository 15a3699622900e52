"""Plans as files: those that we ship are whole, and what cannot be a plan is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_bert.compress.plan_file import load_plan, name_plan, parse_plan, plan_names
from edge_bert.errors import InputError
from edge_bert.records.plan import Plan, PlanStep
from tests.one_line import refused

TWO_STEPS = b"""
split_seed = 3
[[steps]]
kind = "distill"
layers = 3
[[steps]]
kind = "prune"
heads = 0.67
"""


def test_a_plan_has_its_steps_in_order() -> None:
    """Each with the options that stand under it."""
    assert parse_plan("two.toml", TWO_STEPS) == Plan(
        steps=(PlanStep("distill", {"layers": 3}), PlanStep("prune", {"heads": 0.67})), split_seed=3
    )


@pytest.mark.parametrize("name", plan_names())
def test_a_plan_that_we_ship_is_taken_by_name_and_by_path(name: str) -> None:
    """And its steps are in order."""
    path = Path(__file__).parents[2] / "plans" / f"{name}.toml"
    assert load_plan(name) == load_plan(str(path))
    assert name_plan(str(path)) == name


def test_some_plans_are_shipped() -> None:
    """One for embeddings and one for a classifier at least."""
    assert {"small-embedding", "phone-classifier"} <= set(plan_names())


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "has no steps"),
        ("steps = []", "has no steps"),
        ("steps = 3", "has no steps"),
        ("[steps]\nkind = 'train'", "has no steps"),
        ("steps = ['train']", "step 1 has no kind"),
        ("[[steps]]\nlayers = 3", "step 1 has no kind"),
        ("[[steps]]\nkind = 3", "step 1 has no kind"),
        ("[[steps]]\nkind = 'shrink'", "step 1: no step is called 'shrink'"),
        (
            "[[steps]]\nkind = 'prune'\n[[steps]]\nkind = 'distill'",
            r"step 2 \(distill\) comes too late",
        ),
        ("held-out = 1\n[[steps]]\nkind = 'train'", "unknown field `held-out`"),
        ("held_out = 2\n[[steps]]\nkind = 'train'", r"<= 1(.0)? - at `\$.held_out`"),
        ("split_seed = 'a'\n[[steps]]\nkind = 'train'", "`int`, got `str`"),
        ("[[steps]", "not valid TOML"),
        ("\0", "not valid TOML"),
        ("a = 1\n" * 8000, "larger than"),
        ("a." * 2000 + "a = 1", "has a line of more than"),
        ("[[steps]]\nkind = 'train'\n" * 33, "length <= 32"),
    ],
)
def test_what_is_no_plan_is_refused(text: str, match: str) -> None:
    """With the file's name and what is wrong with it."""
    with refused(InputError, f"^plan.toml.*{match}"):
        parse_plan("plan.toml", text.encode())


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("small-embeding", "there are small-embedding"),
        ("elsewhere/plan.toml", "is no file"),
        ("", "No plan is called"),
        ("/", "is no file"),
    ],
)
def test_a_plan_that_is_not_there_is_refused(name: str, match: str) -> None:
    """With the nearest of ours."""
    with refused(InputError, match):
        load_plan(name)
