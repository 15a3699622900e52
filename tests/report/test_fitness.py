"""Warnings of artifacts that are not fit for use."""

from __future__ import annotations

import math

import msgspec
import pytest

from edge_bert.records.report import Report
from edge_bert.report.fitness import find_warnings
from edge_bert.report.headline import write_headline
from tests.report.changed_report import with_artifact
from tests.report.sample_report import report
from tests.report.sample_search import search_result

replace = msgspec.structs.replace


def warning_texts(sample: Report, name: str) -> list[str]:
    """The warnings of one artifact."""
    return [warning.text for warning in find_warnings(sample) if warning.artifact == name]


def test_good_artifacts_have_no_findings() -> None:
    """What is close to float32 and ran is not warned of."""
    for name in ("float32", "float16", "wi8_afp32"):
        assert warning_texts(report(), name) == []


@pytest.mark.parametrize(("mean", "unfit"), [(0.99, False), (0.9899, True), (math.nan, True)])
def test_drift_decides_fitness(mean: float, unfit: bool) -> None:
    """Without labels a mean cosine under 0.99, or none at all, is not fit for use."""
    scores = report().manifest.artifacts[2].scores
    assert scores.drift
    drifted = replace(scores, drift=replace(scores.drift, cosine_mean=mean), labels=())
    texts = warning_texts(with_artifact("wi8_afp32", scores=drifted), "wi8_afp32")
    assert [text.startswith("not fit for use") for text in texts] == [True] * unfit


@pytest.mark.parametrize(
    ("mean", "count", "lost", "kind"),
    [
        (0.9899, 1500, 0.0, "drifted"),
        (0.95, 500, 0.0, "drifted"),
        (0.9499, 1500, 0.0, "unfit"),
        (math.nan, 1500, 0.0, "unfit"),
        (0.9899, 499, 0.0, "unfit"),
        (0.9899, 1500, 0.011, "unfit"),
    ],
)
def test_labels_outrank_drift(mean: float, count: int, lost: float, kind: str) -> None:
    """Where enough labels say that nothing is lost, drift is a caution; down to 0.95."""
    scores = report().manifest.artifacts[2].scores
    assert scores.drift
    reference = report().manifest.artifacts[0].scores.labels[0].value
    label = replace(scores.labels[0], value=reference - lost, count=count)
    away = replace(scores.drift, cosine_mean=mean)
    found = with_artifact("wi8_afp32", scores=replace(scores, drift=away, labels=(label,)))
    (finding,) = [each for each in find_warnings(found) if each.artifact == "wi8_afp32"]
    assert finding.kind == kind
    assert write_headline(found).text.startswith("Do not use") is (kind == "unfit")
    assert ("has drifted from float32's: see" in write_headline(found).text) is (kind == "drifted")


@pytest.mark.parametrize(("value", "unfit"), [(0.8573, False), (0.8571, True), (math.nan, True)])
def test_lost_points_decide_fitness(value: float, unfit: bool) -> None:
    """More than one point under float32's score is not fit for use."""
    scores = report().manifest.artifacts[2].scores
    lower = replace(scores, labels=(replace(scores.labels[0], value=value),))
    assert bool(warning_texts(with_artifact("wi8_afp32", scores=lower), "wi8_afp32")) is unfit


def test_full_integer_in_name_only_is_unfit() -> None:
    """An artifact called wi8_ai8 with float tensors is said to have them."""
    texts = warning_texts(with_artifact("wi8_ai8", integer_only=False), "wi8_ai8")
    assert "called full integer but has float" in texts[0]


def test_unproven_is_never_passed_over() -> None:
    """A proof that was not run or failed is a finding with its reason."""
    proof = report().manifest.artifacts[2].runtime_check
    failed = with_artifact(
        "wi8_afp32", runtime_check=replace(proof, status="failed", detail="op missing")
    )
    assert warning_texts(failed, "wi8_afp32") == ["failed on ai-edge-litert 2.3.0: op missing"]
    assert write_headline(failed).level == "bad"
    assert write_headline(failed).text.startswith("Do not use wi8_afp32 yet: failed on")


def test_a_model_made_smaller_is_judged_by_its_score() -> None:
    """A cosine to the whole model far from 1 is what was asked for, not a fault."""
    sized = msgspec.structs.replace(report(), search=search_result())
    assert any("drifted" in each.text for each in find_warnings(report()))
    assert not any("drifted" in each.text for each in find_warnings(sized))


def test_files_that_read_texts_otherwise_come_last() -> None:
    """The warning of a file for MediaPipe is a caution, and spoils no artifact."""
    sample = report()
    packaged = replace(sample.manifest.files[0], warnings=("the model is cased",))
    manifest = replace(sample.manifest, files=(packaged, *sample.manifest.files[1:]))
    warning = find_warnings(replace(sample, manifest=manifest))[-1]
    assert (warning.artifact, warning.text) == (packaged.file, "the model is cased")
    assert warning.is_caution
    assert find_warnings(sample) == find_warnings(replace(sample, manifest=manifest))[:-1]
