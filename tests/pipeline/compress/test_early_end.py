"""A plan's bundle whose texts leave at exits: scored as `Bundle` answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_bert import Bundle
from edge_bert.bundle.open_bundle import OpenBundle
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.pipeline.compress.early_end import score_early
from edge_bert.records.plan import EarlyEnd
from tests.pipeline.staged_bundle import PATIENCE, staged_bundle
from tests.pipeline.tiny_bundle import own_cache
from tests.tiny.sentences import SENTENCES

TEXTS = tuple(" ".join(text[:18].split()) for text in SENTENCES)
LABELS = tuple("abc"[number % 3] for number in range(len(TEXTS)))


def test_what_leaves_early_is_scored_there(tmp_path: Path) -> None:
    """By the bundle's rule; without labels of its own kind there is no score."""
    folder = staged_bundle(tmp_path, rule=PATIENCE, integer=True)
    bundle, opened = Bundle.open(folder), OpenBundle.open(folder)
    (artifact,) = opened.manifest.artifacts
    tokenizer = bundle._tokenizer
    outputs, layers = bundle.encode_with_exits(TEXTS)
    right = outputs.argmax(1) == np.array(["abc".index(label) for label in LABELS])
    with own_cache():
        data = EvaluationSet("d", "labelled", TEXTS, (), LABELS)
        early = score_early(opened, artifact, data, tokenizer)
        other = EvaluationSet(
            "d", "labelled", TEXTS, (), tuple("xyz"[n % 3] for n in range(len(TEXTS)))
        )
        assert score_early(opened, artifact, other, tokenizer) == EarlyEnd()
    assert early == EarlyEnd(score=pytest.approx(right.mean(), abs=1e-6), layers=layers.mean())
    assert score_early(opened, artifact, None, tokenizer) == EarlyEnd()
