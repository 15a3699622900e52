"""Right answers by class."""

from __future__ import annotations

import numpy as np

from edge_bert.pipeline.train.class_scores import score_classes
from edge_bert.records.training import ClassScore

LABELS = np.array([0, 0, 1, 1, 1, -1], np.int32)
NOW = np.eye(3, dtype=np.float32)[[0, 1, 1, 1, 2, 0]]
BEFORE = np.eye(3, dtype=np.float32)[[0, 0, 1, 2, 2, 0]]


def test_each_class_has_its_texts_and_its_right_answers() -> None:
    """A text without a label counts nowhere, and a class without a text has zeros."""
    assert score_classes(NOW, LABELS, ("a", "b", "c"), BEFORE) == (
        ClassScore("a", count=2, right=1, reference=2),
        ClassScore("b", count=3, right=2, reference=1),
        ClassScore("c", count=0, right=0, reference=0),
    )


def test_without_another_model_there_is_no_reference() -> None:
    """Which is not the same as none right."""
    scores = score_classes(NOW, LABELS, ("a", "b", "c"))
    assert [score.reference for score in scores] == [None, None, None]
