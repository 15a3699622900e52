"""A recorded encoder with other outputs, put together from ONNX's operators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.recordings.onnx.make import HIDDEN
from tests.recordings.onnx.running import placed

TOKENS = "last_hidden_state"
ENCODER = "bert-tokens-script14-sdpa-dynamic"
Node = tuple[Any, ...]  # operator, inputs, output and, where there are any, attributes


def matrix(*shape: int, seed: int = 0) -> np.ndarray:
    """Seeded random numbers."""
    return (0.4 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


MEAN: tuple[Node, ...] = (
    ("Cast", ("attention_mask",), "h/floats", {"to": 1}),
    ("Unsqueeze", ("h/floats", "h/last"), "h/mask"),
    ("Mul", (TOKENS, "h/mask"), "h/kept"),
    ("ReduceSum", ("h/kept", "h/first"), "h/sum", {"keepdims": 0}),
    ("ReduceSum", ("h/mask", "h/first"), "h/count", {"keepdims": 0}),
    ("Div", ("h/sum", "h/count"), "h/mean"),
)
CLS: tuple[Node, ...] = (("Gather", (TOKENS, "h/zero"), "h/cls", {"axis": 1}),)
CONSTANTS = {
    "h/last": np.array([-1]),
    "h/first": np.array([1]),
    "h/zero": np.array(0),
    "h/half": np.array(0.5, np.float32),
}


def dense(source: str, width: int, output: str, seed: int = 0, inputs: int = HIDDEN) -> Any:
    """The nodes and the constants of a dense layer."""
    names = (f"{output}/kernel", f"{output}/bias")
    nodes = (
        ("MatMul", (source, names[0]), f"{output}/product"),
        ("Add", (f"{output}/product", names[1]), output),
    )
    return nodes, {names[0]: matrix(inputs, width, seed=seed), names[1]: matrix(width, seed=9)}


def write_graph(
    folder: Path,
    nodes: tuple[Node, ...],
    outputs: dict[str, int],
    constants: dict[str, np.ndarray] | None = None,
    *,
    tokens: bool = True,
) -> Path:
    """The recorded encoder with `nodes` behind its tokens.

    `outputs` gives the rank of each new output; they come before the tokens, which are an output
    too where `tokens`.
    """
    import onnx

    path = placed(folder, ENCODER)
    model = onnx.load_model(path)
    for op, inputs, output, *attributes in nodes:
        more = attributes[0] if attributes else {}
        model.graph.node.append(onnx.helper.make_node(op, inputs, [output], **more))
    for name, array in (CONSTANTS | (constants or {})).items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    own = list(model.graph.output)
    del model.graph.output[:]
    for name, rank in outputs.items():
        sizes = ["batch", *(f"{name}_{axis}" for axis in range(rank - 1))]
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, 1, sizes))
    model.graph.output.extend(own if tokens else [])
    onnx.save_model(model, path)
    return path
