"""Isolated Python environments that hold a runtime which cannot live beside our own packages.

tflite-runtime 2.14.0 needs Python 3.11 and numpy 1; edge-bert itself needs numpy 2. So each such
runtime gets a virtual environment under the cache folder the first time a check asks for it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from edge_bert import processes
from edge_bert.errors import InputError, MissingToolError
from edge_bert.host_system import name_system
from edge_bert.installation import task_command
from edge_bert.progress import Progress, no_progress
from edge_bert.records.profile import Runtime
from edge_bert.store import cache
from edge_bert.store.locks import hold_lock

MODULES = {"tflite-runtime": "tflite_runtime", "ai-edge-litert": "ai_edge_litert"}
OUR_PYTHON = ".".join(platform.python_version_tuple()[:2])
GET_PYTHON_311 = (
    "Install it (Debian: `apt install python3.11`; elsewhere: `uv python install 3.11` or "
    "`pyenv install 3.11`) so that `python3.11` is on PATH"
)
BUILD_TIMEOUT_S = 900
PROBE_TIMEOUT_S = 30


def prepare_python(runtime: Runtime, progress: Progress = no_progress) -> Path:
    """A Python interpreter that can import `runtime` in exactly this version.

    Gives the interpreter that runs now where its ai-edge-litert is that version, else the one of
    an isolated environment, which is made on the first call (20 to 200 MB, needs the package
    index) and found again on later ones. `progress` gets one line per step.

    Raises MissingToolError where the runtime cannot be had on this machine, BusyError where
    another process has been making the same environment for too long.
    """
    if runtime.name not in MODULES:
        raise MissingToolError(
            f"edge-bert has no way to get the runtime {runtime}; see `{task_command('doctor')}`."
        )
    if runtime.name == "ai-edge-litert" and installed_version(runtime.name) == runtime.version:
        return Path(sys.executable)
    folder = environment_folder(runtime)
    if not is_complete(folder):
        _make_locked(runtime, folder, progress)
    return find_interpreter(folder)


def installed_version(package: str) -> str | None:
    """The version of `package` beside the interpreter that runs now, None if it is not there."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def environment_folder(runtime: Runtime) -> Path:
    """Where the isolated environment of `runtime` is or will be; other pins, other folder."""
    pins = f"{_python_version(runtime)} {' '.join(pinned_requirements(runtime))}"
    digest = hashlib.sha256(pins.encode()).hexdigest()[:8]
    try:
        parent = cache.cache_folder("environments").resolve()
    except InputError as error:
        raise MissingToolError(f"Cannot make the environment for {runtime}: {error}") from error
    return parent / f"{runtime.name}-{runtime.version}-{digest}"


def pinned_requirements(runtime: Runtime) -> tuple[str, ...]:
    """What pip is asked for, versions pinned."""
    numpy = "1.26.4" if runtime.name == "tflite-runtime" else installed_version("numpy")
    return (f"{runtime.name}=={runtime.version}", f"numpy=={numpy}")


def find_interpreter(folder: Path) -> Path:
    """The Python interpreter of the environment in `folder`."""
    if name_system() == "Windows":
        return folder / "Scripts" / "python.exe"
    return folder / "bin" / "python"


def is_complete(folder: Path) -> bool:
    """Whether `folder` holds a finished environment whose base interpreter still exists."""
    return find_interpreter(folder).exists()  # false for a dangling link: its Python was removed


def find_python_311() -> Path | None:
    """A Python 3.11 that starts: the one that runs now, else from the folders of PATH."""
    if OUR_PYTHON == "3.11":
        return Path(sys.executable)
    return next((path for path in _python_candidates() if _starts_as_311(path)), None)


def _python_candidates() -> Iterator[Path]:
    # Version managers put a `python3.11` first on PATH that fails when no such version is chosen,
    # so every folder is looked at, not only the first hit.
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        for name in ("python3.11", "python3", "python"):
            path = shutil.which(name, path=folder) if folder else None
            if path:
                yield Path(path)


