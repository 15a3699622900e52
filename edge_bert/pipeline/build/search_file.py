"""The search that a sized bundle came from, kept beside it as `search.json`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge_bert.pipeline.build.bundle_files import describe_file
from edge_bert.progress import Progress, no_progress
from edge_bert.records.bundle import PackagedFile
from edge_bert.records.candidate import SearchResult
from edge_bert.records.report import Report
from edge_bert.store import content_store

FILE = "search.json"
PURPOSE = "every candidate that the search looked at, with its cost or the reason it was dropped"
MAX_BYTES = 256 * 1024 * 1024


def write_search(found: SearchResult | None, folder: Path) -> tuple[PackagedFile, ...]:
    """Write `found` into `folder`; what the manifest says of the file."""
    if found is None:
        return ()
    content_store.write_atomic(folder / FILE, msgspec.json.encode(found))
    return (describe_file(folder / FILE, PURPOSE),)


def with_search(report: Report, folder: Path, progress: Progress = no_progress) -> Report:
    """`report` with the search of the bundle in `folder`, and with the budget that it met."""
    path = folder / FILE
    if report.search or not any(each.file == FILE for each in report.manifest.files):
        return report
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("it is too large")
        found = msgspec.json.decode(path.read_bytes(), type=SearchResult)
    except (OSError, ValueError, RecursionError) as error:
        progress(f"left out: {FILE}: {' '.join(str(error).split())[:200]}")
        return report
    profile = msgspec.structs.replace(report.profile, budget=found.budget)
    return msgspec.structs.replace(report, search=found, profile=profile)
