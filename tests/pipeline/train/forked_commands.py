"""The command line in processes that start at once: forked from one that has imported all.

Run as a script it reads a request a line and answers each in a line (`Forked`). A child runs the
real command line and can be ended at any moment; whoever forks has computed nothing, and has one
thread.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

ROOT = Path(__file__).resolve().parents[3]
TICKS = os.sysconf("SC_CLK_TCK")
# What a process does to files, at which it can be ended: Python's audit events.
CHANGES = {
    "os.rename",
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "os.utime",
    "os.chmod",
    "shutil.rmtree",
}

MODULES = (
    "keras",
    "edge_bert.cli.program",
    "edge_bert.compress.train.fine_tune",
    "edge_bert.compress.train.keras_student",
    "edge_bert.compress.train.optimizer",
    "edge_bert.pipeline.train.train_head",
)


class Command(msgspec.Struct):
    """Words after `edge-bert`, and when the process is sent a signal: after so many seconds of its
    processor time, before its n-th change of a file, or when standard error has a text."""

    words: Sequence[str]
    number: int = signal.SIGKILL
    after_s: float | None = None
    before_change: int | None = None
    at_text: str | None = None


class Ended(msgspec.Struct):
    """How a process ended, as shells count, its processor time, its changes, what it wrote."""

    code: int
    seconds: float
    changes: int
    stdout: str
    stderr: str


class Forked:
    """A server of forked commands; its environment is that of the processes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.threads = int(self._lines.readline())

    @property
    def _lines(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def run(self, *words: object, **when: Any) -> Ended:
        """Run a command to its end; `when` are the fields of Command."""
        request = msgspec.json.encode(Command([str(word) for word in words], **when))
        assert self._process.stdin is not None
        self._process.stdin.write(request + b"\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._lines.readline(), type=Ended)


@contextlib.contextmanager
def forked_commands(
    module: str = "tests.pipeline.train.forked_commands", **environment: str
) -> Iterator[Forked]:
    """The server of a module, with these variables in the environment of its processes."""
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"} | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield Forked(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)


def serve() -> None:
    """Import what training needs, and then run what is asked for."""
    import_all()
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    answers.write(b"%d\n" % len(list(Path("/proc/self/task").iterdir())))
    for line in sys.stdin.buffer:
        ended = run_command(msgspec.json.decode(line, type=Command))
        answers.write(msgspec.json.encode(ended) + b"\n")


def import_all() -> None:
    """Everything that takes long to import."""
    import importlib

    from edge_bert.compress.train.backends.choose_backend import select_backend

    backend = select_backend()
    for name in (*MODULES, *(["torch._dynamo"] if backend == "torch" else [])):
        importlib.import_module(name)


def run_command(command: Command) -> Ended:
    """Fork, watch over the child, and say how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / name for name in ("stdout", "stderr", "changes")}
        for path in files.values():
            path.touch()
        child = os.fork()
        if child == 0:
            run_child(command, files)
        seconds, code = watch(child, command, files["stderr"])
        return Ended(
            code=code,
            seconds=seconds,
            changes=files["changes"].stat().st_size,
            stdout=files["stdout"].read_text("utf-8"),
            stderr=files["stderr"].read_text("utf-8"),
        )


def watch(child: int, command: Command, stderr: Path) -> tuple[float, int]:
    """Send the signal when it is time; processor time and exit code at the end."""
    is_sent = command.after_s is None and command.at_text is None
    while True:
        ended, status, usage = os.wait4(child, 0 if is_sent else os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return usage.ru_utime + usage.ru_stime, code if code >= 0 else 128 - code
        if not is_sent and is_time(child, command, stderr):
            os.kill(child, command.number)
            is_sent = True
        time.sleep(1 / TICKS)


def is_time(child: int, command: Command, stderr: Path) -> bool:
    """Whether the process is where it is to get its signal."""
    if command.at_text is not None:
        return command.at_text in stderr.read_text("utf-8", errors="replace")
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS >= (command.after_s or 0)


def run_child(command: Command, files: dict[str, Path]) -> None:
    """The command line, as a process of its own; does not return."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(files[name], os.O_WRONLY), number)
    note_changes(os.open(files["changes"], os.O_WRONLY), command)
    code: object = 0
    try:
        from edge_bert.cli.program import main

        sys.argv = ["edge-bert", *command.words]
        main()
    except SystemExit as stop:
        code = stop.code
    except BaseException:  # as the interpreter does
        import traceback

        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def note_changes(counter: int, command: Command) -> None:
    """Count changes of files as a byte each, and end the process before one of them."""
    count = 0

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event not in CHANGES and not is_written(event, arguments):
            return
        count += 1
        os.write(counter, b".")
        if count == command.before_change:
            os.kill(os.getpid(), command.number)

    sys.addaudithook(note)


def is_written(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether a file is opened to be written."""
    return event == "open" and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))


if __name__ == "__main__":
    serve()
