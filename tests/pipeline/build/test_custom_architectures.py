"""Models that are not BERT's closest kin get bundles too, without what they cannot have."""

from __future__ import annotations

import pytest

from edge_bert.records.bundle import Manifest
from tests.pipeline import tiny_bundle as tiny

HEADS = {
    "albert": "mean-normalize",
    "electra": "mean-normalize",
    "mobilebert": "mean-normalize",
    "gpt2": "last-normalize",
    "xlm-roberta": "mean-normalize",
    "camembert": "mean",
    "mpnet": "mean-normalize",
    "modernbert": "mean-normalize",
    "nomic_bert": "mean-normalize",
}
INTEGERS = {"wi8_ai8", "wi8_ai8_afp32"}
LEFT_OUT = {
    "albert": (INTEGERS | {"mediapipe"}, "share the weights of 1, as in ALBERT"),
    "electra": (set(), ""),
    "mobilebert": (INTEGERS | {"wi4_afp32"}, "mobilebert has layers that are not BERT's"),
    "gpt2": (INTEGERS | {"wi4_afp32", "mediapipe"}, "gpt2 has layers that are not BERT's"),
    "xlm-roberta": ({"mediapipe"}, ""),
    "camembert": ({"mediapipe"}, ""),
    "mpnet": ({"mediapipe"}, ""),
    "modernbert": (INTEGERS, "modernbert has layers that are not BERT's"),
    "nomic_bert": (INTEGERS, "nomic_bert has layers that are not BERT's"),
}
WITH_INTEGERS = [name for name, (skipped, _) in LEFT_OUT.items() if not INTEGERS & skipped]
MARKS = {"mpnet": "[CLS]"}  # MediaPipe knows BERT's


def manifest_of(architecture: str) -> Manifest:
    return tiny.built(architecture, HEADS[architecture]).report.manifest


@pytest.mark.parametrize("architecture", HEADS)
def test_recipes_of_weights_are_proven(architecture: str) -> None:
    """float32, float16 and the hybrid recipe pass on the runtime, near the float model."""
    found = {each.name: each for each in manifest_of(architecture).artifacts}
    for name in ("float32", "float16", "wi8_afp32"):
        assert found[name].runtime_check.status == "passed"
        drift = found[name].scores.drift
        assert drift is not None
        assert drift.cosine_mean > 0.999


@pytest.mark.parametrize("architecture", HEADS)
def test_what_cannot_be_is_left_out_with_its_reason(architecture: str) -> None:
    """The build goes on without it and the manifest says why."""
    reasons = {each.name: each.reason for each in manifest_of(architecture).skipped}
    names, match = LEFT_OUT[architecture]
    assert set(reasons) == names
    assert all(match in reasons[name] for name in names - {"mediapipe"})
    if "mediapipe" in names:
        assert MARKS.get(architecture, "no vocab.txt") in reasons["mediapipe"]


@pytest.mark.parametrize("architecture", WITH_INTEGERS)
def test_integers_take_a_projection_or_a_relative_bias(architecture: str) -> None:
    """ELECTRA's projection and MPNet's bias are integers like the rest."""
    found = {each.name: each for each in manifest_of(architecture).artifacts}
    assert set(found) > INTEGERS
    assert found["wi8_ai8"].integer_only
    for name in INTEGERS:
        drift = found[name].scores.drift
        assert drift is not None
        assert drift.cosine_mean > 0.998
