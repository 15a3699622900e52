"""Contents of a `.tflite` file: operators, signatures, number formats, bytes by kind."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from edge_bert.errors import ModelError
from edge_bert.formats.tflite.custom_operators import describe_needs
from edge_bert.formats.tflite.reader import (
    CUSTOM,
    NONE,
    FileGraph,
    FileTensor,
    Operator,
    SignatureEntry,
    TfliteFile,
    parse_file,
)
from edge_bert.records.base import Record
from edge_bert.records.bundle import Signature, Stage, TensorSpec
from edge_bert.records.stage_names import find_length, make_stage, parse_stage_name
from edge_bert.store.os_faults import faults_told

MAX_FILE_BYTES = 2**31
FLOAT_TYPES = ("float32", "float16", "float64", "bfloat16", "complex64", "complex128")
INTEGER_WEIGHTS = ("int8", "uint8", "int16", "int4", "int2")
LARGEST_SHOWN = 12
# The key of the one entry that is shown for a file without signatures.
NO_SIGNATURE = "(no signature)"


class ModelFile(Record, frozen=True):
    """The contents of a `.tflite` file.

    `integer_only`: no tensor of any subgraph is a float. `rounds_activations`: a matrix product
    works on integers, so that activations are rounded when the model runs. A dimension of -1 in a
    signature is free: any size when the file runs. `signatures` run the whole model, `stages` parts
    of the way through one with exits. `op_counts` are those of one length, custom
    operators by their own names; `needs` says what runs these, a line for each kind.
    `bytes_by_kind` counts constant data once, however many
    subgraphs use it, and so does `per_channel_tensors`, the constants with several scales.
    `largest` are the largest constants: name, type, shape, bytes.
    """

    size_bytes: int
    integer_only: bool
    rounds_activations: bool
    signatures: dict[str, Signature]
    op_counts: dict[str, int]
    tensor_types: dict[str, int]
    bytes_by_kind: dict[str, int]
    largest: tuple[tuple[str, str, tuple[int, ...], int], ...]
    per_channel_tensors: int
    needs: tuple[str, ...] = ()
    stages: dict[str, Stage] = msgspec.field(default_factory=dict)


@faults_told(ModelError)
def inspect_file(path: Path) -> ModelFile:
    """The contents of `path`. The file is parsed, never run.

    Raises ModelError for anything that is not a complete TFLite file.
    """
    if path.is_dir():
        raise ModelError(f"{path} is a folder; give a .tflite file{_name_files(path)}.")
    if not path.is_file():
        raise ModelError(f"There is no file {path}.")
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelError(f"{path} is larger than 2 GB; not a TFLite file.")
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}).") from error
    return inspect_bytes(data, path.name)


def _name_files(folder: Path) -> str:
    """The files of a bundle's folder, to choose from; nothing of another."""
    names = sorted(path.name for path in folder.glob("*.tflite"))
    return f" of it: {', '.join(names)}"[:300] if names else ""


def inspect_bytes(data: bytes, name: str = "model") -> ModelFile:
    """The contents of a `.tflite` file's bytes; ModelError where they are damaged."""
    file = parse_file(data, name)
    constants = _constants(file)
    types = Counter(tensor.dtype for graph in file.graphs for tensor in graph.tensors)
    by_kind: Counter[str] = Counter()
    for kind, tensor in constants:
        by_kind[kind] += file.buffer_bytes[tensor.buffer]
    by_kind["graph"] = max(len(data) - sum(by_kind.values()), 0)
    return ModelFile(
        size_bytes=len(data),
        integer_only=not any(name in types for name in FLOAT_TYPES),
        rounds_activations=any(_rounds(graph) for graph in file.graphs),
        signatures=_signatures(file),
        op_counts=_op_counts(file),
        tensor_types={name.upper(): count for name, count in sorted(types.items())},
        bytes_by_kind=dict(by_kind),
        largest=_largest(file, [tensor for _, tensor in constants]),
        per_channel_tensors=sum(tensor.scales > 1 for _, tensor in constants),
        needs=describe_needs(
            operator.custom
            for graph in file.graphs
            for operator in graph.operators
            if operator.builtin == CUSTOM
        ),
        stages=_stages(file),
    )


