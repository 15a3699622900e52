"""Running artifacts on a runtime in a process of its own. Per operator: test_oldest_runtime.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.errors import MissingToolError, VerificationError
from edge_bert.records.profile import TFLITE_RUNTIME_2_14, Runtime
from edge_bert.runtimes import environments, tflite
from tests.runtimes import op_cases
from tests.runtimes.op_models import Tensor, options_of, single_op

NEWEST = Runtime(
    name="ai-edge-litert", version=environments.installed_version("ai-edge-litert") or "missing"
)
needs_python_311 = pytest.mark.skipif(
    environments.find_python_311() is None,
    reason=f"needs Python 3.11. {environments.GET_PYTHON_311}",
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A file that takes int32 ids `[1, 4]` and gives rows of a constant int8 table."""
    path = tmp_path / "gather.tflite"
    path.write_bytes(op_cases.gather("int8").model(1))
    return path


def ids(*rows: list[int]) -> dict[str, dict[str, Any]]:
    """Inputs of `model`."""
    return {"only": {"x1": np.array(rows, np.int32)}}


@pytest.mark.parametrize(
    "runtime", [NEWEST, pytest.param(TFLITE_RUNTIME_2_14, marks=needs_python_311)], ids=str
)
def test_runs_every_row(model: Path, runtime: Runtime) -> None:
    """Rows come back stacked, raw, with scale and zero point, from the runtime asked for."""
    rows = ([0, 1, 2, 3], [4, 5, 6, 7], [49, 0, 0, 49])
    result = tflite.run_tflite_model(model, ids(*rows), runtime)
    table = op_cases.Operand(op_cases.TABLE, "int8")
    assert result.runtime == runtime
    assert result.outputs["only"]["y"].dtype == np.int8
    np.testing.assert_array_equal(result.outputs["only"]["y"], table.raw()[np.array(rows)])
    scale, zero_point = result.quantization["only"]["y"]
    assert (scale, zero_point) == (pytest.approx(table.scale()), 0)
    np.testing.assert_allclose(
        result.real("only", "y"), table.stored()[np.array(rows)], rtol=1e-6, atol=1e-6
    )


def test_float_outputs_have_no_scale(tmp_path: Path) -> None:
    """A float output is given as it is and has no entry in `quantization`."""
    path = tmp_path / "rsqrt.tflite"
    path.write_bytes(op_cases.rsqrt("float32").model(1))
    result = tflite.run_tflite_model(path, {"only": {"x0": op_cases.POSITIVE}}, NEWEST)
    assert result.quantization == {"only": {}}
    np.testing.assert_allclose(result.real("only", "y"), op_cases.POSITIVE**-0.5, rtol=1e-5)


def test_latencies(model: Path) -> None:
    """As many positive times as repetitions asked for; none when not asked."""
    timed = tflite.run_tflite_model(model, ids([0, 1, 2, 3]), NEWEST, repetitions=7)
    assert len(timed.latencies_us["only"]) == 7
    assert min(timed.latencies_us["only"]) > 0
    assert tflite.run_tflite_model(model, ids([0, 1, 2, 3]), NEWEST).latencies_us == {"only": ()}


@needs_python_311
def test_names_the_operator_that_the_runtime_lacks(tmp_path: Path) -> None:
    """The error is one line: artifact, runtime and the runtime's own message."""
    path = tmp_path / "hybrid.tflite"
    path.write_bytes(op_cases.fully_connected("", "float32", "int8").model(12))
    with pytest.raises(VerificationError) as caught:
        tflite.run_tflite_model(path, {"only": {"x0": op_cases.X}}, TFLITE_RUNTIME_2_14)
    message = str(caught.value)
    prefix = "hybrid.tflite on tflite-runtime 2.14.0: Didn't find op for builtin opcode "
    assert message.startswith(f"{prefix}'FULLY_CONNECTED' version '12'")
    assert "\n" not in message


@needs_python_311
def test_survives_a_file_that_kills_the_runtime(model: Path) -> None:
    """tflite-runtime 2.14.0 dies of this damaged file; we do not, and say what happened."""
    damaged = bytearray(model.read_bytes())
    damaged[:4] = b"\xff\xff\xff\x7f"  # where the root table lies
    model.write_bytes(bytes(damaged))
    with pytest.raises(VerificationError, match="the process died"):
        tflite.run_tflite_model(model, ids([0, 1, 2, 3]), TFLITE_RUNTIME_2_14)


@pytest.mark.parametrize("keep", [0, 3, 200])
def test_damaged_files(model: Path, keep: int) -> None:
    """An empty or truncated file is a VerificationError of one line that names the file."""
    model.write_bytes(model.read_bytes()[:keep])
    with pytest.raises(
        VerificationError, match=r"^gather.tflite on ai-edge-litert [\d.]+: \S[^\n]+$"
    ):
        tflite.run_tflite_model(model, ids([0, 1, 2, 3]), NEWEST)


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"only": {"x1": np.zeros((1, 5), np.int32)}}, r"has shape \(1, 4\), not \(1, 5\)"),
        ({"only": {"ids": np.zeros((1, 4), np.int32)}}, r"takes \['x1'\], not \['ids'\]"),
        ({"other": {"x1": np.zeros((1, 4), np.int32)}}, "signature"),
        ({"only": {"x1": np.full((1, 4), 10**6, np.int32)}}, "out of bounds"),
        ({"only": {"x1": np.zeros((1, 4), np.float32)}}, "FLOAT32"),
    ],
)
def test_inputs_that_do_not_fit(model: Path, inputs: Any, says: str) -> None:
    """Another length, name, signature, id or dtype is refused, never resized or cast."""
    with pytest.raises(VerificationError, match=says):
        tflite.run_tflite_model(model, inputs, NEWEST)


@pytest.mark.parametrize(
    "inputs",
    [
        {"only": {}},
        {"only": {"x1": np.zeros((0, 4), np.int32)}},
        {"only": {"x1": np.zeros((2, 4), np.int32), "x2": np.zeros((1, 4), np.int32)}},
        {"on|ly": {"x1": np.zeros((1, 4), np.int32)}},
        {"only": {"x1": np.array([["a", None]], dtype=object)}},
    ],
)
def test_inputs_that_make_no_sense(model: Path, inputs: Any) -> None:
    """No rows, unequal rows, the separator in a name, and objects (pickle) never leave here."""
    with pytest.raises(ValueError, match=r"\w"):
        tflite.run_tflite_model(model, inputs, NEWEST)


def test_time_out(tmp_path: Path) -> None:
    """A run that takes too long ends with the time it had."""
    path = tmp_path / "slow.tflite"
    x = Tensor((1, 2000, 2000), "float32")
    options = options_of("BatchMatMulOptions")
    path.write_bytes(single_op("BATCH_MATMUL", 1, [x, x], x, options))
    zeros = np.zeros((1, 2000, 2000), np.float32)
    with pytest.raises(VerificationError, match=r"slow.tflite .* did not end within 1.5 s"):
        tflite.run_tflite_model(
            path, {"only": {"x0": zeros, "x1": zeros}}, NEWEST, timeout_s=1.5, repetitions=10**6
        )


def test_runtimes_that_do_not_exist(model: Path) -> None:
    """An unknown runtime is a MissingToolError, not a proof that failed."""
    with pytest.raises(MissingToolError, match="snpe"):
        tflite.run_tflite_model(model, ids([0, 1, 2, 3]), Runtime(name="snpe", version="2.0.0"))