def _starts_as_311(python: Path) -> bool:
    check = "import sys; sys.exit(sys.version_info[:2] != (3, 11))"
    try:
        process = _run([str(python), "-I", "-c", check], PROBE_TIMEOUT_S, str(python))
    except MissingToolError:
        return False
    return process.returncode == 0


def _python_version(runtime: Runtime) -> str:
    return "3.11" if runtime.name == "tflite-runtime" else OUR_PYTHON


def _require_base_python(runtime: Runtime) -> Path:
    if runtime.name != "tflite-runtime":
        return Path(sys.executable)
    python = find_python_311()
    if python is None:
        raise MissingToolError(
            f"The check on {runtime} is not run: it needs Python 3.11, which this machine lacks. "
            f"{GET_PYTHON_311}."
        )
    return python


def _make_locked(runtime: Runtime, folder: Path, progress: Progress) -> None:
    """Make the environment unless another process does so first."""
    base = _require_base_python(runtime)
    busy = f"Another process is still making {folder.name}; wait for it, then try again."
    try:
        with hold_lock(Path(f"{folder}.lock"), busy, wait_s=BUILD_TIMEOUT_S):
            if not is_complete(folder):
                _make_environment(runtime, base, folder, progress)
    except OSError as error:
        raise MissingToolError(_describe_cache_error(runtime, error)) from error


def _describe_cache_error(runtime: Runtime, error: OSError) -> str:
    return (
        f"Cannot make the environment for {runtime}: {error.strerror} ({error.filename}). "
        "Free space or point EDGE_BERT_CACHE to a writable folder."
    )


def _make_environment(runtime: Runtime, base: Path, folder: Path, progress: Progress) -> None:
    """Build under a temporary name, try the import, then rename: no environment is ever partial."""
    partial = folder.with_name(f"{folder.name}.partial")
    for leftover in (partial, folder):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        progress(f"Making a Python {_python_version(runtime)} environment for {runtime}")
        # `--without-pip`: Debian without python3-venv has no ensurepip, yet this form works there.
        _run_step(runtime, "venv", [str(base), "-I", "-m", "venv", "--without-pip", str(partial)])
        progress(f"Installing {', '.join(pinned_requirements(runtime))}")
        _install(runtime, find_interpreter(partial))
        check = f"import numpy, {MODULES[runtime.name]}.interpreter"
        _run_step(runtime, "import", [str(find_interpreter(partial)), "-I", "-c", check])
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _install(runtime: Runtime, python: Path) -> None:
    """Install with our own pip; where we have none, with one that ensurepip puts there."""
    if installed_version("pip"):
        pip = [sys.executable, "-m", "pip", "--python", str(python)]
    else:
        _run_step(runtime, "ensurepip", [str(python), "-I", "-m", "ensurepip"])
        pip = [str(python), "-I", "-m", "pip"]
    options = ["--quiet", "--no-input", "--disable-pip-version-check", "--only-binary=:all:"]
    _run_step(runtime, "pip", [*pip, "install", *options, *pinned_requirements(runtime)])


def _run_step(runtime: Runtime, name: str, command: list[str]) -> None:
    process = _run(command, timeout_s=BUILD_TIMEOUT_S, what=f"{name} for {runtime}")
    if process.returncode:
        reason = _last_error(process.stderr, process.stdout)
        raise MissingToolError(f"No environment for {runtime}: {name} said: {reason}")


def _run(command: list[str], timeout_s: float, what: str) -> subprocess.CompletedProcess[str]:
    # A PYTHONPATH of ours would leak our numpy 2 into an environment that needs numpy 1.
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    return processes.run_process(
        command, timeout_s=timeout_s, failure=MissingToolError, what=what, env=clean
    )


def _last_error(*texts: str) -> str:
    """The last ERROR line, as pip writes them, else the last line of all."""
    lines = [" ".join(line.split()) for text in texts for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["nothing"])[-1][:300]
