"""The one ancestor of all records."""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A frozen value with typed fields; reading one refuses keys that it does not know."""