def _largest(
    file: TfliteFile, constants: list[FileTensor]
) -> tuple[tuple[str, str, tuple[int, ...], int], ...]:
    entries = [
        (tensor.name, tensor.dtype, tensor.shape, file.buffer_bytes[tensor.buffer])
        for tensor in constants
    ]
    return tuple(sorted(entries, key=lambda entry: (-entry[3], entry[0]))[:LARGEST_SHOWN])


def _rounds(graph: FileGraph) -> bool:
    return any(
        graph.tensors[index].dtype in INTEGER_WEIGHTS
        for operator in graph.operators
        if operator.builtin in ("FULLY_CONNECTED", "BATCH_MATMUL")
        for index in operator.inputs
        if index != NONE
    )


def _op_counts(file: TfliteFile) -> dict[str, int]:
    """Operators of the largest subgraph that is no stage; the other lengths have the same ones."""
    parts = {entry.graph for entry in file.signatures if parse_stage_name(entry.key) is not None}
    whole = [graph for index, graph in enumerate(file.graphs) if index not in parts]
    graph = max(whole or file.graphs, key=lambda graph: len(graph.operators))
    return dict(sorted(Counter(map(_operator_name, graph.operators)).items()))


def _operator_name(operator: Operator) -> str:
    """The name of a builtin operator, or a custom operator's own."""
    return operator.custom or operator.builtin


def _signatures(file: TfliteFile) -> dict[str, Signature]:
    entries = file.signatures or [_unnamed_entry(file.graphs[0])]
    whole = [entry for entry in entries if parse_stage_name(entry.key) is None] or entries
    signatures = {x.key: _signature(file.graphs[x.graph], x) for x in whole}
    return dict(sorted(signatures.items(), key=lambda item: (item[1].length, item[0])))


def _stages(file: TfliteFile) -> dict[str, Stage]:
    """The stages by length and then in the order in which they run."""
    stages = {}
    for entry in file.signatures:
        span = parse_stage_name(entry.key)
        if span is not None:
            part = _signature(file.graphs[entry.graph], entry)
            stages[entry.key] = make_stage(part, span)
    return dict(sorted(stages.items(), key=lambda item: (item[1].length, item[1].first)))


def _unnamed_entry(graph: FileGraph) -> SignatureEntry:
    """Inputs and outputs of a file without signatures, under the names of their tensors."""
    inputs, outputs = (
        {graph.tensors[index].name or str(index): index for index in indices if index != NONE}
        for indices in (graph.inputs, graph.outputs)
    )
    return SignatureEntry(NO_SIGNATURE, 0, inputs, outputs)


def _signature(graph: FileGraph, entry: SignatureEntry) -> Signature:
    inputs, outputs = (
        tuple(_spec(name, graph.tensors[index]) for name, index in sorted(names.items()))
        for names in (entry.inputs, entry.outputs)
    )
    return Signature(length=find_length(inputs), inputs=inputs, outputs=outputs)


def _spec(name: str, tensor: FileTensor) -> TensorSpec:
    return TensorSpec(
        name=name,
        dtype=tensor.dtype,
        shape=tensor.free_shape,
        scale=tensor.scale,
        zero_point=tensor.zero_point,
    )


def _constants(file: TfliteFile) -> list[tuple[str, FileTensor]]:
    """Every constant once, with its kind."""
    constants: dict[int, tuple[str, FileTensor]] = {}
    for graph in file.graphs:
        kinds = _kinds(graph)
        for index, tensor in enumerate(graph.tensors):
            if tensor.buffer not in constants and file.buffer_bytes[tensor.buffer]:
                constants[tensor.buffer] = kinds.get(index, "other constants"), tensor
    return list(constants.values())


def _kinds(graph: FileGraph) -> dict[int, str]:
    """The kind of each constant that the operators of an encoder read."""
    kinds: dict[int, str] = {}
    for operator in reversed(graph.operators):  # a result's use is known before its DEQUANTIZE
        inputs = operator.inputs
        match operator.builtin, len(inputs):
            case "GATHER", 2:
                kinds[inputs[0]] = "embedding table"
            case "EMBEDDING_LOOKUP", 2:
                kinds[inputs[1]] = "embedding table"
            case "FULLY_CONNECTED", count if count >= 2:
                kinds[inputs[1]] = "matrices"
                if count > 2 and inputs[2] != NONE:
                    kinds[inputs[2]] = "biases"
            case "DEQUANTIZE", 1 if operator.outputs and operator.outputs[0] in kinds:
                kinds[inputs[0]] = kinds[operator.outputs[0]]
    return kinds
