"""Jobs in this process, one after another."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.search.executors.jobs import Job, Outcomes, run_job


class InProcess:
    """Runs jobs in their order; needs no other process."""

    def outcomes(self, jobs: Sequence[Job]) -> Outcomes:
        """Run each job when its outcome is asked for."""
        yield from map(run_job, jobs)

    def close(self) -> None:
        """There is nothing to release."""
