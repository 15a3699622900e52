"""What this machine has and lacks, and how to get it; looks only, and asks no network."""

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

from edge_bert.errors import EdgeBertError
from edge_bert.records.doctor import MachineFinding
from edge_bert.runtimes import environments
from edge_bert.store import cache

PACKAGE = "edge-bert"
PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
CPUINFO = Path("/proc/cpuinfo")
PYTHONS = ("3.11", "3.12", "3.13")
INSTALL = "pip install -e ."
DEFAULT_WEIGHTS = "model.safetensors"
DEFAULT_MODEL_FOLDER = "models--sentence-transformers--all-MiniLM-L6-v2"
FREE_BYTES = 2 * 1024**3  # four recipes, the converter's scratch files and a second copy

# name, programs of which one is enough, what it is for, how to get it
PROGRAMS = (
    (
        "qemu-user",
        ("qemu-aarch64", "qemu-aarch64-static"),
        "counts instructions of an emulated phone",
        "apt install qemu-user",
    ),
    ("adb", ("adb",), "measures on a phone", "apt install adb"),
    (
        "cross-compiler",
        ("aarch64-linux-gnu-gcc",),
        "builds the runner for phones",
        "apt install gcc-aarch64-linux-gnu, or pip install ziglang",
    ),
    (
        "chromium",
        ("chromium", "chromium-browser", "google-chrome"),
        "looks at reports in the tests",
        "apt install chromium",
    ),
)
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
    found = [_python(), *_dependencies(), _litert(), _tensorflow(), *_disks(), _model()]
    found += [_python_311(), _oldest_runtime(), *_programs(), _torch(), _cpu()]
    return tuple(sorted(found, key=lambda finding: not finding.required))


def _python() -> MachineFinding:
    version = environments.OUR_PYTHON
    good = version in PYTHONS
    return MachineFinding(
        name="Python",
        status="ok" if good else "broken",
        detail=platform.python_version(),
        remedy="" if good else f"Use Python {PYTHONS[0]} to {PYTHONS[-1]}.",
        required=True,
    )


def _dependencies() -> Iterator[MachineFinding]:
    """The packages that pyproject.toml asks for, each against what is installed."""
    try:
        asked = [Requirement(line) for line in _requirements()]
    except (OSError, ValueError, KeyError, InvalidRequirement) as error:
        yield MachineFinding(
            name="dependencies",
            status="broken",
            detail=f"cannot be read: {error}",
            remedy=INSTALL,
            required=True,
        )
        return
    for requirement in asked:
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _dependency(requirement)


def _requirements() -> list[str]:
    if PYPROJECT.is_file():  # a checkout: fresher than the metadata of an editable install
        return list(tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["dependencies"])
    return importlib.metadata.requires(PACKAGE) or []


def _dependency(requirement: Requirement) -> MachineFinding:
    name, wanted = requirement.name, str(requirement.specifier)
    version = environments.installed_version(name)
    if version is None:
        return MachineFinding(
            name=name, status="missing", detail=f"{wanted} asked", remedy=INSTALL, required=True
        )
    good = requirement.specifier.contains(version, prereleases=True)
    return MachineFinding(
        name=name,
        status="ok" if good else "broken",
        detail=version if good else f"{version}, but {wanted} asked",
        remedy="" if good else INSTALL,
        required=True,
    )


def _litert() -> MachineFinding:
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


def _tensorflow() -> MachineFinding:
    """Whether TensorFlow can be found; importing it would take seconds."""
    found = importlib.util.find_spec("tensorflow") is not None
    return MachineFinding(
        name="TensorFlow can be found",
        status="ok" if found else "missing",
        detail="yes, not imported here" if found else "no graph can be built or converted",
        remedy="" if found else INSTALL,
        required=True,
    )


def _disks() -> Iterator[MachineFinding]:
    for name, place in (("disk for build/", Path.cwd), ("disk for the cache", cache.cache_folder)):
        try:
            yield _disk(name, place())
        except OSError as error:
            yield MachineFinding(
                name=name,
                status="broken",
                detail=f"cannot be used: {error.strerror} ({error.filename})",
                remedy="Use another folder; EDGE_BERT_CACHE moves the cache.",
                required=True,
            )


def _disk(name: str, folder: Path) -> MachineFinding:
    free = shutil.disk_usage(folder).free
    writable = os.access(folder, os.W_OK)
    good = writable and free >= FREE_BYTES
    access = "" if writable else ", not writable"
    return MachineFinding(
        name=name,
        status="ok" if good else "broken",
        detail=f"{free / 1024**3:.1f} GiB free in {folder}{access}",
        remedy="" if good else f"Free {FREE_BYTES // 1024**3} GiB, or use another folder.",
        required=True,
    )


def _model() -> MachineFinding:
    """The default model, in the cache of the Hugging Face hub or in ours."""
    for place in (_hub_cache() / DEFAULT_MODEL_FOLDER / "snapshots", _our_models()):
        if any(path.is_file() for path in place.glob(f"*/{DEFAULT_WEIGHTS}")):
            return MachineFinding(name="default model", status="ok", detail=f"in {place}")
    return MachineFinding(
        name="default model",
        status="missing",
        detail="all-MiniLM-L6-v2 is in no cache",
        remedy="The first `invoke build` without --model downloads it (87 MB).",
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
    except OSError:
        return Path(os.devnull)


def _python_311() -> MachineFinding:
    python = environments.find_python_311()
    return MachineFinding(
        name="Python 3.11 for tflite-runtime",
        status="ok" if python else "missing",
        detail=str(python or f"the proof on {environments.TFLITE_RUNTIME} is not run"),
        remedy="" if python else f"{environments.GET_PYTHON_311}.",
    )


def _oldest_runtime() -> MachineFinding:
    name = f"environment of {environments.TFLITE_RUNTIME}"
    try:
        folder = environments.environment_folder(environments.TFLITE_RUNTIME)
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


def _programs() -> Iterator[MachineFinding]:
    for name, programs, purpose, remedy in PROGRAMS:
        path = next(filter(None, map(shutil.which, programs)), None)
        if path is None and name == "cross-compiler" and importlib.util.find_spec("ziglang"):
            path = "zig, from the ziglang package"
        yield MachineFinding(
            name=name,
            status="ok" if path else "missing",
            detail=path or purpose,
            remedy="" if path else remedy,
        )


def _torch() -> MachineFinding:
    version = environments.installed_version("torch")
    return MachineFinding(
        name="torch",
        status="ok" if version else "missing",
        detail=version or "only live comparisons with PyTorch need it",
        remedy="" if version else "pip install torch==2.13.0",
    )


def _cpu() -> MachineFinding:
    try:
        words = set(CPUINFO.read_text("utf-8", errors="replace").split())
    except OSError:
        words = set()
    features = [feature for feature in CPU_FEATURES if feature in words]
    detail = f"{platform.machine()}, {os.cpu_count()} cores: {' '.join(features) or 'unknown'}"
    return MachineFinding(name="CPU", status="ok", detail=detail)
