"""Run edge-bert as another system would: calls that it lacks are gone, its names are faked.

    python -m tests.other_host Windows AMD64 bench --profile pixel-9 --target device

Only code of edge_bert sees it: what other packages do on their systems is theirs to test.
"""

from __future__ import annotations

import builtins
import importlib.util
import os
import platform
import signal
import sys
import tempfile
import types
from collections.abc import Callable
from typing import Any

POSIX_MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "crypt", "syslog"}
# What Linux has and macOS does not.
LINUX_CALLS = {
    *("sched_getaffinity", "sched_setaffinity", "posix_fadvise", "copy_file_range"),
    *("memfd_create", "pidfd_open", "eventfd", "splice", "O_PATH", "O_TMPFILE"),
    *("pidfd_send_signal", "SIGPWR", "SIGRTMIN", "SIGSTKFLT"),
}
# What both have and Windows does not.
POSIX_CALLS = {
    *("killpg", "getpgid", "setsid", "fork", "uname", "getuid", "geteuid", "getgid", "chown"),
    *("mkfifo", "sched_yield", "statvfs", "getloadavg", "nice", "wait4", "WIFEXITED", "fchmod"),
    *("O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC", "O_NONBLOCK", "fdatasync", "initgroups", "pread"),
    *("SIGHUP", "SIGKILL", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "SIGPIPE"),
    *("SIGSTOP", "SIGCONT", "SIGWINCH", "alarm", "setitimer", "pthread_sigmask", "sigwait"),
}
REMOVED = {
    "Linux": set[str](),
    "Darwin": LINUX_CALLS,
    "Windows": LINUX_CALLS | POSIX_CALLS,
}
# What its makers publish for no Intel Mac.
UNPUBLISHED = {"tensorflow", "ai_edge_litert"}
PLATFORMS = {"Linux": "linux", "Darwin": "darwin", "Windows": "win32"}


def _is_ours(depth: int = 2) -> bool:
    """Whether the code that asked is of edge_bert."""
    name = str(sys._getframe(depth).f_globals.get("__name__", ""))
    return name == "edge_bert" or name.startswith("edge_bert.")


def fake_host(system: str, machine: str) -> None:
    """From here on code of edge_bert finds `system` on `machine`, as `platform` names them."""
    removed = REMOVED[system]
    faked = {"name": "nt"} if system == "Windows" else {}

    class Guarded(types.ModuleType):
        def __getattribute__(self, name: str) -> Any:
            if name in removed and _is_ours():
                raise AttributeError(f"{system} has no {name}")
            if name in faked and self is os and _is_ours():
                return faked[name]
            if name == "platform" and self is sys and _is_ours():
                return PLATFORMS[system]
            return super().__getattribute__(name)

    for module in (os, signal, sys):
        module.__class__ = Guarded
    _fake_platform(system, machine)
    if system == "Windows":
        _block_imports(POSIX_MODULES, lambda: _is_ours(4))
    if (system, machine) == ("Darwin", "x86_64"):
        _block_imports(UNPUBLISHED, lambda: True)


def _fake_platform(system: str, machine: str) -> None:
    answers = {"system": system, "machine": machine, "libc_ver": ("", "")}
    if system == "Linux":
        answers.pop("libc_ver")
    for name, answer in answers.items():
        real = getattr(platform, name)

        def ask(*words: Any, answer: Any = answer, real: Any = real, **options: Any) -> Any:
            return answer if _is_ours() else real(*words, **options)

        setattr(platform, name, ask)


def _block_imports(modules: set[str], applies: Callable[[], bool]) -> None:
    """Code that `applies` says yes to finds none of these `modules`."""
    real_import, real_import_module = builtins.__import__, importlib.import_module
    real_find = importlib.util.find_spec

    def refuse(name: str) -> None:
        if name.split(".", maxsplit=1)[0] in modules and applies():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    def import_statement(name: str, *words: Any, **options: Any) -> Any:
        refuse(name)
        return real_import(name, *words, **options)

    def import_module(name: str, package: str | None = None) -> Any:
        refuse(name)
        return real_import_module(name, package)

    def find_spec(name: str, package: str | None = None) -> Any:
        return None if name in modules else real_find(name, package)

    builtins.__import__ = import_statement
    importlib.import_module = import_module
    importlib.util.find_spec = find_spec


def main() -> None:
    """Fake the host of the first two words, then run the command of the others.

    Scratch folders are not where real Linux processes would sweep away what holds no lock.
    """
    system, machine, *command = sys.argv[1:]
    fake_host(system, machine)
    from edge_bert.cli import program

    sys.argv = ["edge-bert", *command]
    with tempfile.TemporaryDirectory(prefix="other-host-") as folder:
        tempfile.tempdir = folder
        program.main()


if __name__ == "__main__":
    main()
