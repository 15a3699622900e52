"""A TFLite graph in the form that MediaPipe's text tasks take.

They open files with one subgraph only, want three int32 inputs [1, length] even from a model that
knows no token types, and show a classifier's output as it is. So one signature of a file is kept,
a missing input is added and left unused, and logits get the activation of their head.
"""

from __future__ import annotations

from typing import Any

from edge_bert.errors import ModelError
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
    """What was found: metadata names of the inputs in order, length in tokens, output width."""

    roles: tuple[str, ...]
    length: int
    width: int


def parse_graph(tflite: bytes) -> Any:
    """The model as the schema's `ModelT`. ModelError if the bytes are not a TFLite file."""
    from ai_edge_litert import schema_py_generated as schema

    if tflite[4:8] != b"TFL3":
        raise ModelError("Not a TFLite file: it lacks the identifier TFL3.")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(tflite))
    for buffer in model.buffers:
        _bring_inside(buffer, tflite)
    return model


def _bring_inside(buffer: Any, tflite: bytes) -> None:
    """Some quantizers put weights behind the flatbuffer, where the zip will stand."""
    import numpy as np

    if buffer.offset > 1:
        buffer.data = np.frombuffer(tflite, np.uint8, buffer.size, buffer.offset)
    buffer.offset = buffer.size = 0


def adapt_graph(model: Any, head: Head, signature: str | None) -> TextGraph:
    """Change `model` into what MediaPipe opens, in place; see the module's docstring.

    `signature` names the one to keep, None the only one. Raises ModelError where inputs or output
    are not those of an edge-bert text model with a float output.
    """
    kept = _keep_signature(model, signature)
    subgraph = model.subgraphs[0]
    length = _check_inputs(subgraph, kept)
    width = _check_output(subgraph, kept)
    if not _has_input(kept, "token_type_ids"):
        _add_unused_input(subgraph, kept, "token_type_ids", length)
    if head.task is Task.CLASSIFICATION:
        _activate_output(model, kept, head.activation)
    names = {entry.tensorIndex: _text(entry.name) for entry in kept.inputs}
    roles = tuple(INPUT_ROLES[names[index]] for index in subgraph.inputs)
    return TextGraph(roles=roles, length=length, width=width)


def _keep_signature(model: Any, wanted: str | None) -> Any:
    signatures = {_text(entry.signatureKey): entry for entry in model.signatureDefs or []}
    if wanted is None and len(signatures) == 1:
        wanted = next(iter(signatures))
    if wanted not in signatures:
        names = ", ".join(sorted(signatures)) or "none"
        raise ModelError(
            f"MediaPipe takes one signature; asked for {wanted!r}, the file has: {names}."
        )
    kept = signatures[wanted]
    if not 0 <= kept.subgraphIndex < len(model.subgraphs or []):
        raise ModelError(f"Signature {wanted!r} points outside the TFLite file; build it again.")
    model.subgraphs = [model.subgraphs[kept.subgraphIndex]]
    model.signatureDefs = [kept]
    kept.subgraphIndex = 0
    _check_operators(model)
    _empty_unused_buffers(model)
    return kept


def _check_operators(model: Any) -> None:
    for operator in model.subgraphs[0].operators or []:
        name = _operator_name(model, operator)
        if name in CALLING_OPERATORS:
            raise ModelError(f"MediaPipe takes one subgraph; operator {name} needs a second one.")


def _operator_name(model: Any, operator: Any) -> str:
    from ai_edge_litert import schema_py_generated as schema

    code = model.operatorCodes[operator.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    names = {value: key for key, value in vars(schema.BuiltinOperator).items()}
    return str(names.get(number, number))


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
    from ai_edge_litert import schema_py_generated as schema

    if not 0 <= index < len(subgraph.tensors):
        raise ModelError("A signature points outside the TFLite file; build it again.")
    tensor = subgraph.tensors[index]
    if tensor.type != getattr(schema.TensorType, dtype):
        raise ModelError(
            f"MediaPipe needs {dtype.lower()} for {_text(tensor.name)!r}; a full-integer model "
            "needs its float output."
        )
    shape = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
    return tuple(int(size) for size in ([] if shape is None else shape))


def _has_input(signature: Any, name: str) -> bool:
    return any(_text(entry.name) == name for entry in signature.inputs)


def _add_unused_input(subgraph: Any, signature: Any, name: str, length: int) -> None:
    from ai_edge_litert import schema_py_generated as schema

    index = _add_tensor(subgraph, name, [1, length], schema.TensorType.INT32)
    subgraph.inputs = [*subgraph.inputs, index]
    signature.inputs = [*signature.inputs, schema.TensorMapT(name=name, tensorIndex=index)]


def _activate_output(model: Any, signature: Any, activation: str) -> None:
    """Append the activation of a head to a graph that gives logits."""
    from ai_edge_litert import schema_py_generated as schema

    subgraph, logits = model.subgraphs[0], signature.outputs[0].tensorIndex
    operator_name = ACTIVATION_OPERATORS.get(activation)
    if operator_name is None or _producer(model, logits) in ACTIVATION_OPERATORS.values():
        return
    builtin = getattr(schema.BuiltinOperator, operator_name)
    model.operatorCodes.append(
        schema.OperatorCodeT(deprecatedBuiltinCode=builtin, builtinCode=builtin, version=1)
    )
    shape = subgraph.tensors[logits].shape
    output = _add_tensor(subgraph, "probabilities", shape, schema.TensorType.FLOAT32)
    operator = schema.OperatorT(
        opcodeIndex=len(model.operatorCodes) - 1, inputs=[logits], outputs=[output]
    )
    if operator_name == "SOFTMAX":
        operator.builtinOptionsType = schema.BuiltinOptions.SoftmaxOptions
        operator.builtinOptions = schema.SoftmaxOptionsT(beta=1.0)
    subgraph.operators.append(operator)
    subgraph.outputs = [output]
    signature.outputs = [schema.TensorMapT(name="probabilities", tensorIndex=output)]


def _producer(model: Any, tensor: int) -> str:
    """The operator that gives `tensor`, seen through a DEQUANTIZE."""
    for operator in reversed(model.subgraphs[0].operators or []):
        if tensor in operator.outputs:
            name = _operator_name(model, operator)
            return _producer(model, operator.inputs[0]) if name == "DEQUANTIZE" else name
    return ""


def _add_tensor(subgraph: Any, name: str, shape: Any, dtype: int) -> int:
    from ai_edge_litert import schema_py_generated as schema

    # Buffer 0 is the empty one that tensors without constants share.
    subgraph.tensors.append(schema.TensorT(name=name, shape=shape, type=dtype, buffer=0))
    return len(subgraph.tensors) - 1


def _text(name: bytes | str | None) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name or ""
