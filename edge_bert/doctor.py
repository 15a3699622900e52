"""Checks of this machine: what it has, what it lacks and how to get it; read-only, offline."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from edge_bert.devices.host_abilities import suggest_install
from edge_bert.errors import EdgeBertError, InputError
from edge_bert.host_system import explain_missing_runtimes
from edge_bert.installation import COMMAND, PACKAGE, in_clone, task_command
from edge_bert.records.doctor import MachineFinding
from edge_bert.records.profile import TFLITE_RUNTIME_2_14
from edge_bert.runtimes import environments
from edge_bert.store import cache

PYPROJECT = PACKAGE.parent / "pyproject.toml"
CPUINFO = Path("/proc/cpuinfo")
PYTHONS = ("3.11", "3.12", "3.13")
# Installed, pip adds only what is missing.
INSTALL = "pip install -e ." if in_clone() else f"pip install {COMMAND}"
DEFAULT_WEIGHTS = "model.safetensors"
DEFAULT_MODEL_FOLDER = "models--sentence-transformers--all-MiniLM-L6-v2"
FREE_BYTES = 2 * 1024**3  # four recipes, the converter's scratch files and a second copy

# name, programs of which one is enough, what it is for
PROGRAMS = (
    (
        "qemu-user",
        ("qemu-aarch64", "qemu-aarch64-static"),
        "counts instructions of an emulated phone",
    ),
    ("adb", ("adb",), "measures on a phone"),
    ("cross-compiler", ("aarch64-linux-gnu-gcc",), "builds the runner for phones"),
    (
        "chromium",
        ("chromium", "chromium-browser", "google-chrome"),
        "looks at reports in the tests",
    ),
)
# What pip brings where the system's own program is not there: the module, and how to get it.
PIP_PROGRAMS = {
    "adb": ("adbutils", "pip install adbutils"),
    "cross-compiler": ("ziglang", "pip install ziglang"),
}
# What decides how fast integer models run: dot products and matrix products of int8.
CPU_FEATURES = (
    "avx2",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_int8",
    "asimd",
    "asimddp",
    "i8mm",
    "sve",
)


def examine_machine() -> tuple[MachineFinding, ...]:
    """Every finding, required ones first; takes well under a second and never raises."""
    findings = [_check_python(), *_check_dependencies(), _check_litert(), _check_tensorflow()]
    findings += [*_check_disks(), _check_default_model(), _check_python_311()]
    findings += [_check_tflite_runtime(), *_check_programs(), _check_torch(), _describe_cpu()]
    return tuple(sorted(findings, key=lambda finding: not finding.required))


def _check_python() -> MachineFinding:
    version = environments.OUR_PYTHON
    usable = version in PYTHONS
    return MachineFinding(
        name="Python",
        status="ok" if usable else "broken",
        detail=platform.python_version(),
        remedy="" if usable else f"Use Python {PYTHONS[0]} to {PYTHONS[-1]}.",
        required=True,
    )


def _check_dependencies() -> Iterator[MachineFinding]:
    """The packages that pyproject.toml asks for, each against what is installed."""
    try:
        requirements = [Requirement(line) for line in _read_requirements()]
    except (OSError, ValueError, KeyError, InvalidRequirement) as error:
        yield MachineFinding(
            name="dependencies",
            status="broken",
            detail=f"cannot be read: {error}",
            remedy=INSTALL,
            required=True,
        )
        return
    for requirement in requirements:
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _check_dependency(requirement)


def _read_requirements() -> list[str]:
    if in_clone():  # fresher than the metadata of an editable install
        return list(tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["dependencies"])
    return importlib.metadata.requires(COMMAND) or []


def _check_dependency(requirement: Requirement) -> MachineFinding:
    name, specifier = requirement.name, str(requirement.specifier)
    version = environments.installed_version(name)
    if version is None:
        return MachineFinding(
            name=name, status="missing", detail=f"{specifier} asked", remedy=INSTALL, required=True
        )
    usable = requirement.specifier.contains(version, prereleases=True)
    return MachineFinding(
        name=name,
        status="ok" if usable else "broken",
        detail=version if usable else f"{version}, but {specifier} asked",
        remedy="" if usable else INSTALL,
        required=True,
    )


def _check_litert() -> MachineFinding:
    """Whether the runtime's native library loads; it does so in a quarter of a second."""
    try:
        importlib.import_module("ai_edge_litert.interpreter")
    except Exception as error:  # a native library fails in many ways
        return MachineFinding(
            name="ai-edge-litert loads",
            status="missing" if isinstance(error, ModuleNotFoundError) else "broken",
            detail=" ".join(str(error).split())[:200],
            remedy="pip install --force-reinstall ai-edge-litert",
            required=True,
        )
    return MachineFinding(name="ai-edge-litert loads", status="ok", detail="yes", required=True)


