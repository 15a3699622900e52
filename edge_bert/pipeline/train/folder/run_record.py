"""`training.json`, report and model card: what a trained model comes from."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Literal

import msgspec

from edge_bert.compress.train.backends.choose_backend import name_device
from edge_bert.devices.host import CPUINFO, parse_cpuinfo_fields
from edge_bert.errors import InputError
from edge_bert.host_system import count_usable_cores, read_peak_memory_bytes
from edge_bert.pipeline.train.folder.card_subject import CARD_FILE, CardSubject
from edge_bert.pipeline.train.folder.model_card import write_card
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.records.plan import Compression
from edge_bert.records.training import Ancestor, Machine, PlanPlace, TrainingRun
from edge_bert.report.training_html import render_training_page
from edge_bert.sources.training_run import FILE, read_training_run
from edge_bert.store.content_store import encode_json, write_atomic
from edge_bert.store.sealed_json import seal_json

COMPRESSION_FILE = "compress.json"
REPORT_FILE = "report.html"
PACKAGES = ("edge-bert", "keras", "numpy", "tensorflow", "jax", "torch")


def describe_machine(backend: str) -> Machine:
    """This machine, and the most memory that the process has had so far."""
    return Machine(
        processor=_processor_name(),
        cores=count_usable_cores(),
        peak_memory_bytes=read_peak_memory_bytes(),
        backend=backend,
        versions=dict(_versions()),
        device=name_device(),
    )


def describe_ancestor(checkpoint: Checkpoint, role: Literal["start", "teacher"]) -> Ancestor:
    """The model that a run starts from or is taught by, with its ancestors where we trained it."""
    earlier = read_training_run(checkpoint.folder)
    return Ancestor(
        name=checkpoint.name,
        role=role,
        sha256=checkpoint.sha256,
        origin=checkpoint.origin,
        ancestors=earlier.ancestors if earlier else (),
    )


def write_record(
    run: TrainingRun, subject: CardSubject, folder: Path, compression: Compression | None = None
) -> None:
    """The run's record, its report and its model card, in the model's folder.

    `compression` is the plan whose last step the run is.
    """
    (folder / FILE).write_bytes(encode_json(run))
    if compression is not None:
        (folder / COMPRESSION_FILE).write_bytes(seal_json(compression))
    (folder / REPORT_FILE).write_text(render_training_page(run, compression), "utf-8")
    (folder / CARD_FILE).write_text(write_card(run, subject), "utf-8")


def write_compression(compression: Compression, folder: Path) -> None:
    """What a plan gave, in the folder of its last model: the report anew, and `compress.json`.

    The record is written last: without it, what it says is done once more.
    """
    run = read_training_run(folder)
    if run is None:
        raise InputError(f"{folder} holds no trained model any more; give the same command again.")
    write_atomic(folder / REPORT_FILE, render_training_page(run, compression).encode())
    write_atomic(folder / COMPRESSION_FILE, seal_json(compression))


def write_plan_place(run: TrainingRun, place: PlanPlace, folder: Path) -> TrainingRun:
    """The run's record with its place in a plan, written to its folder; gives the new record."""
    placed = msgspec.structs.replace(run, plan=place)
    write_atomic(folder / REPORT_FILE, render_training_page(placed).encode())
    write_atomic(folder / FILE, encode_json(placed))
    return placed


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
