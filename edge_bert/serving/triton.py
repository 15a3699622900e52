"""Model repositories for NVIDIA's Triton Inference Server: `config.pbtxt` and its folders.

The fields are those of `ModelConfig` in Triton's `model_config.proto`, in protobuf's text format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge_bert.store import content_store

CONFIG = "config.pbtxt"
VERSION = "1"
Platform = Literal["onnxruntime_onnx", "tensorrt_plan"]
FILES: dict[Platform, str] = {"onnxruntime_onnx": "model.onnx", "tensorrt_plan": "model.plan"}


@dataclass(frozen=True)
class ServedModel:
    """A model as a server sees it: int64 `inputs` [length], a float32 `output` [width].

    `max_batch` is how many requests of one length the server may run at once.
    """

    name: str
    inputs: Sequence[str]
    output: str
    width: int
    max_batch: int


def folder_name(model: str) -> str:
    """A model's name as Triton's folder and URLs can hold it."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", model).strip("_-")
    return name[:64] or "model"


def triton_config(served: ServedModel, platform: Platform) -> str:
    """`config.pbtxt`, with dynamic batching and one instance a device."""
    kind = "KIND_GPU" if platform == "tensorrt_plan" else "KIND_AUTO"
    lines = [
        f"name: {_quote(served.name)}",
        f'platform: "{platform}"',
        f'default_model_filename: "{FILES[platform]}"',
        f"max_batch_size: {served.max_batch}",
        *(line for name in served.inputs for line in _tensor("input", name, "TYPE_INT64", -1)),
        *_tensor("output", served.output, "TYPE_FP32", served.width),
        f"instance_group {{ count: 1 kind: {kind} }}",
        "dynamic_batching { }",
    ]
    return "\n".join(lines) + "\n"


def triton_request(inputs: Mapping[str, Sequence[int]]) -> bytes:
    """One request, `inputs` [length] by name, as JSON of the KServe protocol that Triton speaks."""
    tensors = [
        {"name": name, "shape": [1, len(values)], "datatype": "INT64", "data": [*values]}
        for name, values in inputs.items()
    ]
    return json.dumps({"inputs": tensors}).encode() + b"\n"


def write_repository(repository: Path, served: ServedModel, platform: Platform) -> Path:
    """The model's folder in `repository`, with its configuration; where its file must be put."""
    folder = repository / served.name
    (folder / VERSION).mkdir(parents=True)
    content_store.write_atomic(folder / CONFIG, triton_config(served, platform).encode())
    return folder / VERSION / FILES[platform]


def _tensor(field: str, name: str, kind: str, size: int) -> Iterator[str]:
    yield f"{field} {{ name: {_quote(name)} data_type: {kind} dims: [ {size} ] }}"


def _quote(text: str) -> str:
    """A string of the text format; JSON's ASCII form is one, once control characters are gone."""
    return json.dumps(re.sub(r"[\x00-\x1f\x7f]", "_", text), ensure_ascii=True)
