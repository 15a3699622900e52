"""A small float32 encoder with two signatures that share a table and a matrix."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.formats.tflite import flatbuffer
from edge_bert.records.profile import Runtime
from edge_bert.runtimes import tflite
from tests.runtimes.op_models import Step, Tensor, graph, options_of

LENGTH, ROWS, WIDTH, OUT = 5, 300, 64, 96
IDS = np.array([[0, 7, 299, 7, 120], [1, 2, 3, 4, 5]], np.int32)
RANDOM = np.random.default_rng(3)
# Columns and rows of very different size: one scale for a whole constant loses the small ones.
TABLE = (RANDOM.standard_normal((ROWS, WIDTH)) * np.geomspace(0.01, 1, WIDTH)).astype(np.float32)
MATRIX = (RANDOM.standard_normal((OUT, WIDTH)) * np.geomspace(0.01, 10, OUT)[:, None]).astype(
    np.float32
)
BIAS = RANDOM.standard_normal(OUT).astype(np.float32)
POSITIONS = RANDOM.standard_normal((LENGTH, WIDTH)).astype(np.float32)
HOST = Runtime(name="ai-edge-litert", version="2.3.0")


def float_model() -> bytes:
    """Signatures `only` and `second`: y [1, LENGTH, OUT] = (TABLE[ids] + POSITIONS) @ MATRIX.T."""
    embedded = Tensor((1, LENGTH, WIDTH), "float32")
    tensors = [
        Tensor((1, LENGTH), "int32"),
        Tensor(TABLE.shape, "float32", data=TABLE),
        embedded,
        Tensor(POSITIONS.shape, "float32", data=POSITIONS),
        embedded,
        Tensor(MATRIX.shape, "float32", data=MATRIX),
        Tensor(BIAS.shape, "float32", data=BIAS),
        Tensor((1, LENGTH, OUT), "float32"),
    ]
    dense = options_of("FullyConnectedOptions", keepNumDims=True)
    steps = [
        Step("GATHER", 1, (1, 0), 2, options_of("GatherOptions")),
        Step("ADD", 1, (2, 3), 4, options_of("AddOptions")),
        Step("FULLY_CONNECTED", 1, (4, 5, 6), 7, dense),
    ]
    model = flatbuffer.read_model(graph(tensors, steps))
    model.subgraphs.append(copy.deepcopy(model.subgraphs[0]))
    for tensor in model.subgraphs[1].tensors:
        tensor.name += b"/second"
    second = copy.deepcopy(model.signatureDefs[0])
    second.signatureKey, second.subgraphIndex = b"second", 1
    model.signatureDefs.append(second)
    return flatbuffer.write_model(model)


def expected() -> npt.NDArray[np.float32]:
    """What the float model gives for IDS, [2, LENGTH, OUT]."""
    return (TABLE[IDS] + POSITIONS) @ MATRIX.T + BIAS


def run(data: bytes, folder: Path, runtime: Runtime = HOST) -> dict[str, Any]:
    """The output of every signature for IDS."""
    path = folder / "model.tflite"
    path.write_bytes(data)
    feeds = {name: {"x0": IDS} for name in ("only", "second")}
    result = tflite.run_tflite_model(path, feeds, runtime)
    return {name: result.real(name, "y") for name in feeds}


def worst_channel(got: Any) -> float:
    """The largest error of an output channel, as a share of that channel's largest value."""
    wanted = expected()
    axes = (0, 1)
    return float((np.abs(got - wanted).max(axes) / np.abs(wanted).max(axes)).max())


def operators(model: Any, index: int = 0) -> list[str]:
    """The names of the operators of a subgraph, in order."""
    names = {value: name for name, value in vars(flatbuffer.load_schema().BuiltinOperator).items()}
    subgraph = model.subgraphs[index]
    return [names[flatbuffer.builtin_of(model, each)] for each in subgraph.operators]
