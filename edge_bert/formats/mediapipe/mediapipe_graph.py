"""A TFLite graph that MediaPipe's text tasks take.

They open files with one subgraph only, take three int32 inputs [1, length] even where a model has
no token types, and show a classifier's output as it is. So one signature of a file stays, an input
that a model lacks is added and not used, and logits get the activation of their head.
"""

from __future__ import annotations

from typing import Any

from edge_bert.errors import ModelError
from edge_bert.formats.tflite import flatbuffer
from edge_bert.records.base import Record
from edge_bert.records.checkpoint import Head, Task

# The name of each input in our signatures, and the one that MediaPipe looks for in metadata.
INPUT_ROLES = {
    "input_ids": "ids",
    "attention_mask": "mask",
    "token_type_ids": "segment_ids",
}
ACTIVATION_OPERATORS = {"softmax": "SOFTMAX", "sigmoid": "LOGISTIC"}
# Operators that run another subgraph, which a file with one subgraph cannot hold.
CALLING_OPERATORS = ("IF", "WHILE", "CALL", "CALL_ONCE", "STABLEHLO_COMPOSITE", "STABLEHLO_WHILE")


class TextGraph(Record, frozen=True):
    """Metadata names of a graph's inputs in order, its length in tokens, its output's width."""

    roles: tuple[str, ...]
    length: int
    width: int


def adapt_graph(model: Any, head: Head, signature: str | None) -> TextGraph:
    """Change `model` (tflite/flatbuffer.py) into what MediaPipe opens, in place.

    `signature` names the one to keep, None the only one. Raises ModelError where inputs or output
    are not those of an edge-bert text model with a float output, or MediaPipe has no task for the
    head.
    """
    if head.task not in (Task.EMBEDDING, Task.CLASSIFICATION):
        raise ModelError(
            f"MediaPipe has text tasks for embeddings and classes, and none for "
            f"{head.task.value.replace('_', ' ')}; run another file of the bundle."
        )
    entry = _select_signature(model, signature)
    subgraph = model.subgraphs[0]
    length = _check_inputs(subgraph, entry)
    width = _check_output(subgraph, entry)
    if all(_text(item.name) != "token_type_ids" for item in entry.inputs):
        _add_unused_input(subgraph, entry, "token_type_ids", length)
    if head.task is Task.CLASSIFICATION:
        _activate_output(model, entry, head.activation)
    names = {item.tensorIndex: _text(item.name) for item in entry.inputs}
    roles = tuple(INPUT_ROLES[names[index]] for index in subgraph.inputs)
    return TextGraph(roles=roles, length=length, width=width)


def _select_signature(model: Any, name: str | None) -> Any:
    """The signature `name`, or the only one, once its subgraph is the only one of `model`."""
    signatures = {_text(entry.signatureKey): entry for entry in model.signatureDefs or []}
    if name is None and len(signatures) == 1:
        name = next(iter(signatures))
    if name not in signatures:
        names = ", ".join(sorted(signatures)) or "none"
        raise ModelError(
            f"MediaPipe takes one signature; asked for {name!r}, the file has: {names}."
        )
    entry = signatures[name]
    model.subgraphs = [model.subgraphs[entry.subgraphIndex]]
    model.signatureDefs = [entry]
    entry.subgraphIndex = 0
    for owner in (entry, model.subgraphs[0]):  # a vector that the file leaves out is None
        owner.inputs = [] if owner.inputs is None else list(owner.inputs)
        owner.outputs = [] if owner.outputs is None else list(owner.outputs)
    _check_operators(model)
    _empty_unused_buffers(model)
    return entry


def _check_operators(model: Any) -> None:
    for operator in model.subgraphs[0].operators or []:
        name = flatbuffer.operator_name(model, operator)
        if name in CALLING_OPERATORS:
            raise ModelError(f"MediaPipe takes one subgraph; operator {name} needs a second one.")


