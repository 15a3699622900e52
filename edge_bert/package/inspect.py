"""What is in a `.tflite` file: operators, signatures, number formats, bytes by kind of tensor."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_bert.errors import ModelError
from edge_bert.records.base import Record
from edge_bert.records.bundle import Signature, TensorSpec

MAX_FILE_BYTES = 2**31
FLOAT_TYPES = ("FLOAT32", "FLOAT16", "FLOAT64", "BFLOAT16")
BITS = {"FLOAT32": 32, "FLOAT16": 16, "INT32": 32, "INT16": 16, "INT8": 8, "UINT8": 8} | {
    "INT64": 64,
    "INT4": 4,
    "BOOL": 8,
}


class ModelFile(Record, frozen=True):
    """The contents of a `.tflite` file.

    `integer_only` says that no tensor of any subgraph is a float. `bytes_by_kind` counts constant
    data once, however many subgraphs use it. `largest` are the largest constants: name, type,
    shape, bytes.
    """

    size_bytes: int
    integer_only: bool
    signatures: dict[str, Signature]
    op_counts: dict[str, int]
    tensor_types: dict[str, int]
    bytes_by_kind: dict[str, int]
    largest: tuple[tuple[str, str, tuple[int, ...], int], ...]
    per_channel_tensors: int


def inspect_file(path: Path) -> ModelFile:
    """The contents of `path`. The file is only parsed, never run.

    Raises ModelError for anything that is not a whole TFLite file.
    """
    if not path.is_file():
        raise ModelError(f"There is no file {path}.")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ModelError(f"{path} is larger than 2 GB; not a TFLite file.")
    return inspect_bytes(path.read_bytes(), path.name)


def inspect_bytes(data: bytes, name: str = "model") -> ModelFile:
    """The contents of a `.tflite` file's bytes; ModelError where they are damaged."""
    from ai_edge_litert import schema_py_generated as schema

    if data[4:8] != b"TFL3":
        raise ModelError(f"{name} is not a TFLite file (its identifier is not TFL3).")
    try:
        model = schema.ModelT.InitFromPackedBuf(bytearray(data), 0)
        return _describe(
            model, len(data), _names(schema.TensorType), _names(schema.BuiltinOperator)
        )
    except Exception as error:  # the generated reader raises whatever a broken offset causes
        raise ModelError(f"{name} is a damaged TFLite file ({type(error).__name__}).") from error


def _names(enumeration: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def _describe(
    model: Any, size: int, types: Mapping[int, str], builtins: Mapping[int, str]
) -> ModelFile:
    tensor_types: Counter[str] = Counter()
    per_channel = 0
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor_types[types[tensor.type]] += 1
            per_channel += len(_scales(tensor)) > 1
    constants = _constants(model, types, builtins)
    by_kind = Counter[str]()
    for kind, _, _, _, count in constants:
        by_kind[kind] += count
    by_kind["graph"] = max(size - sum(by_kind.values()), 0)
    return ModelFile(
        size_bytes=size,
        integer_only=not any(tensor_types[name] for name in FLOAT_TYPES),
        signatures=_signatures(model, types),
        op_counts=_op_counts(model, builtins),
        tensor_types=dict(sorted(tensor_types.items())),
        bytes_by_kind=dict(by_kind),
        largest=tuple(entry[1:] for entry in sorted(constants, key=lambda e: (-e[4], e[1]))[:12]),
        per_channel_tensors=per_channel,
    )


def _op_counts(model: Any, builtins: Mapping[int, str]) -> dict[str, int]:
    """Operators of the largest signature; the other lengths have the same ones."""
    graph = max(model.subgraphs, key=lambda each: len(each.operators or ()))
    counts = Counter(_builtin(model, operator, builtins) for operator in graph.operators)
    return dict(sorted(counts.items()))


def _builtin(model: Any, operator: Any, builtins: Mapping[int, str]) -> str:
    code = model.operatorCodes[operator.opcodeIndex]
    return builtins[max(code.builtinCode, code.deprecatedBuiltinCode)]


def _signatures(model: Any, types: Mapping[int, str]) -> dict[str, Signature]:
    found = {}
    for signature in model.signatureDefs or ():
        graph = model.subgraphs[signature.subgraphIndex]
        inputs = tuple(_spec(graph, entry, types) for entry in signature.inputs)
        outputs = tuple(_spec(graph, entry, types) for entry in signature.outputs)
        length = max((spec.shape[-1] for spec in inputs if spec.shape), default=0)
        found[signature.signatureKey.decode()] = Signature(
            length=length,
            inputs=tuple(sorted(inputs, key=lambda spec: spec.name)),
            outputs=tuple(sorted(outputs, key=lambda spec: spec.name)),
        )
    return dict(sorted(found.items(), key=lambda item: (item[1].length, item[0])))


def _spec(graph: Any, entry: Any, types: Mapping[int, str]) -> TensorSpec:
    tensor = graph.tensors[entry.tensorIndex]
    scales = _scales(tensor)
    return TensorSpec(
        name=entry.name.decode(),
        dtype=types[tensor.type].lower(),
        shape=tuple(int(size) for size in tensor.shape),
        scale=float(scales[0]) if len(scales) == 1 else None,
        zero_point=int(tensor.quantization.zeroPoint[0]) if len(scales) == 1 else None,
    )


def _scales(tensor: Any) -> list[float]:
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None:
        return []
    return list(quantization.scale)


def _constants(
    model: Any, types: Mapping[int, str], builtins: Mapping[int, str]
) -> list[tuple[str, str, str, tuple[int, ...], int]]:
    """Every constant once: kind, name, type, shape, bytes."""
    seen: set[int] = set()
    found = []
    for graph in model.subgraphs:
        kinds = _kinds(model, graph, builtins)
        for index, tensor in enumerate(graph.tensors):
            buffer = model.buffers[tensor.buffer]
            if tensor.buffer in seen or (buffer.data is None and not buffer.size):
                continue
            seen.add(tensor.buffer)
            shape = tuple(int(size) for size in tensor.shape) if tensor.shape is not None else ()
            count = len(buffer.data) if buffer.data is not None else int(buffer.size)
            kind = kinds.get(index, "other constants")
            name = (tensor.name or b"").decode(errors="replace")
            found.append((kind, name, types[tensor.type].lower(), shape, count))
    return found


def _kinds(model: Any, graph: Any, builtins: Mapping[int, str]) -> dict[int, str]:
    """For each constant that an operator uses in a known place: what it is."""
    kinds: dict[int, str] = {}
    for operator in reversed(graph.operators):  # a result's use is known before its DEQUANTIZE
        inputs = list(operator.inputs)
        match _builtin(model, operator, builtins):
            case "GATHER":
                kinds[inputs[0]] = "embedding table"
            case "EMBEDDING_LOOKUP":
                kinds[inputs[1]] = "embedding table"
            case "FULLY_CONNECTED":
                kinds[inputs[1]] = "matrices"
                if len(inputs) > 2 and inputs[2] >= 0:
                    kinds[inputs[2]] = "biases"
            case "DEQUANTIZE":
                _inherit(graph, kinds, inputs[0], operator.outputs[0])
    return kinds


def _inherit(graph: Any, kinds: dict[int, str], source: int, result: int) -> None:
    """A float16 constant stands before a DEQUANTIZE; it is what its result is used as."""
    shape = graph.tensors[source].shape
    rank = len(shape) if shape is not None else 0
    size = math.prod(int(each) for each in shape) if rank else 0
    kinds[source] = kinds.get(result) or ("matrices" if rank == 2 and size > 1 else "biases")
