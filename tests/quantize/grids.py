"""Tiny models whose matrices lie on a grid, and the integers that a TFLite file holds of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.channelwise import unpack_steps
from edge_bert.quantize.tflite_passes.matrix_roles import TRACE

Array = npt.NDArray[Any]
TABLE = "embeddings.word_embeddings.weight"
# Our roles by transformers' names of BERT's matrices.
ROLES = {
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "attention_output",
    "intermediate.dense": "ffn_in",
    "output.dense": "ffn_out",
}


def random_codes(shape: tuple[int, ...], least: int, most: int, seed: int = 0) -> Array:
    """Integers as a training leaves them: most are small, few rows reach the ends."""
    spread = np.random.default_rng(seed).standard_normal(shape) * max(most / 4, 0.7)
    return np.clip(np.rint(spread), least, most).astype(np.int8)


def random_scales(count: int, seed: int = 0) -> Array:
    """Steps [count] of float32 from 0.002 to 0.05."""
    return np.random.default_rng(seed + 1).uniform(0.002, 0.05, count).astype(np.float32)


def place_on_grid(
    folder: Path, least: int, most: int, block: int | None = None
) -> dict[tuple[int, str], Array]:
    """Put every matrix of a tiny BERT in `folder` on a grid; its codes by layer and role.

    `block` inputs share a step, or all inputs of a row that has no more; None: of every row.
    """
    path = folder / "model.safetensors"
    tensors, codes = load_file(path), {}
    for seed, (layer, role, name) in enumerate(list_matrices(tensors)):
        matrix = random_codes(tensors[name].shape, least, most, seed)
        size = min(block or matrix.shape[1], matrix.shape[1])
        scales = random_scales(matrix.size // size, seed).reshape(len(matrix), -1)
        tensors[name] = (matrix * np.repeat(scales, size, axis=1)).astype(np.float32)
        codes[layer, role] = matrix
    save_file(tensors, path, {"format": "pt"})
    return codes


def list_matrices(tensors: dict[str, Array]) -> list[tuple[int, str, str]]:
    """Layer, role and name of the matrices among the tensors of a BERT."""
    names = []
    for name in sorted(tensors):
        _, _, place = name.partition("encoder.layer.")
        layer, _, rest = place.partition(".")
        role = ROLES.get(rest.removesuffix(".weight"))
        if role is not None and rest.endswith(".weight"):
            names.append((int(layer), role, name))
    return names


def stored_codes(data: bytes) -> dict[tuple[int, str], Array]:
    """The integers of the layers' matrices in a hybrid file, by layer and role."""
    model = flatbuffer.read_model(data)
    graph = model.subgraphs[0]
    types = flatbuffer.load_schema().TensorType
    codes = {}
    for operator in graph.operators:
        match = TRACE.search(flatbuffer.name_of(graph, operator.outputs[0]))
        if match is None or flatbuffer.operator_name(model, operator) != "FULLY_CONNECTED":
            continue
        tensor = graph.tensors[operator.inputs[1]]
        stored = np.asarray(model.buffers[tensor.buffer].data, np.uint8)
        widths = {types.INT4: 4, types.INT2: 2}
        values = stored.view(np.int8)
        if tensor.type in widths:
            values = unpack_steps(stored, widths[tensor.type])
        layer = int(match[1].split("_")[1])
        codes[layer, match[2]] = values.reshape(flatbuffer.shape_of(tensor))
    return codes


def file_with(*constants: Any) -> bytes:
    """A TFLite file that holds these constants."""
    schema = flatbuffer.load_schema()
    model = schema.ModelT()
    model.version, model.buffers, model.operatorCodes = 3, [schema.BufferT()], []
    graph = schema.SubGraphT()
    graph.tensors, graph.operators, model.subgraphs = [], [], [graph]
    for values in constants:
        buffer = flatbuffer.add_constant(model, values)
        flatbuffer.add_tensor(graph, "x", values.shape, schema.TensorType.INT8, buffer=buffer)
    graph.inputs = graph.outputs = list(range(len(constants)))
    return flatbuffer.pack_model(model)
