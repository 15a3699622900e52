"""A model file opened on its runtime, ready to take token ids and to give embeddings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np

from benchmarks.arrays import InputArrays, finish_output, make_int64_inputs
from benchmarks.records import OpenOrder, RuntimeKind
from edge_bert.data.buckets import choose_bucket, pad_encoding
from edge_bert.data.tokenizing import Encoding
from edge_bert.evaluate.outputs import finish_outputs
from edge_bert.records.bundle import TensorSpec
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.profile import Runtime


@dataclass(frozen=True)
class SentenceInputs:
    """Arrays for one sentence at the length that the model runs at."""

    length: int
    arrays: InputArrays


@dataclass(frozen=True)
class PeerSession:
    """`prepare` makes arrays of token ids; `infer` is what is timed: arrays to `[width]`."""

    runtime: Runtime
    prepare: Callable[[Encoding], SentenceInputs]
    infer: Callable[[SentenceInputs], FloatArray]
    note: str = ""


def open_session(order: OpenOrder) -> PeerSession:
    """Load the model file with one thread."""
    return OPENERS[order.kind](order)


def _open_tflite(order: OpenOrder) -> PeerSession:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(order.model, num_threads=1)
    interpreter.allocate_tensors()
    lengths = {spec.length: name for name, spec in order.signatures.items()}
    runners = {length: interpreter.get_signature_runner(name) for length, name in lengths.items()}

    def prepare(sentence: Encoding) -> SentenceInputs:
        length = choose_bucket(len(sentence), lengths)
        names = [spec.name for spec in order.signatures[lengths[length]].inputs]
        return SentenceInputs(length, dict(pad_encoding(sentence, length, order.pad_id, names)))

    def infer(inputs: SentenceInputs) -> FloatArray:
        spec = order.signatures[lengths[inputs.length]].outputs[0]
        raw = runners[inputs.length](**inputs.arrays)[spec.name]
        return np.asarray(
            finish_outputs(_dequantize(raw, spec).reshape(1, -1), order.head)[0], np.float32
        )

    return PeerSession(_runtime("ai-edge-litert"), prepare, infer)


def _dequantize(values: Any, spec: TensorSpec) -> FloatArray:
    """A float32 copy of an output, dequantized where it has a scale."""
    if spec.scale is None:
        return np.asarray(values, np.float32)
    centered = values.astype(np.float32) - np.float32(spec.zero_point or 0)
    return np.asarray(centered * np.float32(spec.scale), np.float32)


def _open_onnx(order: OpenOrder) -> PeerSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(order.model, options, providers=["CPUExecutionProvider"])
    names = [tensor.name for tensor in session.get_inputs()]

    def infer(inputs: SentenceInputs) -> FloatArray:
        return finish_output(session.run(None, inputs.arrays)[0], order.head)

    return PeerSession(_runtime("onnxruntime"), _unpadded(names), infer)


def _open_openvino(order: OpenOrder) -> PeerSession:
    import openvino

    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1}
    if order.precision is not None:
        settings["INFERENCE_PRECISION_HINT"] = order.precision
    compiled = openvino.Core().compile_model(order.model, "CPU", settings)
    request = compiled.create_infer_request()
    names = [tensor.get_any_name() for tensor in compiled.inputs]
    chosen = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()

    def infer(inputs: SentenceInputs) -> FloatArray:
        return finish_output(request.infer(inputs.arrays)[0], order.head)

    return PeerSession(_runtime("openvino"), _unpadded(names), infer, f"ran in {chosen}")


def _unpadded(names: list[str]) -> Callable[[Encoding], SentenceInputs]:
    return lambda sentence: SentenceInputs(len(sentence), make_int64_inputs(sentence, names))


def _runtime(package: str) -> Runtime:
    return Runtime(name=package, version=metadata.version(package))


OPENERS: dict[RuntimeKind, Callable[[OpenOrder], PeerSession]] = {
    "tflite": _open_tflite,
    "onnx": _open_onnx,
    "openvino": _open_openvino,
}
