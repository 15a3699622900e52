"""An ONNX graph while it is written: nodes in the order of execution, each constant once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
# LayerNormalization came with 17, which runtimes on phones and TensorRT know. IR 8 goes with it.
OPSET, IR_VERSION = 17, 8
PRODUCER = "edge-bert"
SHARED_BYTES = 1024
FLOAT, FLOAT16 = 1, 10  # the numbers of the types in ONNX


@dataclass
class Writer:
    """Nodes and constants; `float_type` is the type that floats are stored and computed in."""

    float_type: str = "float32"
    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    names: dict[bytes, str] = field(default_factory=dict)

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Append a node with one output; gives the output's name, which is the node's too."""
        from onnx import helper

        self.nodes.append(
            helper.make_node(operator, list(inputs), [output], name=output, **attributes)
        )
        return output

    def floats(self, name: str, value: npt.ArrayLike) -> str:
        """A constant of floats, in the type that the graph computes in."""
        return self.constant(name, np.asarray(value, self.float_type))

    def integers(self, name: str, *values: int) -> str:
        """A constant list of int64, such as a shape."""
        return self.constant(name, np.array(values, np.int64))

    def constant(self, name: str, value: Array) -> str:
        """A constant as it is; the same name must always mean the same values.

        Gives the name that it has in the file: layers may share a matrix, which is stored once.
        """
        if value.nbytes >= SHARED_BYTES:
            name = self.names.setdefault(_digest(value), name)
        stored = self.constants.setdefault(name, value)
        if stored.dtype != value.dtype or not np.array_equal(stored, value):
            raise ValueError(f"two constants are called {name}")
        return name

    def model(
        self,
        inputs: Mapping[str, Sequence[str | int]],
        output: str,
        output_shape: Sequence[str | int],
        description: Mapping[str, str],
    ) -> Any:
        """The ModelProto: int64 `inputs`, one float32 output, `description` as its metadata."""
        from onnx import TensorProto, helper, numpy_helper

        graph = helper.make_graph(
            self.nodes,
            PRODUCER,
            [
                helper.make_tensor_value_info(name, TensorProto.INT64, shape)
                for name, shape in inputs.items()
            ],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, output_shape)],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name=PRODUCER,
            ir_version=IR_VERSION,
        )
        helper.set_model_props(model, dict(description))
        return model


def _digest(value: Array) -> bytes:
    header = f"{value.dtype} {value.shape} ".encode()
    return hashlib.sha256(header + value.tobytes()).digest()
