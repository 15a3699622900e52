"""Gates and blocks of zeros on Keras's other backends, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import sys
from pathlib import Path

from edge_bert.compress.train.prune.gates import score_gates
from edge_bert.compress.train.keras_student import build_student
from edge_bert.encoder.checkpoint import encoder_weights
from tests.compress.train.prune.test_block_masks import assert_training_makes_zeros
from tests.compress.train.prune.test_gates import assert_scores_are_differences, make_texts
from tests.tiny import models

folder = Path(sys.argv[1])
weights = encoder_weights(models.checkpoint(folder / "classifier", "bert", "classification"))
scores = score_gates(build_student(weights), weights.input_names, *make_texts(), power=2)
assert_scores_are_differences(scores, weights)
assert_training_makes_zeros(folder)
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_other_backends_prune_too(backend: str, tmp_path: Path) -> None:
    """The same comparisons as on TensorFlow."""
    pytest.importorskip(backend)
    own = {"EDGE_BERT_CACHE": str(tmp_path / "cache"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, **own, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
