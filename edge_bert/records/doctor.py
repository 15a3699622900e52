"""What `invoke doctor` finds on a machine."""

from __future__ import annotations

from typing import Literal

from edge_bert.records.base import Record

Status = Literal["ok", "missing", "broken"]


class MachineFinding(Record, frozen=True):
    """One thing that this machine has or lacks.

    `detail` says what was found, or what stays undone without it; `remedy` is how to get it,
    empty where nothing is to be done. A build needs what is `required`; the rest serves single
    tasks.
    """

    name: str
    status: Status
    detail: str
    remedy: str = ""
    required: bool = False
