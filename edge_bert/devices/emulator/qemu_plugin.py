"""Our TCG plugin for QEMU: compile it after a change of its source, read its counts."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Literal

import msgspec

from edge_bert.devices.device import CompletedCommand
from edge_bert.devices.emulator.host_tools import find_compiler
from edge_bert.errors import DeviceError, MissingToolError
from edge_bert.estimate.core_caches import CacheSizes
from edge_bert.installation import shipped_folder, task_command
from edge_bert.processes import run_tool
from edge_bert.records.base import Record
from edge_bert.records.measurement import InstructionCounts
from edge_bert.store import cache

SOURCES = shipped_folder("android_harness") / "emulator" / "plugin"
FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra", "-shared", "-fPIC", "-fvisibility=hidden")
COMPILE_TIMEOUT_S = 120
MAX_OUTPUT_BYTES = 16 * 1024 * 1024


class ModelledCache(Record, frozen=True):
    """The shape of one modelled cache level; 0 bytes means that it does not exist."""

    bytes: int
    ways: int
    line_bytes: int
    origin: Literal["given", "default"]


class PluginOutput(Record, frozen=True):
    """What the plugin counted.

    `marked_repetitions` has one entry per pair of marks that the program executed (see
    `plugin.c`), `whole_run` everything from the first instruction to the last.
    """

    format_version: Literal[2]
    caches_modelled: bool
    caches: dict[Literal["l1d", "l2", "l3", "system"], ModelledCache]
    marked_repetitions: tuple[InstructionCounts, ...]
    whole_run: InstructionCounts


def build_plugin() -> Path:
    """The compiled plugin for this machine; compiled on the first call and after a change."""
    sources = sorted(SOURCES.glob("*.[ch]"))
    digest = hashlib.sha256(" ".join(FLAGS).encode())
    for source in sources:
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    plugin = cache.cache_folder("emulator", "plugin") / f"libcount-{digest.hexdigest()[:16]}.so"
    if not plugin.exists():
        _compile([str(source) for source in sources if source.suffix == ".c"], plugin)
    return plugin


def plugin_option(
    plugin: Path,
    output: Path,
    caches: CacheSizes | None,
    *,
    model_caches: Literal["on", "marked", "off"],
    threads: int,
) -> str:
    """The value of QEMU's `-plugin` for one run, which writes its JSON to `output`."""
    options = [f"file={_escape(plugin)}", f"out={_escape(output)}"]
    options += [f"cache={model_caches}", f"threads={'many' if threads > 1 else 'one'}"]
    if caches is not None:
        options += [f"{level}={size}" for level, size in caches.usual.items()]
        for end, sizes in (("smallest", caches.smallest), ("largest", caches.largest)):
            options += [f"{end}_{level}={size}" for level, size in sizes.items()]
    return ",".join(options)


def read_counts(output: Path, completed: CompletedCommand) -> PluginOutput:
    """The plugin's JSON; DeviceError when `completed` ended before the plugin could write it."""
    if not output.exists() or output.stat().st_size == 0:
        message = (completed.stderr.strip() or "no message").splitlines()[-1][:300]
        raise DeviceError(f"Nothing was counted; QEMU ended ({completed.exit_code}): {message}")
    if output.stat().st_size > MAX_OUTPUT_BYTES:
        raise DeviceError(f"The instruction counts are larger than {MAX_OUTPUT_BYTES} bytes.")
    try:
        return msgspec.json.decode(output.read_bytes(), type=PluginOutput)
    except msgspec.DecodeError as error:
        raise DeviceError(f"The instruction counts are damaged: {error}.") from error


def _compile(sources: list[str], plugin: Path) -> None:
    compiler = find_compiler()
    if compiler is None:
        raise MissingToolError(
            f"The instruction counter needs a C compiler; run `{task_command('emulator setup')}`."
        )
    partial = plugin.with_name(f"{plugin.name}.{os.getpid()}")
    argv = [*compiler, *FLAGS, *sources, "-o", str(partial)]
    run_tool(argv, timeout_s=COMPILE_TIMEOUT_S, failure=DeviceError)
    partial.replace(plugin)


def _escape(path: Path) -> str:
    """QEMU splits its options at commas; a doubled comma stands for one."""
    return str(path).replace(",", ",,")
