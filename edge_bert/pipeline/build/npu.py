"""The files of a bundle for the NPUs of its device, or what keeps us from making them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from edge_bert.errors import RefusedError
from edge_bert.pipeline.build.bundle_files import describe_file
from edge_bert.progress import Progress, no_progress
from edge_bert.records.bundle import PackagedFile, Skipped
from edge_bert.records.profile import Accelerator, DeviceProfile
from edge_bert.runtimes import npu_compiler
from edge_bert.store import content_store

Found = tuple[list[PackagedFile], list[Skipped]]


def compile_artifacts(
    profile: DeviceProfile, artifacts: Sequence[str], folder: Path, progress: Progress = no_progress
) -> Found:
    """Every artifact of `folder`, compiled for every NPU of the profile.

    What a machine or a plugin cannot do is left out with its reason, and never ends a build. A
    compiled file has not run: that takes the device.
    """
    files: list[PackagedFile] = []
    left_out: list[Skipped] = []
    for accelerator in profile.accelerators:
        if accelerator.kind != "npu":
            continue
        lack = _lacking(accelerator)
        if lack is not None:
            left_out.append(Skipped(name=f"files for {accelerator.name}", reason=lack))
            continue
        more_files, without = _for_chip(str(accelerator.chip), artifacts, folder, progress)
        files += more_files
        left_out += without
    return files, left_out


def _lacking(accelerator: Accelerator) -> str | None:
    if accelerator.chip is None:
        return "The profile names no `chip` for it, which ai-edge-litert's compilers need."
    return npu_compiler.find_missing_tool(accelerator.chip)


def _for_chip(chip: str, artifacts: Sequence[str], folder: Path, progress: Progress) -> Found:
    files: list[PackagedFile] = []
    left_out: list[Skipped] = []
    for artifact in artifacts:
        progress(f"{artifact}: compiling for {chip}")
        try:
            made = npu_compiler.compile_for_chip(chip, folder / f"{artifact}.tflite")
        except RefusedError as refusal:
            left_out.append(Skipped(name=f"{artifact} for {chip}", reason=str(refusal)))
            continue
        path = folder / f"npu_{re.sub(r'[^A-Za-z0-9]+', '_', chip)}_{artifact}.tflite"
        content_store.write_atomic(path, made.data)
        files.append(describe_file(path, f"{artifact} for {chip}, not run: {_taken(made)}"))
    return files, left_out


def _taken(made: npu_compiler.NpuModel) -> str:
    """How much of the work the plugin took, one part a signature."""
    return ", ".join(
        f"{stats.offloaded} of {stats.operators} operators on the NPU in {stats.partitions} parts"
        for stats in made.subgraphs
    )
