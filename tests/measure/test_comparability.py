"""Which measurements may be compared."""

from __future__ import annotations

import msgspec

from edge_bert.measure.comparability import explain_incomparable
from tests.bundle.test_measurement_files import COUNTED, RUN


def test_machines_and_conditions_are_not_mixed() -> None:
    """Equal conditions compare; another thread count, machine or evidence does not."""
    assert explain_incomparable(RUN, RUN) == ""
    other = msgspec.structs.replace(RUN, subject=msgspec.structs.replace(RUN.subject, threads=4))
    assert explain_incomparable(RUN, other) == "different threads"
    assert "evidence" in explain_incomparable(RUN, COUNTED)
    assert "invalid" in explain_incomparable(RUN, msgspec.structs.replace(RUN, faults=("hot",)))
