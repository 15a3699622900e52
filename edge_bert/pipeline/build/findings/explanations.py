"""The explanations of a bundle's integer artifacts: written by `explain`, shown by the report."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge_bert.bundle.members import JsonMember
from edge_bert.errors import DataError
from edge_bert.progress import Progress, no_progress
from edge_bert.records.explanation import FORMAT_VERSION, Explanation
from edge_bert.records.report import Report
from edge_bert.store.written import note_written

FOLDER = "explanations"
MEMBER = JsonMember(Explanation, "explain the artifact again", FORMAT_VERSION, sealed=True)


def save_explanation(explanation: Explanation, folder: Path) -> Path:
    """Write it into the bundle in `folder`, over an older one of the same artifact."""
    path = folder / FOLDER / f"{explanation.artifact}.json"
    MEMBER.write(explanation, path)
    note_written(path)
    return path


def with_explanations(report: Report, folder: Path, progress: Progress = no_progress) -> Report:
    """`report` with the explanations in `folder` of its artifacts as they are now.

    A file that is damaged or of another format version is skipped, and `progress` reports why.
    """
    explanations = []
    for artifact in report.manifest.artifacts:
        path = folder / FOLDER / f"{artifact.name}.json"
        explanation = _read(path, progress) if path.is_file() else None
        if explanation and explanation.artifact_sha256 == artifact.sha256:
            explanations.append(explanation)
    return msgspec.structs.replace(report, explanations=tuple(explanations))


def _read(path: Path, progress: Progress) -> Explanation | None:
    try:
        return MEMBER.read(path)
    except DataError as error:
        progress(f"skipped: {error}")
        return None
