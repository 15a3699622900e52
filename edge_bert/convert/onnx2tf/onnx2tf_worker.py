"""Converts simplified ONNX files in a process of its own; started by `convert.py`.

    python -m edge_bert.convert.onnx2tf.onnx2tf_worker REQUEST.json

onnx2tf prints, ends the process on what it dislikes and brings a second Keras, so it lives here.
Needs the files of its request; writes `out`, or a JSON line {"error": ...} and exits with 1.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from edge_bert.records.base import Record
from edge_bert.records.checkpoint import Pooling

SERVING = "serving_default"


class ConversionRequest(Record, frozen=True):
    """One `.onnx` file per signature; `pooling` is set where they give tokens."""

    files: dict[str, str]
    output: str
    pooling: Pooling | None
    normalize: bool
    out: str


def main(arguments: list[str]) -> int:
    """Convert; 0 if all went well, else 1."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    request = msgspec.json.decode(Path(arguments[0]).read_bytes(), type=ConversionRequest)
    try:
        Path(request.out).write_bytes(convert_request(request))
    except (Exception, SystemExit) as error:
        said = " ".join(f"{error}".split()) or type(error).__name__
        print(json.dumps({"error": said[:4000]}), flush=True)  # noqa: T201 - the interface
        return 1
    return 0


def convert_request(request: ConversionRequest) -> bytes:
    """A TFLite file with all signatures."""
    import tensorflow as tf

    module, signatures = tf.Module(), {}
    module.loaded = []
    for name, file in request.files.items():
        folder = _saved_model(Path(file))
        loaded = tf.saved_model.load(str(folder))
        module.loaded.append(loaded)
        signatures[name] = _signature(tf, loaded.signatures[SERVING], request)
    folder = Path(request.out).with_suffix(".saved_model")
    tf.saved_model.save(module, str(folder), signatures=signatures)
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(folder), signature_keys=list(signatures)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return bytes(converter.convert())


def _saved_model(file: Path) -> Path:
    import onnx
    import onnx2tf

    folder = file.with_suffix("")
    names = [each.name for each in onnx.load_model(file).graph.input]
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


def _signature(tf: Any, serving: Any, request: ConversionRequest) -> Any:
    specs = serving.structured_input_signature[1]

    def run(**inputs: Any) -> Any:
        (value,) = serving(**inputs).values()
        if request.pooling is not None:
            value = _pooled(tf, value, inputs["attention_mask"], request.pooling)
        if request.normalize:
            squared = tf.reduce_sum(tf.square(value), axis=-1, keepdims=True)
            value = value * tf.math.rsqrt(tf.maximum(squared, 1e-24))
        return {request.output: value}

    named = {name: tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in specs.items()}
    return tf.function(run).get_concrete_function(**named)


def _pooled(tf: Any, tokens: Any, mask: Any, pooling: Pooling) -> Any:
    """Tokens [1, length, width] to one vector [1, width]."""
    if pooling is Pooling.CLS:
        return tokens[:, 0, :]
    weights = tf.cast(mask, tf.float32)
    weights = weights / tf.reduce_sum(weights, axis=-1, keepdims=True)
    return tf.squeeze(tf.matmul(weights[:, None, :], tokens), axis=1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