def _check_tensorflow() -> MachineFinding:
    """Whether TensorFlow can be found; importing it would take seconds."""
    installed = importlib.util.find_spec("tensorflow") is not None
    return MachineFinding(
        name="TensorFlow can be found",
        status="ok" if installed else "missing",
        detail="yes, not imported here" if installed else "no graph can be built or converted",
        remedy="" if installed else f"{INSTALL}. {explain_missing_runtimes()}",
        required=True,
    )


def _check_disks() -> Iterator[MachineFinding]:
    for name, folder_of in (
        ("disk for build/", Path.cwd),
        ("disk for the cache", cache.cache_folder),
    ):
        try:
            yield _check_disk(name, folder_of())
        except (OSError, InputError) as error:
            yield MachineFinding(
                name=name,
                status="broken",
                detail=f"cannot be used: {error}",
                remedy="Use another folder; EDGE_BERT_CACHE moves the cache.",
                required=True,
            )


def _check_disk(name: str, folder: Path) -> MachineFinding:
    free = shutil.disk_usage(folder).free
    writable = os.access(folder, os.W_OK)
    usable = writable and free >= FREE_BYTES
    access = "" if writable else ", not writable"
    return MachineFinding(
        name=name,
        status="ok" if usable else "broken",
        detail=f"{free / 1024**3:.1f} GiB free in {folder}{access}",
        remedy="" if usable else f"Free {FREE_BYTES // 1024**3} GiB, or use another folder.",
        required=True,
    )


def _check_default_model() -> MachineFinding:
    """The default model, in the cache of the Hugging Face hub or in ours."""
    for folder in (_hub_cache() / DEFAULT_MODEL_FOLDER / "snapshots", _our_models()):
        if any(path.is_file() for path in folder.glob(f"*/{DEFAULT_WEIGHTS}")):
            return MachineFinding(name="default model", status="ok", detail=f"in {folder}")
    return MachineFinding(
        name="default model",
        status="missing",
        detail="all-MiniLM-L6-v2 is in no cache",
        remedy=f"The first `{task_command('build')}` without --model downloads it (87 MB).",
    )


def _hub_cache() -> Path:
    try:
        from huggingface_hub import constants
    except ImportError:
        return Path(os.devnull)
    return Path(constants.HF_HUB_CACHE)


def _our_models() -> Path:
    try:
        return cache.cache_folder("models")
    except InputError:
        return Path(os.devnull)


def _check_python_311() -> MachineFinding:
    python = environments.find_python_311()
    return MachineFinding(
        name="Python 3.11 for tflite-runtime",
        status="ok" if python else "missing",
        detail=str(python or f"the check on {TFLITE_RUNTIME_2_14} is not run"),
        remedy="" if python else f"{environments.GET_PYTHON_311}.",
    )


def _check_tflite_runtime() -> MachineFinding:
    name = f"environment of {TFLITE_RUNTIME_2_14}"
    try:
        folder = environments.environment_folder(TFLITE_RUNTIME_2_14)
    except EdgeBertError as error:
        remedy = "Point EDGE_BERT_CACHE to a writable folder."
        return MachineFinding(name=name, status="broken", detail=str(error), remedy=remedy)
    if environments.is_complete(folder):
        return MachineFinding(name=name, status="ok", detail=str(folder))
    return MachineFinding(
        name=name,
        status="missing",
        detail="not made yet",
        remedy="The first build or verify that needs it makes it (about 90 MB on disk).",
    )


def _check_programs() -> Iterator[MachineFinding]:
    for name, programs, purpose in PROGRAMS:
        path = next(filter(None, map(shutil.which, programs)), None)
        module, pip = PIP_PROGRAMS.get(name, ("", ""))
        if path is None and module and importlib.util.find_spec(module):
            path = f"from the package {module}"
        remedies = filter(None, (pip, suggest_install(name)))
        yield MachineFinding(
            name=name,
            status="ok" if path else "missing",
            detail=path or purpose,
            remedy="" if path else ", or ".join(remedies),
        )


def _check_torch() -> MachineFinding:
    version = environments.installed_version("torch")
    return MachineFinding(
        name="torch",
        status="ok" if version else "missing",
        detail=version or "only live comparisons with PyTorch need it",
        remedy="" if version else "pip install torch==2.13.0",
    )


def _describe_cpu() -> MachineFinding:
    try:
        flags = set(CPUINFO.read_text("utf-8", errors="replace").split())
    except OSError:
        flags = set()
    features = [feature for feature in CPU_FEATURES if feature in flags]
    detail = f"{platform.machine()}, {os.cpu_count()} cores: {' '.join(features) or 'unknown'}"
    return MachineFinding(name="CPU", status="ok", detail=detail)
