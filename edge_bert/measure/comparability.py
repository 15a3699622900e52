"""Whether two measurements may be compared: never across machines, evidence or conditions."""

from __future__ import annotations

from edge_bert.records.measurement import BENCHMARK_MODEL, Measurement


def explain_incomparable(before: Measurement, after: Measurement) -> str:
    """Why two measurements must not be compared; empty when they may be.

    Machines, kinds of evidence and conditions are never mixed.
    """
    pairs = {
        "evidence": (before.evidence, after.evidence),
        "target": (before.target.name, after.target.name),
        "system": (before.target.system, after.target.system),
        "artifact": (before.subject.artifact, after.subject.artifact),
        "signature": (before.subject.signature, after.subject.signature),
        "threads": (before.subject.threads, after.subject.threads),
        "cores": (before.subject.cores, after.subject.cores),
        "pace": (before.subject.pace, after.subject.pace),
        "runtime's build": (before.subject.runtime_build, after.subject.runtime_build),
        "inputs": (before.subject.inputs, after.subject.inputs),
        "scaling": (before.scaled_to, after.scaled_to),
        "tool": tuple(run.tool_versions.get(BENCHMARK_MODEL) for run in (before, after)),
    }
    different = [name for name, (a, b) in pairs.items() if a != b]
    invalid = [run.started_at for run in (before, after) if not run.valid]
    reasons = [f"different {name}" for name in different]
    reasons += [f"the run of {moment} is invalid" for moment in invalid]
    return ", ".join(reasons)
