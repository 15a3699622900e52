"""Conversion of simplified ONNX files by onnx2tf, in a process of its own (runtimes/worker.py).

onnx2tf prints, ends the process at what it cannot convert, and brings a second Keras.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np

SERVING = "serving_default"
# How TensorFlow's converter names what TFLite lacks.
LACKING = re.compile(r"'(tf\.\w+)' op is neither|fused\[\"(\w+):\"")

Model = dict[str, dict[str, Any]]


def convert_files(request: dict[str, Any], _inputs: Model) -> tuple[None, Model]:
    """A TFLite file with a signature for each of `files`; `pooling` is set where they give tokens.

    Raises RuntimeError with the operators that TFLite lacks, or with the tools' message.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        model = _convert(request)
    except (Exception, SystemExit) as error:
        raise RuntimeError(_describe(f"{error}" or type(error).__name__)) from error
    return None, {"converted": {"model": np.frombuffer(model, np.uint8)}}


def _convert(request: dict[str, Any]) -> bytes:
    import tensorflow as tf

    module, signatures = tf.Module(), {}
    module.loaded = []
    for name, file in request["files"].items():
        folder = _saved_model(Path(file))
        loaded = tf.saved_model.load(str(folder))
        module.loaded.append(loaded)
        signatures[name] = _signature(tf, loaded.signatures[SERVING], request)
    folder = Path.cwd() / "merged.saved_model"
    tf.saved_model.save(module, str(folder), signatures=signatures)
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(folder), signature_keys=list(signatures)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return bytes(converter.convert())


def _describe(message: str) -> str:
    """The operators that TFLite lacks where the message names some, else the message."""
    lacking = sorted(set(LACKING.findall(message)))
    operators = [name or f"tf.{fused}" for name, fused in lacking if fused != "PartitionedCall"]
    return f"TFLite lacks {', '.join(operators)}" if operators else message


def _saved_model(file: Path) -> Path:
    import onnx
    import onnx2tf

    folder = file.with_suffix("")
    names = [spec.name for spec in onnx.load_model(file).graph.input]
    onnx2tf.convert(
        input_onnx_file_path=str(file),
        output_folder_path=str(folder),
        output_signaturedefs=True,
        not_use_onnxsim=True,
        keep_shape_absolutely_input_names=names,
        non_verbose=True,
        verbosity="error",
    )
    return folder


def _signature(tf: Any, serving: Any, request: dict[str, Any]) -> Any:
    specs = serving.structured_input_signature[1]

    def run(**inputs: Any) -> Any:
        (value,) = serving(**inputs).values()
        if request["pooling"] is not None:
            value = _pool_tokens(tf, value, inputs["attention_mask"], request["pooling"])
        if request["normalize"]:
            squared = tf.reduce_sum(tf.square(value), axis=-1, keepdims=True)
            value = value * tf.math.rsqrt(tf.maximum(squared, 1e-24))
        return {request["output"]: value}

    typed = {name: tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in specs.items()}
    return tf.function(run).get_concrete_function(**typed)


def _pool_tokens(tf: Any, tokens: Any, mask: Any, pooling: str) -> Any:
    """Tokens [1, length, width] to one vector [1, width]."""
    if pooling == "cls":
        return tokens[:, 0, :]
    weights = tf.cast(mask, tf.float32)
    weights = weights / tf.reduce_sum(weights, axis=-1, keepdims=True)
    return tf.squeeze(tf.matmul(weights[:, None, :], tokens), axis=1)
