"""What tflite-runtime 2.14.0 takes, operator by operator, found by running it.

Each line below is a model of one operator, run on the real runtime. The figure is the newest
version of the operator that the runtime has; it takes every older one too, and its kernels do not
look at the version. TAKES: runs and gives the right numbers. REFUSES: there is no kernel for these
dtypes at any version. WRONG: runs without a word and gives wrong numbers, so a file must never be
brought there by lowering a version: per-channel hybrid weights are read with one scale.

Two ways to keep a scale per channel run right. Weights stored in int8 per channel, a DEQUANTIZE
after them and a float FULLY_CONNECTED: XNNPACK unpacks them once. Or per-tensor hybrid weights
whose rows were divided by their own scales, and a MUL by those scales after. XNNPACK takes none of
the integer or hybrid operators in this build, only float ones.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.errors import VerificationError
from edge_bert.records.profile import TFLITE_RUNTIME_2_14
from edge_bert.runtimes import environments, tflite
from tests.runtimes import op_cases as op
from tests.runtimes.op_models import Step, Tensor, graph, options_of


def squared_difference(a: Any, b: Any) -> Any:
    """The reference of SQUARED_DIFFERENCE."""
    return (a - b) ** 2


TAKES = [
    op.fully_connected("float32", "float32", "float32"),
    op.fully_connected("hybrid per tensor", "float32", "int8"),
    op.fully_connected("hybrid int4 per channel", "float32", "int4", per_row=True),
    op.fully_connected("int8 per channel", "int8", "int8", per_row=True),
    op.fully_connected("int8 per tensor", "int8", "int8"),
    op.fully_connected("int16 x int8 per channel", "int16", "int8", per_row=True),
    op.matmul("int8"),
    op.matmul("int16"),
    op.matmul("float32"),
    op.softmax("int8"),
    op.softmax("int16"),
    op.gelu("int8"),
    op.gelu("float32"),
    op.rsqrt("int8"),
    op.gather("int8"),
    op.gather("int16"),
    op.lookup("hybrid per tensor", "int8"),
    op.reduce("MEAN", 3, "int8", np.mean),
    op.reduce("MEAN", 3, "int16", np.mean),
    op.reduce("SUM", 2, "int8", np.sum),
    op.binary("SQUARED_DIFFERENCE", 2, "int8", squared_difference, "SquaredDifferenceOptions"),
    op.binary("ADD", 5, "int8", np.add, "AddOptions"),
    op.binary("ADD", 5, "int16", np.add, "AddOptions"),
    op.binary("SUB", 5, "int8", np.subtract, "SubOptions"),
    op.binary("SUB", 5, "int16", np.subtract, "SubOptions"),
    op.binary("MUL", 7, "int8", np.multiply, "MulOptions"),
    op.binary("MUL", 7, "int16", np.multiply, "MulOptions"),
    op.transpose("int8"),
    op.transpose("int16"),
    op.quantize(3, "float32", "int8"),
    op.quantize(3, "int8", "int8"),
    op.quantize(3, "int16", "int8"),
    op.quantize(3, "int16", "int16"),
]
REFUSES = [
    op.binary("DIV", 2, "int8", np.divide, "DivOptions"),
    op.binary("SQUARED_DIFFERENCE", 2, "int16", squared_difference, "SquaredDifferenceOptions"),
    op.gelu("int16"),
    op.rsqrt("int16"),
    op.reduce("SUM", 2, "int16", np.sum),
    op.quantize(3, "int8", "int16"),
    op.gather("int4"),
    op.lookup("int4 per row", "int4", per_row=True),
    op.fully_connected("int8 x int4", "int8", "int4", per_row=True),
]
WRONG = [
    op.fully_connected("hybrid per channel", "float32", "int8", per_row=True),
    op.lookup("hybrid per row", "int8", per_row=True),
]

OUTPUT = Tensor((1, 8, 16), "float32")
DENSE = options_of("FullyConnectedOptions", keepNumDims=True)

Run = Callable[[op.Case, int], Any]


def needs_python_311() -> None:
    """Skip where there is none."""
    if environments.find_python_311() is None:
        pytest.skip(f"needs Python 3.11. {environments.GET_PYTHON_311}")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a case at a version of its operator on tflite-runtime 2.14.0; real numbers come back."""
    needs_python_311()

    def call(case: op.Case, version: int) -> Any:
        path = tmp_path / "op.tflite"
        path.write_bytes(case.model(version))
        feeds = {"only": case.feeds()}
        return tflite.run_tflite_model(path, feeds, TFLITE_RUNTIME_2_14).real("only", "y")

    return call


