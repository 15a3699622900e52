"""A model file opened on its runtime, ready to take token ids and to give embeddings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np

from benchmarks.inputs import Arrays, finished, int64_inputs
from benchmarks.records import Kind, OpenOrder
from edge_bert.data.buckets import choose_bucket, pad_encoding
from edge_bert.data.tokenizing import Encoding
from edge_bert.evaluate.outputs import finish_outputs
from edge_bert.records.bundle import TensorSpec
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.profile import Runtime


@dataclass(frozen=True)
class Inputs:
    """Arrays for one sentence at the length that the model runs at."""

    length: int
    arrays: Arrays


@dataclass(frozen=True)
class Session:
    """`prepare` makes arrays of token ids; `infer` is what is timed: arrays to `[width]`."""

    runtime: Runtime
    prepare: Callable[[Encoding], Inputs]
    infer: Callable[[Inputs], FloatArray]
    note: str = ""


def open_session(order: OpenOrder) -> Session:
    """Load the model file with one thread."""
    return OPENERS[order.kind](order)


def _open_tflite(order: OpenOrder) -> Session:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(order.model, num_threads=1)
    interpreter.allocate_tensors()
    lengths = {each.length: name for name, each in order.signatures.items()}
    runners = {length: interpreter.get_signature_runner(name) for length, name in lengths.items()}

    def prepare(sentence: Encoding) -> Inputs:
        length = choose_bucket(len(sentence), lengths)
        names = [spec.name for spec in order.signatures[lengths[length]].inputs]
        return Inputs(length, dict(pad_encoding(sentence, length, order.pad_id, names)))

    def infer(inputs: Inputs) -> FloatArray:
        spec = order.signatures[lengths[inputs.length]].outputs[0]
        raw = runners[inputs.length](**inputs.arrays)[spec.name]
        return np.asarray(
            finish_outputs(_real(raw, spec).reshape(1, -1), order.head)[0], np.float32
        )

    return Session(_runtime("ai-edge-litert"), prepare, infer)


def _real(values: Any, spec: TensorSpec) -> FloatArray:
    """Float32, dequantized where the output has a scale."""
    if spec.scale is None:
        return np.asarray(values, np.float32)
    centred = values.astype(np.float32) - np.float32(spec.zero_point or 0)
    return np.asarray(centred * np.float32(spec.scale), np.float32)


def _open_onnx(order: OpenOrder) -> Session:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(order.model, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def infer(inputs: Inputs) -> FloatArray:
        return finished(session.run(None, inputs.arrays)[0], order.head)

    return Session(_runtime("onnxruntime"), _unpadded(names), infer)


def _open_openvino(order: OpenOrder) -> Session:
    import openvino

    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1}
    if order.precision is not None:
        settings["INFERENCE_PRECISION_HINT"] = order.precision
    compiled = openvino.Core().compile_model(order.model, "CPU", settings)
    request = compiled.create_infer_request()
    names = [each.get_any_name() for each in compiled.inputs]
    chosen = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()

    def infer(inputs: Inputs) -> FloatArray:
        return finished(request.infer(inputs.arrays)[0], order.head)

    return Session(_runtime("openvino"), _unpadded(names), infer, f"ran in {chosen}")


def _unpadded(names: list[str]) -> Callable[[Encoding], Inputs]:
    return lambda sentence: Inputs(len(sentence), int64_inputs(sentence, names))


def _runtime(package: str) -> Runtime:
    return Runtime(name=package, version=metadata.version(package))


OPENERS: dict[Kind, Callable[[OpenOrder], Session]] = {
    "tflite": _open_tflite,
    "onnx": _open_onnx,
    "openvino": _open_openvino,
}
