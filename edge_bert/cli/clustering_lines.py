"""What clustering did, in lines for people: codebooks, then the sizes as shipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_bert.records.training import TrainingRun


def describe_clustering(run: TrainingRun) -> list[str]:
    """The lines of a run that clustered; none of another."""
    if run.clustering is None:
        return []
    from edge_bert.report.clustering_words import list_sizes, name_file, tell_clustering

    sizes = [
        f"{row.packing}: {after}, unclustered {before} ({change})"
        for row in list_sizes(run.clustering)
        for _, before, after, change in [row.cells]
    ]
    return [tell_clustering(run.clustering), f"sizes of {name_file(run.clustering)}", *sizes]
