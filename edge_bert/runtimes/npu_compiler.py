"""Compile `.tflite` files ahead of time for NPUs, with the plugins that ai-edge-litert ships.

A plugin is only half of a compiler: the other half is its vendor's SDK, which
`pip install ai-edge-litert-sdk-...` downloads from the vendor while it is installed. Without it no
plugin of ai-edge-litert 2.3.0 can even be asked which operators it takes: Qualcomm's does not load
(libQnnHtp.so), Google's and MediaTek's load, name their chips and then look for the SDK too.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bert import processes
from edge_bert.errors import MissingToolError, RefusedError

WORKER = Path(__file__).resolve().parent / "npu_worker.py"
TIMEOUT_S = 1800.0
LITERT = "ai_edge_litert"


@dataclass(frozen=True)
class Vendor:
    """A maker of NPUs: its plugin in ai-edge-litert, and where its SDK comes from.

    `library` is the file of the SDK (a pattern) without which the plugin compiles nothing;
    `variable` names a folder that holds it when no package does.
    """

    module: str
    plugin: str
    package: str
    library: str
    variable: str | None = None


VENDORS = {
    "Qualcomm": Vendor(
        "qualcomm",
        "libLiteRtCompilerPlugin_Qualcomm.so",
        "ai-edge-litert-sdk-qualcomm",
        "libQnnHtp.so",
    ),
    "Google": Vendor(
        "google_tensor",
        "libLiteRtCompilerPlugin_google_tensor.so",
        "ai-edge-litert-sdk-google-tensor",
        "liblitert_plugin_compiler.so",
        "GOOGLE_TENSOR_COMPILER_LIB",
    ),
    "MediaTek": Vendor(
        "mediatek",
        "libLiteRtCompilerPlugin_MediaTek.so",
        "ai-edge-litert-sdk-mediatek",
        "libneuron*_adapter*.so",
    ),
}


class Taken(msgspec.Struct, frozen=True):
    """How many operators of a subgraph the plugin took, `of` how many, in how many parts."""

    taken: int
    of: int
    parts: int


@dataclass(frozen=True)
class Compiled:
    """A file for one chip, and what the plugin took of each subgraph, a signature each."""

    data: bytes
    subgraphs: Sequence[Taken]


class _NpuAnswer(msgspec.Struct, frozen=True):
    subgraphs: list[Taken] = []
    error: str | None = None


def missing_for(chip: str) -> str | None:
    """What this machine lacks to compile for `chip` (`Qualcomm SM8650`), one sentence; or None."""
    maker, _, _ = chip.partition(" ")
    vendor = VENDORS.get(maker)
    if vendor is None:
        return f"ai-edge-litert has no compiler plugin for chips of {maker} that can be used."
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return "The compiler plugins and the vendors' SDKs run on Linux on x86-64 only."
    if _plugin(vendor) is None:
        return f"ai-edge-litert lacks its plugin {vendor.plugin} here; install 2.3 or later."
    return _missing_sdk(vendor)


def compile_for(chip: str, model: Path, *, timeout_s: float = TIMEOUT_S) -> Compiled:
    """`model` for `chip`, in a process that may die without harm.

    Raises MissingToolError where the SDK is not installed, RefusedError where the plugin does not
    take the model or does not know the chip.
    """
    lack = missing_for(chip)
    if lack is not None:
        raise MissingToolError(lack)
    maker, _, name = chip.partition(" ")
    what = f"Compiling {model.name} for {chip}"
    with tempfile.TemporaryDirectory(prefix="edge-bert-") as folder:
        command = [sys.executable, "-P", str(WORKER), str(model.resolve()), folder]
        command += [VENDORS[maker].module, name]
        done = processes.run_process(command, timeout_s=timeout_s, failure=RefusedError, what=what)
        answer = _answer(done.stdout)
        if answer.error is not None:
            raise RefusedError(f"{what} failed: {answer.error}")
        return Compiled((Path(folder) / "compiled.tflite").read_bytes(), answer.subgraphs)


def _answer(stdout: str) -> _NpuAnswer:
    try:
        return msgspec.json.decode(stdout.strip().rpartition("\n")[2], type=_NpuAnswer)
    except msgspec.DecodeError:
        return _NpuAnswer(error="the process died without a word.")


def _plugin(vendor: Vendor) -> Path | None:
    """The plugin's file; ai-edge-litert is found without being loaded."""
    found = importlib.util.find_spec(LITERT)
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder) / "vendors" / vendor.module / "compiler" / vendor.plugin
        if path.is_file():
            return path
    return None


def _missing_sdk(vendor: Vendor) -> str | None:
    if vendor.variable and _holds(os.environ.get(vendor.variable), vendor.library):
        return None
    found = importlib.util.find_spec(vendor.package.replace("-", "_"))
    if found is None:
        return (
            f"The vendor's SDK is not installed: pip install {vendor.package}, which downloads it "
            f"from the vendor; without {vendor.library} the plugin cannot be asked what it takes."
        )
    if any(_holds(folder, vendor.library) for folder in found.submodule_search_locations or []):
        return None
    return (
        f"{vendor.package} is installed, but its SDK is not: {vendor.library} is not in it, "
        "because its download failed. Where the vendor can be reached: "
        f"pip install --force-reinstall --no-cache-dir {vendor.package}."
    )


def _holds(folder: str | None, library: str) -> bool:
    return folder is not None and any(Path(folder).rglob(library))
