from __future__ import annotations

import msgspec
import pytest

from edge_bert.records.measurement import Evidence
from edge_bert.report import tables
from tests.report.sample_report import latencies, report

replace = msgspec.structs.replace


def test_machines_are_never_mixed() -> None:
    """Each group has one machine, one evidence and one thread count, device first."""
    rows = (
        *latencies(Evidence.HOST, "a", 1.0),
        *latencies(Evidence.HOST, "b", 1.0),
        *(replace(row, threads=2) for row in latencies(Evidence.HOST, "a", 1.0)),
        *latencies(Evidence.DEVICE, "phone", 1.0),
    )
    groups = tables.latency_groups(replace(report(), measurements=rows))
    assert [(one.evidence.value, one.machine, one.threads) for one in groups] == [
        ("device", "phone", 1),
        ("host", "a", 1),
        ("host", "a", 2),
        ("host", "b", 1),
    ]
    assert all(row.machine == one.machine for one in groups for row in one.all_rows())


def test_first_latency_is_the_strongest_at_the_budgets_length() -> None:
    """Evidence counts before speed; a length of the budget before a longer one."""
    row = tables.headline_latency(report())
    assert row
    assert (row.evidence, row.length, row.artifact) == (Evidence.EMULATED, 128, "wi8_afp32")
    assert tables.headline_latency(replace(report(), measurements=())) is None


def test_operators_come_slowest_first() -> None:
    """Groups are ordered inside, and their total is the sum."""
    for group in tables.operator_groups(report()):
        times = [row.total_ms for row in group.rows]
        assert times == sorted(times, reverse=True)
        assert group.total_ms == pytest.approx(sum(times))


def test_kinds_keep_their_order() -> None:
    """Known kinds as they always come, then what is new."""
    whole = report()
    sizes = {"float32": {"zebra": 1, "graph": 2, "embedding table": 3}}
    assert tables.byte_kinds(replace(whole, bytes_by_kind=sizes)) == (
        "embedding table",
        "graph",
        "zebra",
    )


@pytest.mark.parametrize(("share", "value"), [(0.05, 1.0), (0.5, 2.0), (1.0, 4.0)])
def test_percentile_is_a_value_that_occurred(share: float, value: float) -> None:
    """Nearest rank: never a value between two."""
    assert tables.nearest_percentile((3.0, 1.0, 4.0, 2.0), share) == value
    assert tables.nearest_percentile((), share) is None
