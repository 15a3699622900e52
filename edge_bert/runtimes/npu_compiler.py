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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bert.errors import MissingToolError, RefusedError
from edge_bert.runtimes import npu_worker
from edge_bert.runtimes.worker import Worker

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


class SubgraphStats(msgspec.Struct, frozen=True):
    """How many of a subgraph's operators the plugin took, in how many partitions."""

    offloaded: int
    operators: int
    partitions: int


@dataclass(frozen=True)
class NpuModel:
    """A file for one chip, and what the plugin took of each subgraph, a signature each."""

    data: bytes
    subgraphs: Sequence[SubgraphStats]


def find_missing_tool(chip: str) -> str | None:
    """What this machine lacks to compile for `chip` (`Qualcomm SM8650`), one sentence; or None."""
    maker, _, _ = chip.partition(" ")
    vendor = VENDORS.get(maker)
    if vendor is None:
        return f"ai-edge-litert has no compiler plugin for chips of {maker} that can be used."
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return "The compiler plugins and the vendors' SDKs run on Linux on x86-64 only."
    if find_plugin(vendor) is None:
        return f"ai-edge-litert lacks its plugin {vendor.plugin} here; install 2.3 or later."
    return _find_missing_sdk(vendor)


def compile_for_chip(chip: str, model: Path, *, timeout_s: float = TIMEOUT_S) -> NpuModel:
    """`model` compiled for `chip`, in a process whose crash is contained.

    Raises MissingToolError where the SDK is not installed, RefusedError where the plugin does not
    take the model or does not know the chip.
    """
    missing_tool = find_missing_tool(chip)
    if missing_tool is not None:
        raise MissingToolError(missing_tool)
    maker, _, name = chip.partition(" ")
    worker = Worker(f"Compiling {model.name} for {chip}", RefusedError, timeout_s)
    return run_compiler(worker, model, VENDORS[maker].module, name, {})


def run_compiler(
    worker: Worker, model: Path, vendor: str, chip: str, flags: Mapping[str, str]
) -> NpuModel:
    """`model` for `chip`, by the plugin of the module `vendor` with its `flags`."""
    request = {"model": str(model.resolve()), "vendor": vendor, "chip": chip, "flags": flags}
    subgraphs, files = worker.call(npu_worker.compile_model, request, {}, list[SubgraphStats])
    return NpuModel(bytes(files["compiled"]["model"]), subgraphs)


def find_plugin(vendor: Vendor) -> Path | None:
    """The plugin's file in ai-edge-litert, which is not loaded for it."""
    spec = importlib.util.find_spec(LITERT)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "vendors" / vendor.module / "compiler" / vendor.plugin
        if path.is_file():
            return path
    return None


def _find_missing_sdk(vendor: Vendor) -> str | None:
    if vendor.variable and _contains(os.environ.get(vendor.variable), vendor.library):
        return None
    spec = importlib.util.find_spec(vendor.package.replace("-", "_"))
    if spec is None:
        return (
            f"The vendor's SDK is not installed: pip install {vendor.package}, which downloads it "
            f"from the vendor; without {vendor.library} the plugin cannot be asked what it takes."
        )
    if any(_contains(folder, vendor.library) for folder in spec.submodule_search_locations or []):
        return None
    return (
        f"{vendor.package} is installed, but its SDK is not: {vendor.library} is not in it, "
        "because its download failed. Where the vendor can be reached: "
        f"pip install --force-reinstall --no-cache-dir {vendor.package}."
    )


def _contains(folder: str | None, library: str) -> bool:
    return folder is not None and any(Path(folder).rglob(library))
