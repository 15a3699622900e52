"""The stages of a model with exits, cut from the whole paths of a float32 TFLite file.

TensorFlow would convert each stage by itself, but then folds a LayerNorm into the matrices behind
it in one signature and not in the other, so that the file would hold them twice. A part of the
whole path has the very same operators and constants.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_bert.encoder.exits import Span, list_stages
from edge_bert.encoder.weights import DenseWeights, EncoderWeights
from edge_bert.formats.tflite import flatbuffer
from edge_bert.formats.tflite.cut_graph import (
    add_reshape,
    cut_graph,
    find_readers,
    list_sources,
    name_entries,
)
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.stage_names import AGREEMENT, ROWS, name_stage

DENSE = re.compile(r"/(query|key|value)(?:_\d+)*/")  # in what the converter calls a product


def name_exit_output(kind: str, after: int) -> str:
    """What the whole path calls an output on the way, before it is cut."""
    return f"{kind}_{after}"


def cut_stages(float_model: bytes, weights: EncoderWeights, lengths: Sequence[int]) -> bytes:
    """`float_model` with its whole paths, and the stages `start_L_K` and `continue_L_K_M` of each.

    Its signatures, one for each of `lengths`, give the rows [length, hidden] and the outputs of
    every exit too (`name_exit_output`), and lose them here.
    """
    model = flatbuffer.read_model(float_model)
    cutter = _Cutter(model, weights)
    whole = sorted(model.signatureDefs, key=lambda entry: lengths.index(_length_of(entry)))
    model.signatureDefs = []
    graphs = [model.subgraphs[entry.subgraphIndex] for entry in whole]
    model.subgraphs = []
    for entry, graph in zip(whole, graphs, strict=True):
        cutter.read_plain_rows(graph, name_entries(entry.outputs))
        cutter.append_whole(entry, graph)
    for entry, graph in zip(whole, graphs, strict=True):
        for span in list_stages(weights):
            cutter.append_stage(entry, graph, span)
    return flatbuffer.write_model(model)


def _length_of(entry: Any) -> int:
    return int(entry.signatureKey.decode().rpartition("_")[2])


@dataclass
class _Cutter:
    """A model under construction from the whole paths that it had."""

    model: Any
    weights: EncoderWeights

    def append_whole(self, entry: Any, graph: Any) -> None:
        """The path to the model's own output, without exits."""
        inputs, outputs = name_entries(entry.inputs), name_entries(entry.outputs)
        name = self.weights.output_name
        part = cut_graph(graph, (), [outputs[name]])
        self._append(part, entry.signatureKey.decode(), inputs, {name: outputs[name]})

    def append_stage(self, entry: Any, graph: Any, span: Span) -> None:
        """The layers of a stage, from ids or rows to the answer and the rows at its end."""
        first, last = span
        names = name_entries(entry.outputs)
        ends = last == self.weights.config.layers
        outputs = {self.weights.output_name: names[self.weights.output_name]}
        if not ends:
            outputs[self.weights.output_name] = names[name_exit_output("output", last)]
            if name_exit_output(AGREEMENT, last) in names:
                outputs[AGREEMENT] = names[name_exit_output(AGREEMENT, last)]
            outputs[ROWS] = names[name_exit_output(ROWS, last)]
        given = [names[name_exit_output(ROWS, first)]] if first else []
        part = cut_graph(graph, given, list(outputs.values()))
        sources = list_sources(self.model, part)
        inputs = {
            name: tensor
            for name, tensor in name_entries(entry.inputs).items()
            if tensor in sources or not first
        }
        length = _length_of(entry)
        if first:
            inputs[ROWS] = self._take_rows(part, given[0], length)
        if not ends:
            outputs[ROWS] = self._give_rows(part, outputs[ROWS], length)
        self._append(part, name_stage(length, first, last), inputs, outputs)

    def _append(
        self, part: Any, name: str, inputs: Mapping[str, int], outputs: Mapping[str, int]
    ) -> None:
        strays = list_sources(self.model, part) - set(inputs.values())
        if strays or (ROWS in inputs and "input_ids" in inputs):
            raise ValueError(f"{name} reads what stands before its rows")
        part.inputs, part.outputs, part.name = [*inputs.values()], [*outputs.values()], name
        index = len(self.model.subgraphs)
        self.model.subgraphs.append(part)
        signature = flatbuffer.make_signature(name, index, inputs, outputs)
        self.model.signatureDefs.append(signature)

    def _take_rows(self, part: Any, rows: int, length: int) -> int:
        tensor = self._add_rows(part, rows, length, "given")
        part.operators = [add_reshape(self.model, part, tensor, rows), *part.operators]
        return tensor

    def _give_rows(self, part: Any, rows: int, length: int) -> int:
        tensor = self._add_rows(part, rows, length, "handed")
        part.operators = [*part.operators, add_reshape(self.model, part, rows, tensor)]
        return tensor

    def _add_rows(self, part: Any, rows: int, length: int, suffix: str) -> int:
        shape = (1, length, flatbuffer.shape_of(part.tensors[rows])[-1])
        float32 = flatbuffer.load_schema().TensorType.FLOAT32
        name = f"{flatbuffer.name_of(part, rows)}/{suffix}"
        return flatbuffer.add_tensor(part, name, shape, float32)

    def read_plain_rows(self, graph: Any, names: Mapping[str, int]) -> None:
        """Let the layers behind exits read the rows that are handed over.

        The converter has folded LayerNorm's gamma and beta into their matrices, which read its
        rows before both; as they are in `weights` they read the rows after both.
        """
        producers = {int(index): x for x in graph.operators for index in x.outputs}
        for exit_weights in self.weights.exits:
            rows = names[name_exit_output(ROWS, exit_weights.after)]
            scaled = producers[int(producers[rows].inputs[0])]
            for operator in find_readers(
                self.model, graph, int(scaled.inputs[0]), "FULLY_CONNECTED"
            ):
                dense = self._find_dense(graph, operator, exit_weights.after)
                if dense is not None:
                    self._read_rows(graph, operator, rows, dense)

    def _find_dense(self, graph: Any, operator: Any, layer: int) -> DenseWeights | None:
        """The matrix of the layer's attention that an operator multiplies by, as it multiplies."""
        match = DENSE.search(flatbuffer.name_of(graph, operator.outputs[0]))
        if match is None:
            return None
        dense: DenseWeights = getattr(self.weights.layers[layer], match[1])
        if match[1] != "query":
            return dense
        factor = np.float32(self.weights.config.head_size**-0.5)
        return DenseWeights(dense.kernel * factor, dense.bias * factor)

    def _read_rows(self, graph: Any, operator: Any, rows: int, dense: DenseWeights) -> None:
        operator.inputs[0] = rows
        for position, value in ((1, dense.kernel.T), (2, dense.bias)):
            old = graph.tensors[operator.inputs[position]]
            name, shape = old.name.decode(errors="replace"), flatbuffer.shape_of(old)
            operator.inputs[position] = flatbuffer.add_tensor(
                graph, f"{name}/plain", shape, old.type, buffer=self._store(value)
            )

    def _store(self, value: FloatArray) -> int:
        """The buffer of a constant; the one that is there, where layers share it."""
        data = np.frombuffer(np.ascontiguousarray(value, np.float32).tobytes(), np.uint8)
        for index, buffer in enumerate(self.model.buffers):
            stored = buffer.data
            if stored is not None and len(stored) == len(data) and np.array_equal(stored, data):
                return index
        return flatbuffer.add_constant(self.model, value)
