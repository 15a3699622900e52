"""The command `edge-bert`: the tasks of `invoke` in a clone, in any folder."""

from __future__ import annotations

import contextlib
import difflib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from invoke.collection import Collection
from invoke.exceptions import Exit, ParseError
from invoke.program import Program

from edge_bert.cli.command import CommandTask
from edge_bert.cli.tasks.bench import bench, validate
from edge_bert.cli.tasks.build import build
from edge_bert.cli.tasks.calibrate import calibrate
from edge_bert.cli.tasks.clean import clean
from edge_bert.cli.tasks.cluster import cluster
from edge_bert.cli.tasks.compare import compare
from edge_bert.cli.tasks.compress import compress
from edge_bert.cli.tasks.devices import devices, emulator, push
from edge_bert.cli.tasks.distill import distill
from edge_bert.cli.tasks.doctor import doctor
from edge_bert.cli.tasks.exits import exits
from edge_bert.cli.tasks.explain import explain
from edge_bert.cli.tasks.export import export
from edge_bert.cli.tasks.inspect import inspect
from edge_bert.cli.tasks.matrix import matrix
from edge_bert.cli.tasks.profiles import profile, profiles
from edge_bert.cli.tasks.prune import prune
from edge_bert.cli.tasks.qat import qat
from edge_bert.cli.tasks.supernet import supernet
from edge_bert.cli.tasks.tokens import tokens
from edge_bert.cli.tasks.train import train
from edge_bert.cli.tasks.verify import verify
from edge_bert.installation import COMMAND, task_command
from edge_bert.text import make_printable

TASKS = (
    *(build, matrix, export, train, distill, prune, supernet),
    *(tokens, qat, exits, cluster, compress),
    *(
        verify,
        explain,
        inspect,
        bench,
        calibrate,
        compare,
        validate,
        profiles,
        profile,
        devices,
        push,
        emulator,
        doctor,
        clean,
    ),
)
WRONG_INPUT = 2
CORE_OPTIONS = """\
  --list                           the commands alone
  --version                        the version of edge-bert
  --print-completion-script SHELL  what completes commands and options in bash, zsh or fish
"""


class EdgeBertProgram(Program):
    """Invoke's program with our words: help in groups, exit code 2 for what cannot be parsed."""

    def parse_core(self, argv: list[str] | None) -> None:
        """Options before the command."""
        with _one_line():
            super().parse_core(argv)

    def parse_tasks(self) -> None:
        """Commands and their options."""
        with _one_line(self.collection):
            super().parse_tasks()

    def parse_cleanup(self) -> None:
        """Help, lists and completion."""
        with _one_line(self.collection):
            super().parse_cleanup()

    def print_version(self) -> None:
        """The version of the installed package."""
        import importlib.metadata

        sys.stdout.write(f"{COMMAND} {importlib.metadata.version(COMMAND)}\n")

    def print_help(self) -> None:
        """The commands, and how each is explained."""
        sys.stdout.write(f"Usage: {COMMAND} COMMAND [options]\n\n")
        self.list_tasks()
        sys.stdout.write(f"`{COMMAND} COMMAND --help` explains a command.\n\n{CORE_OPTIONS}")

    def task_list_opener(self, extra: str = "") -> str:
        """The heading of the list of commands."""
        del extra
        return "Commands"

    def print_task_help(self, name: str) -> None:
        """The help that the command itself prints."""
        task = self.collection[name]
        if isinstance(task, CommandTask):
            sys.stdout.write(task.explain())
        else:
            super().print_task_help(name)


def main() -> None:
    """Run the command line that this process was started with."""
    program = EdgeBertProgram(
        namespace=Collection(*TASKS), name=COMMAND, binary=COMMAND, binary_names=[COMMAND]
    )
    program.run()


def check_arguments(commands: Collection) -> None:
    """Explain and refuse what follows `invoke` as `edge-bert` does.

    For tasks.py, which Invoke loads before it parses the tasks. Invoke's own help is in no order,
    and its exit code for a wrong option is 1. Raises Exit where there is nothing more to do.
    """
    script = Path(sys.argv[0])
    if "invoke" not in (script.stem, script.parent.name) and script.stem != "inv":
        return  # imported by something else
    program = EdgeBertProgram(binary="invoke")
    program.create_config()
    program.parse_core(None)
    program.collection = commands
    program.parse_tasks()
    if program.args.help.value:
        program.parse_cleanup()


@contextlib.contextmanager
def _one_line(commands: Collection | None = None) -> Iterator[None]:
    """Turn Invoke's parse errors into one line that says what to do, and exit code 2."""
    try:
        yield
    except ParseError as error:
        line = make_printable(_message(error, commands))
        raise Exit(f"error: {line}", WRONG_INPUT) from None


def _message(error: ParseError, commands: Collection | None) -> str:
    context = error.context
    task = f"{context.name} " if context and context.name else ""
    explained = f"see `{task_command(f'{task}--help' if task else '--list')}`."
    if flag := re.search(r"<Argument: ([\w-]+)", str(error)):
        return f"--{flag[1].replace('_', '-')} needs a value; {explained}"
    if positional := re.search(r"positional arguments: '(.*)'", str(error)):
        return f"{task}needs {positional[1].upper()}; {explained}"
    if unknown := re.search(r"No idea what '(.*)' is!", str(error)):
        options = context.flag_names() if context else ()
        names = options if unknown[1].startswith("-") else list(commands.tasks if commands else ())
        near = difflib.get_close_matches(unknown[1], names, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        kind = f"{task}option" if unknown[1].startswith("-") else "command"
        return f"There is no {kind} {unknown[1]}; {explained}{meant}"
    return f"{' '.join(str(error).split())}; {explained}"
