"""Plans: TOML files in, checked `Plan` records out."""

from __future__ import annotations

import difflib
from pathlib import Path

import msgspec

from edge_bert.compress.plan import check_order
from edge_bert.errors import InputError
from edge_bert.installation import shipped_folder, task_command
from edge_bert.records.plan import Plan, PlanStep
from edge_bert.store.os_faults import faults_told
from edge_bert.text import one_line
from edge_bert.toml_text import MAX_BYTES, decode_toml, is_toml_path

PLAN_FOLDER = shipped_folder("plans")


def plan_names() -> list[str]:
    """The plans that we ship, sorted."""
    return sorted(path.stem for path in PLAN_FOLDER.glob("*.toml"))


@faults_told(InputError)
def load_plan(name: str) -> Plan:
    """The plan that we ship as `name`, or the one in the file that `name` is the path of.

    Its steps are known and in order; their options are not looked at. Raises InputError.
    """
    path = _find_file(name)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{name[-200:]!r} cannot be read: {error.strerror}.") from error
    return parse_plan(path.name, data)


def name_plan(name: str) -> str:
    """What a plan is called: its name, or that of its file without folders and ending."""
    return Path(name).stem if is_toml_path(name) else name


def parse_plan(file: str, data: bytes) -> Plan:
    """The plan that the bytes of `file` hold; InputError with the step that is at fault."""
    document = decode_toml(file, data, "plan")
    steps = document.pop("steps", None)
    if not isinstance(steps, list) or not steps:
        raise InputError(f"{file} has no steps; begin each with [[steps]] and its kind.")
    try:
        document["steps"] = [_split_step(step, place) for place, step in enumerate(steps, 1)]
        plan = msgspec.convert(document, Plan)
        check_order([step.kind for step in plan.steps])
    except (InputError, msgspec.ValidationError) as error:
        raise InputError(f"{file}: {one_line(error, 300)}") from error
    return plan


def _find_file(name: str) -> Path:
    if not is_toml_path(name):
        names = plan_names()
        if name in names:
            return PLAN_FOLDER / f"{name}.toml"
        near = difflib.get_close_matches(name[:80], names, n=1) or names
        raise InputError(
            f"No plan is called {name[:80]!r}; there are {', '.join(near)}, or give the path of a "
            f"file. `{task_command('compress --help')}` has more."
        )
    path = Path(name).expanduser()
    if not path.is_file():  # a pipe would wait for a writer for ever
        raise InputError(f"{name[-200:]!r} is no file; give a plan's file, or a name of ours.")
    return path


def _split_step(step: object, number: int) -> PlanStep:
    """A step's kind and its options."""
    if not isinstance(step, dict) or not isinstance(step.get("kind"), str):
        raise InputError(f'step {number} has no kind; write, say, kind = "distill".')
    options = {name: value for name, value in step.items() if name != "kind"}
    return PlanStep(step["kind"], options)
