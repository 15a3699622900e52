"""An ONNX graph: nodes, constants, the node that makes each value and those that use it."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.errors import ModelError
from edge_bert.formats.onnx.budget import ReadingBudget
from edge_bert.text import one_line, shorten

Array = npt.NDArray[Any]
# Operators that change neither the values nor their order in memory, nor add any.
ALIASES = ("Identity", "Cast", "CastLike", "Dropout")
RESHAPES = ("Reshape", "Squeeze", "Unsqueeze", "Flatten")
MOVES = (*RESHAPES, "Transpose", "Expand")
# The opsets that operators come in which ONNX Runtime's optimizer writes into older files too.
NUMBERS = ("value_float", "value_floats", "value_int", "value_ints")
EARLIEST = {"Gelu": 20, "LayerNormalization": 17}


@dataclass(frozen=True, eq=False)
class OnnxNode:
    """One operator; `opset` is the version of its definition."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    domain: str = ""
    opset: int = 0

    def reading(self, inputs: Iterable[str]) -> OnnxNode:
        """The same node with other inputs."""
        return dataclasses.replace(self, inputs=tuple(inputs))

    @property
    def place(self) -> str:
        """What to call it in a message."""
        name = self.name or next(iter(self.outputs), "?")
        return f"{self.op} at {name[:100]!r}"


@dataclass(frozen=True)
class Input:
    """A graph input: its sizes, None where they are free, and its ONNX element type."""

    sizes: tuple[int | None, ...] | None
    element_type: int


@dataclass(frozen=True, eq=False)
class OnnxGraph:
    """Nodes in an order in which they can be computed; constants by name."""

    nodes: tuple[OnnxNode, ...]
    constants: Mapping[str, Array]
    inputs: Mapping[str, Input]
    outputs: tuple[str, ...]
    makers: Mapping[str, OnnxNode]
    users: Mapping[str, tuple[OnnxNode, ...]]
    budget: ReadingBudget
    _order: Mapping[int, int]
    _roots: dict[tuple[str, ...], dict[str, str]]

    @classmethod
    def of(
        cls,
        nodes: Iterable[OnnxNode],
        constants: Mapping[str, Array],
        inputs: Mapping[str, Input],
        outputs: Iterable[str],
        budget: ReadingBudget | None = None,
    ) -> OnnxGraph:
        """The graph with its indices; without a `budget`, one for the constants it has."""
        ordered = tuple(nodes)
        users: dict[str, list[OnnxNode]] = collections.defaultdict(list)
        for node in ordered:
            for name in dict.fromkeys(node.inputs):
                users[name].append(node)
        return cls(
            nodes=ordered,
            constants=constants,
            inputs=inputs,
            outputs=tuple(outputs),
            makers={name: node for node in ordered for name in node.outputs if name},
            users={name: tuple(readers) for name, readers in users.items()},
            budget=budget or ReadingBudget(sum(array.nbytes for array in constants.values())),
            _order={id(node): index for index, node in enumerate(ordered)},
            _roots={},
        )

    def replace(
        self,
        nodes: Iterable[OnnxNode],
        constants: Mapping[str, Array],
        inputs: Mapping[str, Input] | None = None,
        outputs: Iterable[str] | None = None,
    ) -> OnnxGraph:
        """What a pass makes of the graph; it has the same budget."""
        return OnnxGraph.of(
            nodes,
            constants,
            self.inputs if inputs is None else inputs,
            self.outputs if outputs is None else outputs,
            self.budget,
        )

    def maker(self, value: str, *ops: str) -> OnnxNode | None:
        """The node that makes `value`; None if there is none, or it is none of `ops`."""
        node = self.makers.get(value)
        return node if node is not None and (not ops or node.op in ops) else None

    def root(self, value: str, through: tuple[str, ...] = ALIASES) -> str:
        """The value that `value` is a copy of, looking through the operators of `through`."""
        known = self._roots.setdefault(through, {})
        copies = []
        while value not in known:
            node = self.maker(value, *through)
            if node is None or value != node.outputs[0]:
                break
            copies.append(value)
            value = node.inputs[0]
        root = known.get(value, value)
        known.update(dict.fromkeys(copies, root))  # so that long chains are walked once
        return root

    def constant(self, value: str) -> Array | None:
        """The constant that `value` is a copy of, None if it is computed."""
        return self.constants.get(self.root(value))

    def ancestors(
        self, *values: str, stop: Iterable[str] = (), most: int | None = None
    ) -> list[OnnxNode]:
        """All nodes that `values` depend on, in order, without those behind values of `stop`.

        The search ends once more than `most` are there.
        """
        ends, needed, open_ = set(stop), dict[int, OnnxNode](), list(values)
        while open_ and (most is None or len(needed) <= most):
            name = open_.pop()
            node = self.makers.get(name)
            if name in ends or node is None or id(node) in needed:
                continue
            needed[id(node)] = node
            open_.extend(node.inputs)
        return sorted(needed.values(), key=lambda node: self._order[id(node)])


def graph_of(model: Any) -> OnnxGraph:
    """The graph of a ModelProto whose functions are inlined; Constant nodes become constants.

    Raises ModelError for a tensor whose numbers are not of its type and shape.
    """
    constants = {tensor.name: _read_array(tensor) for tensor in model.graph.initializer}
    versions = {opset.domain: opset.version for opset in model.opset_import}
    nodes = []
    for node in model.graph.node:
        attributes = dict(_attributes(node))
        constant = _constant(node, attributes)
        if constant is not None:
            constants[node.output[0]] = constant
            continue
        nodes.append(
            OnnxNode(
                op=node.op_type,
                inputs=tuple(node.input),
                outputs=tuple(node.output),
                attributes=attributes,
                name=node.name,
                domain=node.domain,
                opset=max(versions.get(node.domain, 0), _first_opset(node)),
            )
        )
    inputs = {
        value.name: _input(value.type.tensor_type)
        for value in model.graph.input
        if value.name not in constants
    }
    return OnnxGraph.of(nodes, constants, inputs, (value.name for value in model.graph.output))


def _first_opset(node: Any) -> int:
    return EARLIEST.get(node.op_type, 0) if node.domain in ("", "ai.onnx") else 0


def _attributes(node: Any) -> Iterator[tuple[str, Any]]:
    import onnx

    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, onnx.TensorProto):
            value = _read_array(value)
        yield attribute.name, value


def _read_array(tensor: Any) -> Array:
    from onnx import numpy_helper

    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise ModelError(
            f"The ONNX file's tensor {shorten(tensor.name)} does not hold numbers of its type and "
            f"shape ({one_line(error)}); copy or export the file again."
        ) from error


def _constant(node: Any, attributes: Mapping[str, Any]) -> Array | None:
    """The numbers of a Constant; None for another operator, and for texts."""
    if node.op_type != "Constant" or node.domain not in ("", "ai.onnx"):
        return None
    name, value = next(iter(attributes.items()), ("", b""))
    if isinstance(value, np.ndarray):
        return value
    if name not in NUMBERS:
        return None
    return np.array(value, np.float32 if name.startswith("value_float") else np.int64)


def _input(tensor: Any) -> Input:
    if not tensor.HasField("shape"):
        return Input(None, tensor.elem_type)
    sizes = (
        dimension.dim_value if dimension.dim_value > 0 else None for dimension in tensor.shape.dim
    )
    return Input(tuple(sizes), tensor.elem_type)
