"""The sum of tables that an encoder starts with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_bert.formats.onnx.evaluate import NotComputed, evaluate_node
from edge_bert.formats.onnx.graph import ALIASES, RESHAPES, Array, OnnxGraph
from edge_bert.records.checkpoint import FloatArray
from edge_bert.sources.onnx.inputs import IDS, MASK, POSITIONS, TYPES
from edge_bert.sources.onnx.parts import Linear, NotRecognized, OnnxNorm, as_matrix, find_linear

PROBE_LENGTH = 8
MAX_TERMS = 8
PROBE_IDS = (5, 7)  # at most one of them is the padding id


@dataclass(frozen=True, eq=False)
class OnnxEmbeddings:
    """Tables as [rows, width]; position row `offset` belongs to the first token.

    `token_type` is None where the model tells no types apart; of a model without an input for
    them it is the one row that it adds. `projection` stands between the norm and the encoder.
    """

    word: FloatArray
    position: FloatArray
    token_type: FloatArray | None
    offset: int
    norm: OnnxNorm
    projection: Linear | None
    output: str


def find_embeddings(graph: OnnxGraph, norm: OnnxNorm, names: dict[str, str]) -> OnnxEmbeddings:
    """The embeddings that `norm` normalizes. Raises NotRecognized for any other sum."""
    tables = _Tables(graph, names)
    for term in _terms(graph, norm.input):
        tables.add(term)
    if tables.word is None or tables.position is None:
        raise NotRecognized("its embeddings are no sum of a token table and a position table")
    projection, output = _projection(graph, norm)
    return OnnxEmbeddings(
        word=tables.word,
        position=tables.position,
        token_type=tables.token_type,
        offset=tables.offset,
        norm=norm,
        projection=projection,
        output=output,
    )


def _terms(graph: OnnxGraph, value: str) -> list[str]:
    """The terms of the sum; bounded, because a graph may add a value to itself again and again."""
    open_, terms = [value], list[str]()
    while open_:
        root = graph.root(open_.pop(), (*ALIASES, "Expand"))
        node = graph.maker(root, "Add", "Sum")
        if node is None or graph.constant(root) is not None:
            terms.append(root)
        else:
            open_.extend(node.inputs)
        if len(terms) + len(open_) > MAX_TERMS:
            raise NotRecognized(f"its embeddings are a sum of more than {MAX_TERMS} tables")
    return terms


def _projection(graph: OnnxGraph, norm: OnnxNorm) -> tuple[Linear | None, str]:
    """The projection to the hidden size, which ALBERT and ELECTRA have before the first layer."""
    users = [
        linear for node in graph.users.get(norm.output, ()) if (linear := linear_of(graph, node))
    ]
    widths = {linear.kernel.shape for linear in users}
    if len(users) == 1 and len(widths) == 1:
        return users[0], users[0].output
    return None, norm.output


def linear_of(graph: OnnxGraph, node: object) -> Linear | None:
    """The dense layer that a MatMul or Gemm `node` begins, with the bias that is added after."""
    output = node.outputs[0]  # type: ignore[attr-defined]
    for user in graph.users.get(output, ()):
        if user.op == "Add":
            linear = find_linear(graph, user.outputs[0])
            if linear is not None:
                return linear
    return find_linear(graph, output)


class _Tables:
    """Collects the terms of the sum under their meanings."""

    def __init__(self, graph: OnnxGraph, names: dict[str, str]) -> None:
        self.graph, self.names = graph, names
        self.word: FloatArray | None = None
        self.position: FloatArray | None = None
        self.token_type: FloatArray | None = None
        self.offset = 0

    def add(self, term: str) -> None:
        """Raises NotRecognized for a term that is no table of these three."""
        constant = self.graph.constant(term)
        if constant is not None:
            self._add_rows(constant)
            return
        if self._add_slice(term):
            return
        node = self.graph.maker(term, "Gather")
        table = as_matrix(self.graph.constant(node.inputs[0])) if node else None
        if node is None or table is None or node.attributes.get("axis", 0) != 0:
            raise NotRecognized(f"its embeddings add {term[:80]!r}, which is no row of a table")
        source = self.graph.root(node.inputs[1], (*ALIASES, *RESHAPES))
        meaning = self.names.get(source)
        if meaning == IDS and self.word is None:
            self.word = table
        elif meaning == TYPES and self.token_type is None:
            self.token_type = table
        elif meaning == POSITIONS and self.position is None:
            self.position = table
        else:
            self._add_computed(table, self._indices(node.inputs[1]))

    def _add_slice(self, term: str) -> bool:
        """Whether the term is the first rows of a table of positions, as our own files have it."""
        node = self.graph.maker(term, "Slice")
        table = as_matrix(self.graph.constant(node.inputs[0])) if node else None
        first = self.graph.constant(node.inputs[1]) if node else None
        if table is None or first is None or first.size != 1 or self.position is not None:
            return False
        offset, rows = int(first.reshape(())), self._evaluate(term, PROBE_IDS[0])
        if offset < 0 or not np.array_equal(rows, table[offset : offset + PROBE_LENGTH]):
            return False
        self.position, self.offset = table, offset
        return True

    def _indices(self, value: str) -> Array:
        """The indices of PROBE_LENGTH tokens that are all the same, none of them padding."""
        probes = [self._probed(value, token) for token in PROBE_IDS]
        return max(probes, key=lambda indices: int(indices[-1]))

    def _probed(self, value: str, token: int) -> Array:
        indices = self._evaluate(value, token)
        if indices.size == 0:
            raise NotRecognized("its positions are empty")
        return indices.reshape(-1)[: indices.shape[-1]] if indices.ndim else indices.reshape(-1)

    def _evaluate(self, value: str, token: int) -> Array:
        """`value` for PROBE_LENGTH tokens that are all `token`."""
        ones = {IDS: token, MASK: 1, TYPES: 0}
        feeds = {}
        for name, meaning in self.names.items():
            sizes = self.graph.inputs[name].sizes or (None, None)
            shape = [
                size or default for size, default in zip(sizes, (1, PROBE_LENGTH), strict=False)
            ]
            dtype = np.int32 if self.graph.inputs[name].element_type == 6 else np.int64
            feeds[name] = np.full(shape, ones.get(meaning, 0), dtype)
        try:
            return evaluate_node(self.graph, value, feeds)
        except NotComputed as error:
            raise NotRecognized(f"its positions cannot be followed ({error})") from error

    def _add_computed(self, table: FloatArray, indices: Array) -> None:
        first = int(indices[0])
        if np.array_equal(indices, np.arange(first, first + len(indices))) and len(indices) > 1:
            if self.position is None and 0 <= first < len(table):
                self.position, self.offset = table, first
                return
        elif len(set(indices.tolist())) == 1 and self.token_type is None:
            self.token_type = table[first : first + 1]
            return
        raise NotRecognized("its embeddings look rows up in an order that is not known")

    def _add_rows(self, constant: Array) -> None:
        """Rows that an exporter with fixed shapes has looked up already: [1, length, width]."""
        rows = constant.reshape(-1, constant.shape[-1]).astype(np.float32)
        if len(rows) > 1 and np.ptp(rows, axis=0).any():
            if self.position is not None:
                raise NotRecognized("its embeddings have two tables of positions")
            self.position = rows
        elif self.token_type is None:
            self.token_type = rows[:1]
        else:
            raise NotRecognized("its embeddings have two tables of token types")