def _empty_unused_buffers(model: Any) -> None:
    """Drop constants of other signatures; indices stay, because tensors refer to them."""
    used = {tensor.buffer for tensor in model.subgraphs[0].tensors}
    used.update(entry.buffer for entry in model.metadata or [])
    for index, buffer in enumerate(model.buffers):
        if index not in used:
            buffer.data = None


def _check_inputs(subgraph: Any, signature: Any) -> int:
    """The length in tokens, once every input is int32 [1, length]."""
    names = sorted(_text(entry.name) for entry in signature.inputs)
    required = ["attention_mask", "input_ids"]
    if names not in (required, [*required, "token_type_ids"]):
        raise ModelError(
            f"MediaPipe's BERT tasks fill {', '.join(INPUT_ROLES)}; the model takes "
            f"{', '.join(names)}."
        )
    shapes = {_shape(subgraph, entry.tensorIndex, "INT32") for entry in signature.inputs}
    if len(shapes) != 1 or len(shape := shapes.pop()) != 2 or shape[0] != 1 or shape[1] < 3:
        raise ModelError("MediaPipe needs int32 inputs of one fixed shape [1, length], length > 2.")
    if sorted(subgraph.inputs) != sorted(entry.tensorIndex for entry in signature.inputs):
        raise ModelError("The signature's inputs are not the graph's; build the model again.")
    return shape[1]


def _check_output(subgraph: Any, signature: Any) -> int:
    """The width of the one output, once it is float32 [1, width]."""
    if len(signature.outputs) != 1 or len(subgraph.outputs) != 1:
        raise ModelError(f"MediaPipe needs one output; the model has {len(subgraph.outputs)}.")
    shape = _shape(subgraph, signature.outputs[0].tensorIndex, "FLOAT32")
    if len(shape) != 2 or shape[0] != 1:
        raise ModelError(f"MediaPipe needs an output [1, width]; the model's is {list(shape)}.")
    return shape[1]


def _shape(subgraph: Any, index: int, dtype: str) -> tuple[int, ...]:
    """The shape of a tensor of type `dtype`; a dimension that can change counts as -1."""
    tensor = subgraph.tensors[index]
    if tensor.type != getattr(flatbuffer.load_schema().TensorType, dtype):
        raise ModelError(
            f"MediaPipe needs {dtype.lower()} for {_text(tensor.name)!r}; a full-integer model "
            "needs its float output."
        )
    shape = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
    return tuple(int(size) for size in ([] if shape is None else shape))


def _add_unused_input(subgraph: Any, signature: Any, name: str, length: int) -> None:
    int32 = flatbuffer.load_schema().TensorType.INT32
    index = flatbuffer.add_tensor(subgraph, name, (1, length), int32)
    subgraph.inputs = [*subgraph.inputs, index]
    signature.inputs = [*signature.inputs, flatbuffer.name_tensor(name, index)]


def _activate_output(model: Any, signature: Any, activation: str) -> None:
    """Append the activation of a head to a graph that gives logits."""
    subgraph, logits = model.subgraphs[0], signature.outputs[0].tensorIndex
    name = ACTIVATION_OPERATORS.get(activation)
    if name is None or _producer(model, logits) in ACTIVATION_OPERATORS.values():
        return
    shape = flatbuffer.shape_of(subgraph.tensors[logits])
    float32 = flatbuffer.load_schema().TensorType.FLOAT32
    output = flatbuffer.add_tensor(subgraph, "probabilities", shape, float32)
    operator = flatbuffer.add_operator(model, name, [logits], [output])
    if name == "SOFTMAX":
        operator.builtinOptions.beta = 1.0
    subgraph.operators.append(operator)
    subgraph.outputs = [output]
    signature.outputs = [flatbuffer.name_tensor("probabilities", output)]


def _producer(model: Any, tensor: int) -> str:
    """The operator that gives `tensor`, seen through a DEQUANTIZE."""
    for operator in reversed(model.subgraphs[0].operators or []):
        if tensor in operator.outputs:
            name = flatbuffer.operator_name(model, operator)
            return _producer(model, operator.inputs[0]) if name == "DEQUANTIZE" else name
    return ""


def _text(name: bytes | str | None) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name or ""
