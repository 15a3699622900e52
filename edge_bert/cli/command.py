"""The task class of edge-bert's commands: few short flags, and options in groups."""

from __future__ import annotations

import contextlib
import inspect
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from invoke.parser.argument import Argument
from invoke.tasks import Task

from edge_bert.cli.options import parse_number, spell_option
from edge_bert.installation import task_command

SHORT_FLAGS = {"profile": "p", "model": "m", "out": "o"}
LARGEST_WIDTH = 100
HELP = "explain this task and do nothing else"
STRICT_HELP = "refuse a cache that other users of this machine may write"

OptionGroups = Mapping[str, Mapping[str, str]]
"""The help of each option, by group; both in the order in which `--help` prints them."""


class HelpFlag(Argument):
    """`--help` after a task's name. Invoke alone would take it for a positional argument."""

    def __init__(self, required: Iterable[Argument]) -> None:
        super().__init__(names=("help", "h"), kind=bool, default=False, help=HELP)
        self.required = tuple(required)

    def set_value(self, value: object, cast: bool = True) -> None:
        """Set the flag; nothing else is required then."""
        super().set_value(value, cast)
        for argument in self.required:
            if argument.value is None:
                argument.set_value("")


class CommandTask(Task[Callable[..., None]]):
    """A task of edge-bert. Foreseen errors become one line and an exit code.

    `renamed` maps the old name of an option to its name: the old one works for one release.
    """

    def __init__(
        self,
        body: Callable[..., None],
        *,
        options: OptionGroups,
        renamed: Mapping[str, str] | None = None,
        **invoke_options: Any,
    ) -> None:
        super().__init__(body, auto_shortflags=False, **invoke_options)
        self.options = options
        self.renamed = renamed or {}

    def arg_opts(self, name: str, default: str, taken_names: set[str]) -> dict[str, Any]:
        """Invoke's options of an argument, with our short flags; we parse whole numbers."""
        argument: dict[str, Any] = super().arg_opts(name, default, taken_names)
        argument["names"] += [SHORT_FLAGS[name]] if name in SHORT_FLAGS else []
        if argument.get("kind") is int:
            argument["kind"] = str
        return argument

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """The arguments of the task, `--help` and the old names of options."""
        self.help = {name: text for group in self.options.values() for name, text in group.items()}
        arguments: list[Argument] = super().get_arguments(ignore_unknown_help)
        by_name = {argument.name: argument for argument in arguments}
        required = [argument for argument in arguments if argument.positional]
        old = [
            Argument(
                name=name,
                kind=by_name[new].kind,
                help=f"the old name of --{spell_option(new)}, for one more release",
            )
            for name, new in self.renamed.items()
        ]
        strict = Argument(name="strict", kind=bool, default=False, help=STRICT_HELP)
        return [*arguments, HelpFlag(required), strict, *old]

    def __call__(self, *args: Any, **values: Any) -> Any:
        """Run the task, or explain it."""
        from edge_bert.cli.console import error_boundary

        if values.pop("help", False):
            sys.stdout.write(self.explain())
            return None
        with _strict(values.pop("strict", False)), error_boundary(json=values.get("json", False)):
            return super().__call__(*args, **self._parse(values))

    def explain(self) -> str:
        """Usage, docstring and options of the task, the options in groups."""
        width = min(shutil.get_terminal_size().columns, LARGEST_WIDTH)
        positional = "".join(f" {name.upper()}" for name in self.positional)
        lines = [f"Usage: {task_command(self.name)}{positional} [options]", ""]
        lines += (inspect.getdoc(self) or "").splitlines()
        arguments = {argument.names[0]: argument for argument in self.get_arguments()}
        groups = {**self.options, "": {"help": HELP, "strict": STRICT_HELP}}
        for title, group in groups.items():
            lines += ["", f"{title}:"] if title else []
            for name, text in group.items():
                lines += _columns(_spelling(arguments[spell_option(name)]), text, width)
        return "\n".join(lines).replace("invoke ", task_command("")) + "\n"

    def _parse(self, values: dict[str, Any]) -> dict[str, Any]:
        """The values for the task's function: new names only, and whole numbers as such."""
        for old, new in self.renamed.items():
            value = values.pop(old, None)
            if value:
                name = spell_option(new)
                sys.stderr.write(
                    f"--{old} is called --{name} now; the next release takes that alone.\n"
                )
                values[new] = value
        parameters = inspect.signature(self.body).parameters
        for name, value in values.items():
            if type(parameters[name].default) is int:
                values[name] = parse_number(name, str(value), int)
        return values


@contextlib.contextmanager
def _strict(asked: bool) -> Iterator[None]:
    """Within the block, this process and those that it starts refuse a cache of others."""
    from edge_bert.store.cache import STRICT

    before = os.environ.get(STRICT)
    if asked:
        os.environ[STRICT] = "1"
    try:
        yield
    finally:
        if asked and before is None:
            del os.environ[STRICT]


def command(**options: Any) -> Callable[[Callable[..., None]], CommandTask]:
    """Make a CommandTask of a function; takes what CommandTask takes."""
    return lambda body: CommandTask(body, **options)


def _spelling(argument: Argument) -> str:
    """An option as a user types it: `-p, --profile PROFILE`, `--[no-]emulate` or `FILE`."""
    name = argument.names[0]
    if argument.positional:
        return str(name).upper()
    short = "".join(f"-{nickname}, " for nickname in argument.nicknames)
    if argument.kind is bool:
        return f"{short}--{'[no-]' if argument.default else ''}{name}"
    return f"{short}--{name} {name.rpartition('-')[2].upper()}"


def _columns(spelling: str, text: str, width: int, column: int = 30) -> Iterator[str]:
    """One option: its spelling, and its help beside or below it."""
    lines = textwrap.wrap(text, max(width - column, 20), break_on_hyphens=False)
    first = f"  {spelling}"
    if len(first) + 2 > column:
        yield first
    elif lines:
        yield f"{first:<{column}}{lines.pop(0)}"
    for line in lines:
        yield " " * column + line
