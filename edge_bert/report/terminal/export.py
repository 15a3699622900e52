"""The outcome of `export` on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_bert.records.onnx_export import OnnxArtifact, OnnxExport
from edge_bert.report.scores import METRIC_WORDS, format_score
from edge_bert.report.terminal.tables import print_line, print_table
from edge_bert.text import (
    NOT_KNOWN,
    format_cosine,
    format_megabytes,
    format_significant,
)

if TYPE_CHECKING:
    from rich.console import Console


def print_export(export: OnnxExport, console: Console) -> None:
    """One row for each file, those of other tools below ours; times are of one thread."""
    first = export.artifacts[0]
    head = ["file", "made by", "MB", "cosine mean / min"]
    head += [f"{METRIC_WORDS[label.metric]} on {label.dataset}" for label in first.scores.labels]
    head += [f"{timing.tokens} tokens, ms" for timing in first.timings]
    print_table(console, tuple(head), [_row(artifact) for artifact in export.artifacts])
    for warning in export.model.warnings:
        print_line(console, f"warning: model: {warning}")
    for artifact in export.artifacts:
        for warning in artifact.warnings:
            print_line(console, f"warning: {artifact.name}: {warning}")
    print_line(
        console,
        f"Measured on this machine ({export.machine}) with {export.runtime}, one thread, files in "
        "turn; this says nothing about a phone.",
    )


def _row(artifact: OnnxArtifact) -> tuple[str, ...]:
    drift = artifact.scores.drift
    return (
        artifact.file or f"({artifact.name}, not kept)",
        artifact.maker,
        format_megabytes(artifact.size_bytes),
        f"{format_cosine(drift.cosine_mean)} / {format_cosine(drift.cosine_min)}"
        if drift
        else NOT_KNOWN,
        *(format_score(label) for label in artifact.scores.labels),
        *(format_significant(timing.median_ms) for timing in artifact.timings),
    )
