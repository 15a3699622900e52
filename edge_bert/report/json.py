"""A Report as JSON, the same bytes for the same report."""

from __future__ import annotations

import msgspec

from edge_bert.errors import InputError
from edge_bert.records.report import FORMAT_VERSION, Report


def encode(report: Report) -> bytes:
    """Fields in the order of the records, keys of dicts sorted, two spaces, final newline."""
    packed = msgspec.json.encode(report, order="deterministic")
    return msgspec.json.format(packed, indent=2) + b"\n"


def decode(content: bytes) -> Report:
    """Read what `encode` wrote.

    Raises InputError when the bytes are not a report, or one of another format version.
    """
    try:
        report = msgspec.json.decode(content, type=Report)
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        raise InputError(f"this is no report: {fault}; build the profile again") from fault
    if report.format_version != FORMAT_VERSION:
        raise InputError(
            f"report of format {report.format_version}, this program reads {FORMAT_VERSION}; "
            "build the profile again"
        )
    return report
