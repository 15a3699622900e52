"""The search that a sized bundle came from, kept beside it as `search.json`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge_bert.bundle.members import JsonMember
from edge_bert.errors import DataError
from edge_bert.pipeline.build.bundle_files import describe_file
from edge_bert.progress import Progress, no_progress
from edge_bert.records.bundle import PackagedFile
from edge_bert.records.candidate import SearchResult
from edge_bert.records.report import Report
from edge_bert.store import content_store

FILE = "search.json"
PURPOSE = "every candidate that the search looked at, with its cost or the reason it was dropped"
MEMBER = JsonMember(SearchResult, "build the bundle again", max_bytes=256 * 1024 * 1024)


def write_search(result: SearchResult | None, folder: Path) -> tuple[PackagedFile, ...]:
    """Write `result` into `folder`; the manifest's entry of the file."""
    if result is None:
        return ()
    content_store.write_atomic(folder / FILE, msgspec.json.encode(result))
    return (describe_file(folder / FILE, PURPOSE),)


def with_search(report: Report, folder: Path, progress: Progress = no_progress) -> Report:
    """`report` with the search of the bundle in `folder`, and with the budget that it met."""
    if report.search or not any(member.file == FILE for member in report.manifest.files):
        return report
    try:
        result = MEMBER.read(folder / FILE)
    except DataError as error:
        progress(f"skipped: {error}")
        return report
    profile = msgspec.structs.replace(report.profile, budget=result.budget)
    return msgspec.structs.replace(report, search=result, profile=profile)
