"""The options of a plan's steps, read as those of the commands of the same names."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from edge_bert.cli.options import parse_options, split_csv

if TYPE_CHECKING:
    from edge_bert.pipeline.compress.options import CompressOptions
    from edge_bert.pipeline.compress.run_plan import PlanRun
    from edge_bert.pipeline.compress.step_jobs import PlannedStep
    from edge_bert.records.plan import Plan, PlanStep

DEFAULT_MODEL = "default"


def plan_runs(values: Mapping[str, Any]) -> list[PlanRun]:
    """The runs that a command asks for by its options: every plan with every model.

    Raises InputError for an option that has no plan or model, and what `parse_steps` raises.
    """
    from edge_bert.compress.plan_file import load_plan, name_plan
    from edge_bert.pipeline.compress.options import CompressOptions
    from edge_bert.pipeline.compress.plan_matrix import name_runs
    from edge_bert.pipeline.compress.run_plan import PlanRun

    plans = _choose_one(values, "plan", "plans")
    models = _choose_one(values, "model", "models") or [DEFAULT_MODEL]
    options = parse_options(CompressOptions, {**values, "plan": ",".join(plans), "model": None})
    names = [(name_plan(plan), plan) for plan in plans]
    folders = [None if model == DEFAULT_MODEL else model for model in models]
    runs = []
    for run in name_runs(options, names, folders):
        loaded, name = load_plan(run.plan), name_plan(run.plan)
        runs.append(PlanRun(run, loaded, name, parse_steps(run, loaded, name)))
    return runs


def _choose_one(values: Mapping[str, Any], one: str, several: str) -> list[str]:
    """The items of `--plans` or of `--plan`, which exclude each other."""
    from edge_bert.errors import InputError

    if values[one] and values[several]:
        raise InputError(f"--{one} and --{several} exclude each other; give one of them.")
    return [values[one]] if values[one] else split_csv(values[several])


def parse_steps(options: CompressOptions, plan: Plan, plan_name: str) -> tuple[PlannedStep, ...]:
    """The steps of a plan with their checked options.

    Raises InputError with the step's number for an option that is unknown, the plan's to give, or
    out of its range.
    """
    return tuple(_parse_all(options, plan, plan_name))


def _parse_all(options: CompressOptions, plan: Plan, plan_name: str) -> Iterator[PlannedStep]:
    from edge_bert.errors import InputError
    from edge_bert.pipeline.compress.step_jobs import JOBS, PlannedStep, give_options

    for number, step in enumerate(plan.steps, start=1):
        job = JOBS[step.kind]
        given = give_options(options, plan, number, step.options)
        try:
            texts = {name: _write_text(name, value) for name, value in _check_names(step)}
            parsed = parse_options(job.options, texts | given)
            job.check(parsed)
        except InputError as error:
            message = f"{plan_name}: step {number} ({step.kind}): {error}"
            raise InputError(message) from error
        yield PlannedStep(step.kind, parsed)


def _check_names(step: PlanStep) -> Iterator[tuple[str, Any]]:
    """The step's options, once each is one of its command's and not the plan's to give."""
    from edge_bert.errors import InputError
    from edge_bert.pipeline.compress.step_jobs import GIVEN, JOBS

    known = [name for name in JOBS[step.kind].options.__struct_fields__ if name not in GIVEN]
    for name, value in step.options.items():
        if name in GIVEN:
            raise InputError(f"{name} {GIVEN[name]}.")
        if name not in known:
            near = difflib.get_close_matches(name[:80].replace("-", "_"), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
            raise InputError(f"no option is called {name[:80]!r}; {hint}")
        yield name, value


def _write_text(name: str, value: Any) -> str:
    """A value of TOML as a person would type it after the option."""
    from edge_bert.errors import InputError

    items = value if isinstance(value, list) else [value]
    plain = all(
        isinstance(item, str | int | float) and not isinstance(item, bool) for item in items
    )
    text = ",".join(map(str, items)) if plain else ""
    if not text:
        raise InputError(f"{name} = {value!r:.60}: give a text, a number or a list of these.")
    return text
