"""Small TFLite files that show what MediaPipe puts into a model."""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

INPUTS = ("attention_mask", "token_type_ids", "input_ids")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

NEEDS_MEDIAPIPE = "MediaPipe is not installed: pip install 'edge-bert[mediapipe]'"


# What MediaPipe's library and the OpenCV that its package imports are linked to.
LIBRARIES = ("libEGL.so.1", "libGLESv2.so.2", "libGL.so.1", "libgthread-2.0.so.0")
PACKAGES = "libegl1 libgles2 libgl1 libglib2.0-0"


def mediapipe_text() -> Any:
    """MediaPipe's text tasks, or a skip."""
    return mediapipe_module("mediapipe.tasks.python.text")


def mediapipe_module(name: str) -> Any:
    """A module of MediaPipe; skips the test, saying what to install, where it cannot run."""
    if importlib.util.find_spec("mediapipe") is None:
        pytest.skip(NEEDS_MEDIAPIPE)
    for library in LIBRARIES:
        try:
            ctypes.CDLL(library)
        except OSError:
            pytest.skip(f"MediaPipe needs {library}: apt-get install {PACKAGES}")
    return importlib.import_module(name)


def echo_model(
    length: int,
    inputs: Sequence[str] = INPUTS,
    output: str = "FLOAT32",
    signatures: Sequence[str] = ("only",),
    shape: Sequence[int] | None = None,
) -> bytes:
    """A model whose output [1, inputs * length] is its inputs, ids first, then mask and types."""
    model = _empty_model()
    for key in signatures:
        tensors = [_tensor(name, shape or [1, length], "INT32") for name in inputs]
        width = length * len(inputs)
        tensors += [_tensor("joined", [1, width], "INT32"), _tensor("y", [1, width], output)]
        order = [
            inputs.index(n)
            for n in ("input_ids", "attention_mask", "token_type_ids")
            if n in inputs
        ]
        join = schema.ConcatenationOptionsT(axis=1)
        cast = schema.CastOptionsT(
            inDataType=schema.TensorType.INT32, outDataType=getattr(schema.TensorType, output)
        )
        operators = [
            _operator(model, "CONCATENATION", order, len(inputs), join),
            _operator(model, "CAST", [len(inputs)], len(inputs) + 1, cast),
        ]
        _add_graph(model, key, inputs, tensors, operators)
    return _bytes(model)


def logit_model(length: int, weights: np.ndarray, endings: Sequence[str] = ()) -> bytes:
    """A model whose logits are `weights` [classes, length] times the ids; 2 inputs.

    `endings` are operators without options that already stand behind the logits.
    """
    model, inputs = _empty_model(), ("input_ids", "attention_mask")
    model.buffers.append(schema.BufferT(data=weights.astype(np.float32).view(np.uint8).ravel()))
    tensors = [_tensor(name, [1, length], "INT32") for name in inputs]
    tensors += [_tensor("float", [1, length], "FLOAT32"), _tensor("w", weights.shape, "FLOAT32")]
    tensors += [_tensor("logits", [1, len(weights)], "FLOAT32")]
    tensors[3].buffer = len(model.buffers) - 1
    operators = [
        _operator(model, "CAST", [0], 2, schema.CastOptionsT(inDataType=2, outDataType=0)),
        _operator(model, "FULLY_CONNECTED", [2, 3, -1], 4, schema.FullyConnectedOptionsT()),
    ]
    for ending in endings:
        operators.append(_operator(model, ending, [len(tensors) - 1], len(tensors)))
        tensors.append(_tensor(ending.lower(), [1, len(weights)], "FLOAT32"))
    _add_graph(model, "only", inputs, tensors, operators)
    return _bytes(model)


def vocabulary(path: Path, tokens: Sequence[str]) -> Path:
    """A `vocab.txt` with the special tokens first."""
    path.write_text("".join(f"{token}\n" for token in (*SPECIAL, *tokens)), "utf-8")
    return path


def _empty_model() -> Any:
    return schema.ModelT(
        version=3, operatorCodes=[], subgraphs=[], buffers=[schema.BufferT()], signatureDefs=[]
    )


def _tensor(name: str, shape: Sequence[int], dtype: str) -> Any:
    return schema.TensorT(
        name=name, shape=list(shape), type=getattr(schema.TensorType, dtype), buffer=0
    )


def _operator(model: Any, name: str, inputs: list[int], output: int, options: Any = None) -> Any:
    code = getattr(schema.BuiltinOperator, name)
    model.operatorCodes.append(
        schema.OperatorCodeT(deprecatedBuiltinCode=code, builtinCode=code, version=1)
    )
    operator = schema.OperatorT(
        opcodeIndex=len(model.operatorCodes) - 1, inputs=inputs, outputs=[output]
    )
    if options is not None:
        kind = type(options).__name__.removesuffix("T")
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        operator.builtinOptions = options
    return operator


def _add_graph(model: Any, key: str, inputs: Sequence[str], tensors: Any, operators: Any) -> None:
    last = len(tensors) - 1
    model.subgraphs.append(
        schema.SubGraphT(
            tensors=tensors, inputs=list(range(len(inputs))), outputs=[last], operators=operators
        )
    )
    model.signatureDefs.append(
        schema.SignatureDefT(
            inputs=[schema.TensorMapT(name=n, tensorIndex=i) for i, n in enumerate(inputs)],
            outputs=[schema.TensorMapT(name="embedding", tensorIndex=last)],
            signatureKey=key,
            subgraphIndex=len(model.subgraphs) - 1,
        )
    )


def _bytes(model: Any) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
