"""Files compiled for the NPUs of a bundle's device, or the reasons why there are none."""

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

NpuFiles = tuple[list[PackagedFile], list[Skipped]]


def compile_artifacts(
    profile: DeviceProfile, artifacts: Sequence[str], folder: Path, progress: Progress = no_progress
) -> NpuFiles:
    """Every artifact of `folder`, compiled for every NPU of the profile.

    What a machine or a plugin cannot compile is skipped with its reason, and never ends a build. A
    compiled file has not run: that takes the device.
    """
    files: list[PackagedFile] = []
    skipped: list[Skipped] = []
    for accelerator in profile.accelerators:
        if accelerator.kind != "npu":
            continue
        reason = _why_not_compiled(accelerator)
        if reason is not None:
            skipped.append(Skipped(name=f"files for {accelerator.name}", reason=reason))
            continue
        compiled, refused = _compile_for_chip(str(accelerator.chip), artifacts, folder, progress)
        files += compiled
        skipped += refused
    return files, skipped


def _why_not_compiled(accelerator: Accelerator) -> str | None:
    if accelerator.chip is None:
        return "The profile names no `chip` for it, which ai-edge-litert's compilers need."
    return npu_compiler.find_missing_tool(accelerator.chip)


def _compile_for_chip(
    chip: str, artifacts: Sequence[str], folder: Path, progress: Progress
) -> NpuFiles:
    files: list[PackagedFile] = []
    skipped: list[Skipped] = []
    for artifact in artifacts:
        progress(f"{artifact}: compiling for {chip}")
        try:
            model = npu_compiler.compile_for_chip(chip, folder / f"{artifact}.tflite")
        except RefusedError as refusal:
            skipped.append(Skipped(name=f"{artifact} for {chip}", reason=str(refusal)))
            continue
        path = folder / f"npu_{re.sub(r'[^A-Za-z0-9]+', '_', chip)}_{artifact}.tflite"
        content_store.write_atomic(path, model.data)
        files.append(
            describe_file(path, f"{artifact} for {chip}, not run: {_describe_share(model)}")
        )
    return files, skipped


def _describe_share(model: npu_compiler.NpuModel) -> str:
    """How many operators the plugin took, per signature."""
    return ", ".join(
        f"{stats.offloaded} of {stats.operators} operators on the NPU in {stats.partitions} parts"
        for stats in model.subgraphs
    )
