"""The weights of a model folder: one safetensors file, read as float32."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as shown
from typing import Any

import numpy as np

from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import FloatArray
from edge_bert.text import one_line

WEIGHTS = "model.safetensors"
PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
# Tables of position ids in old files, and GPT-2's causal masks: no weights.
CONSTANTS = ("position_ids", ".attn.bias", ".attn.masked_bias")
FLOATS = ("F16", "F32", "F64")


def weights_file(folder: Path) -> Path:
    """The weights file in `folder`; ModelError says what the folder holds in its place."""
    path = folder / WEIGHTS
    if path.is_file():
        return path
    if _in_several_files(folder):
        raise ModelError(f"{folder} holds weights in several files; save the model as one file.")
    if _pickled(folder):
        raise ModelError(
            f"{folder} holds pickled weights only, which could run code; "
            "save the model with save_pretrained (safetensors) and try again."
        )
    raise ModelError(
        f"{path} is missing; give a model with safetensors weights (pickles are not read)."
    )


def _in_several_files(folder: Path) -> bool:
    return any(folder.glob("model*.safetensors.index.json"))


def _pickled(folder: Path) -> bool:
    return any(path for pattern in PICKLES for path in folder.glob(pattern))


def refuse_onnx_alone(folder: Path) -> None:
    """Raises ModelError, with the file to give, where `folder` holds ONNX and no other weights."""
    exported = sorted((*folder.glob("*.onnx"), *folder.glob("onnx/*.onnx")))
    has_weights = (folder / WEIGHTS).is_file() or _in_several_files(folder) or _pickled(folder)
    if exported and not has_weights:
        file = shlex.quote(str(exported[0]))
        raise ModelError(f"{folder} holds no {WEIGHTS}, but ONNX; give the file: --model {file}")


def read_weights(path: Path) -> Mapping[str, FloatArray]:
    """Every tensor of a safetensors file under its name in the file, as float32.

    The constants of old files are skipped. Raises ModelError for a file
    that is not whole, and for a tensor that is not of floats or not finite.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return {
                key: _read(file, path, key)
                for key in file.keys()  # noqa: SIM118 (no mapping)
                if not key.endswith(CONSTANTS)
            }
    except (SafetensorError, OSError, TypeError, AttributeError, ValueError) as error:
        raise ModelError(
            f"{path} is damaged or not whole ({one_line(error)}); download the model again."
        ) from error


def _read(file: Any, path: Path, key: str) -> FloatArray:
    kind = file.get_slice(key).get_dtype()
    if kind not in FLOATS:
        raise ModelError(
            f"{path}: {shown(key)} is {kind}, not one of {', '.join(FLOATS)}; "
            "save the model as float32, not quantized."
        )
    with np.errstate(over="ignore"):  # a float64 too large for float32 is caught as infinite
        values = np.ascontiguousarray(file.get_tensor(key), dtype=np.float32)
    if not np.isfinite(values).all():
        raise ModelError(f"{path}: {shown(key)} holds values that are not finite numbers.")
    return values
