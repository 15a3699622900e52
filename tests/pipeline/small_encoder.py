"""A small float32 encoder with a signature per length: embeddings summed, times a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edge_bert.formats.tflite import flatbuffer
from tests.runtimes.op_models import Step, Tensor, graph, options_of

LENGTHS = (8, 16)
WORDS, WIDTH, OUT = 50, 32, 24
RANDOM = np.random.default_rng(11)
TABLE = RANDOM.standard_normal((WORDS, WIDTH)).astype(np.float32)
# Rows of very different size: a runtime that reads them with one scale gives other numbers.
MATRIX = (RANDOM.standard_normal((OUT, WIDTH)) * np.geomspace(0.01, 10, OUT)[::-1, None]).astype(
    np.float32
)


def small_encoder(**matrices: Any) -> bytes:
    """Signatures `length_8` and `length_16`; `length_16=…` gives that one a matrix of its own."""
    models = [_one(length, matrices.get(f"length_{length}", MATRIX)) for length in LENGTHS]
    first, second = map(flatbuffer.read_model, models)
    for tensor in second.subgraphs[0].tensors:
        tensor.name += b"/second"
        tensor.buffer += len(first.buffers)
    for operator in second.subgraphs[0].operators:
        operator.opcodeIndex += len(first.operatorCodes)
    second.signatureDefs[0].subgraphIndex = 1
    for name in ("buffers", "operatorCodes", "subgraphs", "signatureDefs"):
        getattr(first, name).extend(getattr(second, name))
    return flatbuffer.write_model(first)


def _one(length: int, matrix: Any) -> bytes:
    tensors = [
        Tensor((1, length), "int32"),
        Tensor((1, length), "int32"),
        Tensor(TABLE.shape, "float32", data=TABLE),
        Tensor((1, length, WIDTH), "float32"),
        Tensor((1, length), "float32"),
        Tensor((3,), "int32", data=np.array([1, 1, length], np.int32)),
        Tensor((1, 1, length), "float32"),
        Tensor((1, 1, WIDTH), "float32"),
        Tensor(matrix.shape, "float32", data=matrix),
        Tensor((1, OUT), "float32"),
    ]
    cast = options_of("CastOptions", inDataType=schema.TensorType.INT32, outDataType=0)
    steps = [
        Step("GATHER", 1, (2, 0), 3, options_of("GatherOptions")),
        Step("CAST", 1, (1,), 4, cast),
        Step("RESHAPE", 1, (4, 5), 6, options_of("ReshapeOptions", newShape=[1, 1, length])),
        Step("BATCH_MATMUL", 1, (6, 3), 7, options_of("BatchMatMulOptions")),
        Step("FULLY_CONNECTED", 1, (7, 8), 9, options_of("FullyConnectedOptions")),
    ]
    model = flatbuffer.read_model(graph(tensors, steps))
    (signature,) = model.signatureDefs
    signature.signatureKey = f"length_{length}".encode()
    for entry, name in zip(signature.inputs, (b"input_ids", b"attention_mask"), strict=True):
        entry.name = name
    return flatbuffer.write_model(model)


def expected(sentences: list[tuple[int, ...]]) -> Any:
    """What the encoder gives for token ids, [n, OUT]."""
    return np.stack([MATRIX @ TABLE[list(ids)].sum(0) for ids in sentences])