def cosine(case: op.Case, got: Any) -> float:
    """The cosine between what a case gave and what it should give; 0 for all zeros."""
    wanted = case.expected()
    norms = float(np.linalg.norm(got) * np.linalg.norm(wanted))
    return float(np.vdot(got, wanted)) / norms if norms else 0.0


@pytest.mark.parametrize("case", TAKES, ids=lambda case: case.label)
def test_takes(run: Run, case: op.Case) -> None:
    """The newest version runs with the right numbers; the one above it does not load."""
    assert cosine(case, run(case, case.newest)) > 0.999
    with pytest.raises(VerificationError, match=f"Didn't find op .*version '{case.newest + 1}'"):
        run(case, case.newest + 1)


@pytest.mark.parametrize("case", REFUSES, ids=lambda case: case.label)
def test_refuses(run: Run, case: op.Case) -> None:
    """There is no kernel for these dtypes although the version exists."""
    with pytest.raises(VerificationError, match=r"failed to (prepare|invoke)"):
        run(case, case.newest)


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.label)
def test_wrong_without_a_word(run: Run, case: op.Case) -> None:
    """A scale per row is ignored: no error, other numbers. A proof must compare outputs."""
    assert cosine(case, run(case, case.newest)) < 0.9


def dequantized(per_row: bool) -> bytes:
    """int8 weights, DEQUANTIZE, float FULLY_CONNECTED."""
    x, weights = op.Operand(op.X, "float32"), op.Operand(op.WEIGHTS, "int8", True, per_row)
    tensors = [x.tensor(), weights.tensor(), Tensor(op.WEIGHTS.shape, "float32"), OUTPUT]
    steps = [
        Step("DEQUANTIZE", 5, (1,), 2, options_of("DequantizeOptions")),
        Step("FULLY_CONNECTED", 4, (0, 2), 3, DENSE),
    ]
    return graph(tensors, steps)


def multiplied() -> bytes:
    """Hybrid FULLY_CONNECTED with rows divided by their scales, MUL by the scales."""
    scales = np.array(op.Operand(op.WEIGHTS, "int8", per_row=True).scale(), np.float32)
    divided = op.Operand(op.WEIGHTS / scales[:, None], "int8", constant=True)
    factors = Tensor(scales.shape, "float32", data=scales)
    x = op.Operand(op.X, "float32")
    steps = [
        Step("FULLY_CONNECTED", 4, (0, 1), 2, DENSE),
        Step("MUL", 1, (2, 3), 4, options_of("MulOptions")),
    ]
    return graph([x.tensor(), divided.tensor(), OUTPUT, factors, OUTPUT], steps)


def plain() -> bytes:
    """Hybrid FULLY_CONNECTED with one scale for all rows."""
    return op.fully_connected("", "float32", "int8").model(4)


@pytest.mark.parametrize(
    ("model", "at_most", "at_least"),
    [
        (dequantized(per_row=True), 0.02, 0.0),
        (multiplied(), 0.02, 0.0),
        (dequantized(per_row=False), 1.0, 0.05),
        (plain(), 1.0, 0.05),
    ],
    ids=["dequantize per channel", "hybrid and MUL", "dequantize per tensor", "hybrid per tensor"],
)
def test_scales_per_channel(tmp_path: Path, model: bytes, at_most: float, at_least: float) -> None:
    """The worst channel's error: small for both ways to a scale per channel, else not."""
    needs_python_311()
    path = tmp_path / "graph.tflite"
    path.write_bytes(model)
    result = tflite.run_tflite_model(path, {"only": {"x0": op.X}}, TFLITE_RUNTIME_2_14)
    assert at_least <= _worst_channel(result.real("only", "y")) <= at_most


def _worst_channel(got: Any) -> float:
    """The largest error of a channel, as a share of that channel's largest output."""
    wanted = op.X @ op.WEIGHTS.T
    return float((np.abs(got - wanted).max((0, 1)) / np.abs(wanted).max((0, 1))).max())
