"""Which measurements may be compared."""

from __future__ import annotations

import msgspec

from edge_bert.measure.comparability import why_not_comparable
from tests.bundle.test_measurement_files import COUNTED, RUN


def test_machines_and_conditions_are_not_mixed() -> None:
    """Equal conditions compare; another thread count, machine or evidence does not."""
    assert why_not_comparable(RUN, RUN) == ""
    other = msgspec.structs.replace(RUN, subject=msgspec.structs.replace(RUN.subject, threads=4))
    assert why_not_comparable(RUN, other) == "different threads"
    assert "evidence" in why_not_comparable(RUN, COUNTED)
    assert "invalid" in why_not_comparable(RUN, msgspec.structs.replace(RUN, faults=("hot",)))
