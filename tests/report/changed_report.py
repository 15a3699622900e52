"""The sample report with one thing in it changed."""

from __future__ import annotations

from typing import Any

import msgspec

from edge_bert.records.profile import Budget
from edge_bert.records.report import LatencyRow, Report
from tests.report.sample_report import report

replace = msgspec.structs.replace


def with_budget(budget: Budget, rows: tuple[LatencyRow, ...] = ()) -> Report:
    """The sample with another budget and other measurements."""
    sample = report()
    return replace(sample, profile=replace(sample.profile, budget=budget), measurements=rows)


def with_artifact(name: str, **changes: Any) -> Report:
    """The sample with one artifact changed."""
    sample = report()
    artifacts = tuple(
        replace(artifact, **changes) if artifact.name == name else artifact
        for artifact in sample.manifest.artifacts
    )
    return replace(sample, manifest=replace(sample.manifest, artifacts=artifacts))
