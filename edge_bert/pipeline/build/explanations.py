"""The explanations of a bundle's integer artifacts: written by `explain`, shown by the report."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge_bert.progress import Progress, no_progress
from edge_bert.records.explanation import FORMAT_VERSION, Explanation
from edge_bert.records.report import Report
from edge_bert.store import content_store

FOLDER = "explanations"
MAX_BYTES = 64 * 1024 * 1024


def save_explanation(found: Explanation, folder: Path) -> Path:
    """Write `found` into the bundle in `folder`, over an older one of the same artifact."""
    path = folder / FOLDER / f"{found.artifact}.json"
    path.parent.mkdir(exist_ok=True)
    content_store.write_atomic(path, content_store.encode_json(found))
    return path


def with_explanations(report: Report, folder: Path, progress: Progress = no_progress) -> Report:
    """`report` with the explanations in `folder` that are of its artifacts as they are now.

    A damaged file, or one of another format, is told and left out.
    """
    found = []
    for artifact in report.manifest.artifacts:
        path = folder / FOLDER / f"{artifact.name}.json"
        one = _read(path, progress) if path.is_file() else None
        if one and (one.artifact, one.artifact_sha256) == (artifact.name, artifact.sha256):
            found.append(one)
    return msgspec.structs.replace(report, explanations=tuple(found))


def _read(path: Path, progress: Progress) -> Explanation | None:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("it is too large")
        found = msgspec.json.decode(path.read_bytes(), type=Explanation)
        if found.format_version != FORMAT_VERSION:
            raise ValueError(f"it is not of format {FORMAT_VERSION}")
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        progress(f"left out: {path.name} is not an explanation: {reason}")
        return None
    return found
