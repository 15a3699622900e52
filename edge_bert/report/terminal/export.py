"""The outcome of `invoke export` on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_bert.records.onnx_export import OnnxArtifact, OnnxExport
from edge_bert.report.terminal.tables import table
from edge_bert.text import NOT_KNOWN, cosine, megabytes, points, printable, significant

if TYPE_CHECKING:
    from rich.console import Console


def render_export(found: OnnxExport, console: Console) -> None:
    """One row a file, those of other tools beneath ours; times of one run, one thread."""
    first = found.artifacts[0]
    head = ["file", "made by", "MB", "cosine mean / min"]
    head += [f"{label.metric} on {label.dataset}" for label in first.scores.labels]
    head += [f"{timing.tokens} tokens, ms" for timing in first.timings]
    table(console, tuple(head), [_row(each) for each in found.artifacts])
    console.print(
        f"Measured on this machine ({printable(found.machine)}) with {found.runtime}, one thread, "
        "files in turn; this says nothing about a phone.",
        highlight=False,
        soft_wrap=True,
    )


def _row(each: OnnxArtifact) -> tuple[str, ...]:
    drift = each.scores.drift
    return (
        each.file or f"({each.name}, not kept)",
        each.maker,
        megabytes(each.size_bytes),
        f"{cosine(drift.cosine_mean)} / {cosine(drift.cosine_min)}" if drift else NOT_KNOWN,
        *(points(label.value) for label in each.scores.labels),
        *(significant(timing.median_ms) for timing in each.timings),
    )
