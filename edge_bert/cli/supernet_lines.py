"""What can be cut from a super-network, in lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_bert.records.training import TrainingRun


def describe_supernet(run: TrainingRun) -> list[str]:
    """A line for each sub-network that was scored; none of another run."""
    from edge_bert.report.supernet_words import list_rungs

    if run.supernet is None:
        return []
    return [
        f"{row.name}: {row.work} of the multiply-adds; held-out {row.score}"
        for row in list_rungs(run.supernet)
    ]
