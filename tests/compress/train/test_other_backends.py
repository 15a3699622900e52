"""Training and pruning on Keras's other backends, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compress.train.test_backends import need_backend
from tests.compress.train.tiny_run import make_examples, make_weights, train_in

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import sys
from pathlib import Path

from edge_bert.compress.train.keras_student import build_student
from edge_bert.compress.train.prune.gates import score_gates
from edge_bert.encoder.checkpoint import encoder_weights
from tests.compress.train.cluster.test_tune_centroids import assert_centroids_learn
from tests.compress.train.prune.test_block_masks import assert_training_makes_zeros
from tests.compress.train.prune.test_gates import assert_scores_are_differences, make_texts
from tests.compress.train.qat.test_quantized_student import assert_training_stays_on_grid
from tests.compress.train.test_other_backends import train_losses
from tests.compress.train.tiny_run import make_weights
from tests.tiny import models

folder = Path(sys.argv[1])
losses = train_losses(folder)
weights = encoder_weights(models.checkpoint(folder / "classifier", "bert", "classification"))
one_layer = make_weights(folder / "layer")
scores = score_gates(build_student(weights), weights.input_names, *make_texts(), power=2)
assert_scores_are_differences(scores, weights)
assert_training_makes_zeros(folder / "zeros")
assert_training_stays_on_grid(weights)
assert_centroids_learn(one_layer)
print(*losses)
"""


def train_losses(folder: Path) -> list[float]:
    """The mean loss of each epoch of a short run."""
    _, curve = train_in(folder / "run", make_weights(folder), make_examples())
    return [point.loss for point in curve.points]


@pytest.fixture(scope="module")
def losses(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """Those of TensorFlow."""
    return train_losses(tmp_path_factory.mktemp("tensorflow"))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_other_backends_train_and_prune_too(
    backend: str, losses: list[float], tmp_path: Path
) -> None:
    """The first losses are those of TensorFlow, later ones differ by rounding; and pruning makes
    the same comparisons."""
    need_backend(backend)
    own = {"EDGE_BERT_CACHE": str(tmp_path / "cache"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    # A graph runs a few times here: what XLA would spend on making it fast is the test's time.
    own |= {"KERAS_BACKEND": backend, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    own_losses = [float(word) for word in done.stdout.split()]
    assert own_losses[0] == pytest.approx(losses[0], rel=0.02)
    assert own_losses[-1] < own_losses[0]
