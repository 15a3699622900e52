"""`training.json` and the model's README.md: what a trained model comes from."""

from __future__ import annotations

import os
import platform
import resource
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from edge_bert.devices.host import CPUINFO, parse_cpuinfo_fields
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.records.training import Ancestor, Machine, TrainingRun
from edge_bert.store.content_store import encode_json

FILE = "training.json"
PACKAGES = ("edge-bert", "keras", "numpy", "tensorflow", "jax", "torch")


def describe_machine(backend: str) -> Machine:
    """This machine, and the most memory that the process has had so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Machine(
        processor=_processor_name(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
        peak_memory_bytes=peak * 1024,
        backend=backend,
        versions=dict(_versions()),
    )


def describe_ancestor(checkpoint: Checkpoint, role: str) -> Ancestor:
    """The model that a run starts from, or is taught by."""
    return Ancestor(checkpoint.name, role, checkpoint.sha256, checkpoint.origin)  # type: ignore[arg-type]


def write_record(run: TrainingRun, folder: Path) -> None:
    """The run's record and its model card, in the model's folder."""
    (folder / FILE).write_bytes(encode_json(run))
    (folder / "README.md").write_text(describe_run(run), "utf-8")


def describe_run(run: TrainingRun) -> str:
    """The model card, in Markdown."""
    start = ", ".join(f"{ancestor.name} ({ancestor.role})" for ancestor in run.ancestors)
    data = "\n".join(
        f"- {used.source}: {used.count} texts, {used.held_out} of them held out"
        for used in run.data
    )
    curve = run.curve
    rows = "\n".join(
        f"| {point.step} | {point.loss:.4f} | {_format_score(point.score)} | {point.seconds:.0f} |"
        for point in curve.points
    )
    return f"""# {run.name}

Made by edge-bert ({run.kind}) from {start}.

{data}

The held-out {curve.metric} of these weights is {curve.best_score:.4f} (step {curve.best_step}).

| step | loss | held-out {curve.metric} | seconds |
|---|---|---|---|
{rows}

{run.machine.processor}, {run.machine.cores} cores, Keras on {run.machine.backend}.
Seed {run.settings.seed}. `training.json` has everything.
"""


def _format_score(score: float | None) -> str:
    return "–" if score is None else f"{score:.4f}"


def _processor_name() -> str:
    try:
        fields = parse_cpuinfo_fields(CPUINFO.read_text("utf-8", errors="replace"))
    except OSError:
        fields = {}
    return fields.get("model name") or platform.machine()


def _versions() -> Sequence[tuple[str, str]]:
    versions = []
    for package in PACKAGES:
        try:
            versions.append((package, metadata.version(package)))
        except metadata.PackageNotFoundError:
            continue
    return versions
