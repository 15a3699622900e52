"""Measurements on disk: one JSON file each, with its format version, whole or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import msgspec

from edge_bert.errors import DataError
from edge_bert.records.measurement import BENCHMARK_MODEL, FORMAT_VERSION, Measurement

MAX_BYTES = 64 * 1024 * 1024


def save_measurement(measurement: Measurement, folder: Path, beside: Path | None = None) -> Path:
    """Write `<time>_<artifact>_<signature>_<threads>_<evidence>.json`; never over another one.

    Nor under a name that is taken in `beside`, whose files will come into `folder`.
    """
    subject = measurement.subject
    words = (
        re.sub(r"[^0-9TZ]", "", measurement.started_at[:19]),
        *(
            re.sub(r"[^A-Za-z0-9.-]", "-", word)[:60]
            for word in (subject.artifact, subject.signature)
        ),
        f"{subject.threads}t",
        measurement.evidence.value,
    )
    folder.mkdir(parents=True, exist_ok=True)
    content = msgspec.json.format(msgspec.json.encode(measurement), indent=1)
    handle, partial = tempfile.mkstemp(dir=folder, prefix=".", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(partial).chmod(0o644)
        for number in range(1000):
            path = folder / f"{'_'.join(words)}{f'_{number}' if number else ''}.json"
            if beside and (beside / path.name).exists():
                continue
            try:
                os.link(partial, path)
            except FileExistsError:
                continue
            return path
        raise DataError(f"{folder} has a thousand measurements of one second; clear it.")
    finally:
        Path(partial).unlink(missing_ok=True)


def load_measurement(path: Path) -> Measurement:
    """Read a measurement. Raises DataError for a damaged file or another format version."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path.name} is larger than {MAX_BYTES} bytes; not a measurement.")
        content = path.read_bytes()
        version = msgspec.json.decode(content, type=dict[str, msgspec.Raw]).get("format_version")
        if version is None or bytes(version) != str(FORMAT_VERSION).encode():
            raise DataError(f"{path.name} is not of format {FORMAT_VERSION}; measure again.")
        return msgspec.json.decode(content, type=Measurement)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path.name} is not a measurement: {reason}") from error


def why_not_comparable(before: Measurement, after: Measurement) -> str:
    """Why two measurements must not be compared; empty when they may be.

    Machines, kinds of evidence and conditions are never mixed.
    """
    pairs = {
        "evidence": (before.evidence, after.evidence),
        "target": (before.target.name, after.target.name),
        "system": (before.target.system, after.target.system),
        "artifact": (before.subject.artifact, after.subject.artifact),
        "signature": (before.subject.signature, after.subject.signature),
        "threads": (before.subject.threads, after.subject.threads),
        "cores": (before.subject.cores, after.subject.cores),
        "tool": tuple(each.tool_versions.get(BENCHMARK_MODEL) for each in (before, after)),
    }
    different = [name for name, (a, b) in pairs.items() if a != b]
    invalid = [x.started_at for x in (before, after) if not x.valid]
    reasons = [f"different {name}" for name in different]
    reasons += [f"the run of {moment} is invalid" for moment in invalid]
    return ", ".join(reasons)
