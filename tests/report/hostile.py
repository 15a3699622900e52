"""A report whose every foreign word attacks the page or the terminal."""

from __future__ import annotations

import msgspec

from edge_bert.records.report import Change, Report
from tests.report.sample_report import report

ATTACK = (
    "</style></title></code><script>alert(1)</script><img src=x onerror=alert(2)>"
    "\"' onload='x' {{ 7*7 }} [red]\x1b[31m\x07\u202e\x00\ud800"
)


def hostile_report() -> Report:
    """The sample with an attack in all names, reasons, labels, versions and paths."""
    good = report()
    names = {one.name: f"{one.name}{ATTACK}" for one in good.manifest.artifacts}
    replace = msgspec.structs.replace
    artifacts = tuple(
        replace(
            one,
            name=names[one.name],
            file=ATTACK,
            op_counts={ATTACK: 3},
            min_runtime=ATTACK,
            runtime_check=replace(one.runtime_check, status="not run", detail=ATTACK),
            scores=replace(
                one.scores,
                labels=tuple(replace(label, dataset=ATTACK) for label in one.scores.labels),
            ),
        )
        for one in good.manifest.artifacts
    )
    head = replace(good.manifest.model.head, labels=(ATTACK, ATTACK))
    manifest = replace(
        good.manifest,
        profile=ATTACK,
        artifacts=artifacts,
        model=replace(
            good.manifest.model, name=ATTACK, architecture=ATTACK, source=ATTACK, head=head
        ),
        calibration=replace(good.manifest.calibration, source=ATTACK),
        default=replace(
            good.manifest.default, artifact=names[good.manifest.default.artifact], reason=ATTACK
        ),
        files=tuple(replace(one, file=ATTACK, purpose=ATTACK) for one in good.manifest.files),
        tool_versions={ATTACK: ATTACK},
    )
    return replace(
        good,
        manifest=manifest,
        profile=replace(good.profile, title=ATTACK, soc=ATTACK, runtime=ATTACK),
        bytes_by_kind={names[name]: {ATTACK: 5_000_000} for name in good.bytes_by_kind},
        measurements=tuple(
            replace(row, artifact=names[row.artifact], machine=ATTACK, change=Change(1.0, ATTACK))
            for row in good.measurements
        ),
        operators=tuple(
            replace(row, artifact=names[row.artifact], operator=ATTACK, machine=ATTACK)
            for row in good.operators
        ),
        explanations=tuple(
            replace(
                one,
                artifact=names[one.artifact],
                outliers=tuple(replace(each, tensor=ATTACK, token=ATTACK) for each in one.outliers),
                by_role=tuple(replace(each, group=ATTACK) for each in one.by_role),
            )
            for one in good.explanations
        ),
        created=ATTACK,
        host=ATTACK,
    )
