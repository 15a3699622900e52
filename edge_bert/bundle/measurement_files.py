"""A bundle's measurements: one JSON file for each, never one written over another."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from edge_bert.bundle.members import JsonMember
from edge_bert.errors import DataError
from edge_bert.records.measurement import FORMAT_VERSION, Measurement
from edge_bert.store import content_store

MEMBER = JsonMember(Measurement, "measure again", FORMAT_VERSION, sealed=True)
MAX_PER_SECOND = 1000
MOST_REPLACED = 10


def save_measurement(measurement: Measurement, folder: Path, beside: Path | None = None) -> Path:
    """Write `<time>_<artifact>_<signature>_<threads>_<evidence>.json` into `folder`.

    Takes no name that is in use there or in `beside`, whose files will come into `folder`.
    """
    for _ in range(MOST_REPLACED):
        with contextlib.suppress(FileNotFoundError):  # a build took the place while it was written
            return _save(measurement, folder, beside)
    return _save(measurement, folder, beside)


def _save(measurement: Measurement, folder: Path, beside: Path | None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    handle, partial = content_store.open_held_file(folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(MEMBER.encode(measurement))
        Path(partial).chmod(0o644)
        return _link_free_name(Path(partial), _stem(measurement), beside)
    finally:
        Path(partial).unlink(missing_ok=True)


def load_measurement(path: Path) -> Measurement:
    """The measurement in `path`. Raises DataError where it is damaged or of another version."""
    return MEMBER.read(path)


def _stem(measurement: Measurement) -> str:
    subject = measurement.subject
    fields = (
        re.sub(r"[^0-9TZ]", "", measurement.started_at[:19]),
        re.sub(r"[^A-Za-z0-9.-]", "-", subject.artifact)[:60],
        re.sub(r"[^A-Za-z0-9.-]", "-", subject.signature)[:60],
        f"{subject.threads}t",
        measurement.evidence.value,
    )
    return "_".join(fields)


def _link_free_name(partial: Path, stem: str, beside: Path | None) -> Path:
    """Give `partial` the first free name in its folder, atomically."""
    for number in range(MAX_PER_SECOND):
        path = partial.with_name(f"{stem}{f'_{number}' if number else ''}.json")
        if beside and (beside / path.name).exists():
            continue
        try:
            os.link(partial, path)  # unlike a rename, never takes another file's place
        except FileExistsError:
            continue
        return path
    raise DataError(
        f"{partial.parent} has {MAX_PER_SECOND} measurements of one second; remove some of them."
    )
