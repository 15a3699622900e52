"""The external data of an ONNX file: inside its folder, whole, bounded together, then loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_bert.errors import ModelError
from edge_bert.formats import git_lfs
from edge_bert.formats.onnx.walk import walk_tensors
from edge_bert.text import shorten


def list_locations(onnx: Any, model: Any) -> list[str]:
    """The names of the files that tensors of a ModelProto lie in, each once, in a stable order."""
    return sorted({_read_entries(tensor).get("location", "") for tensor in _external(onnx, model)})


def load_external_data(onnx: Any, path: Path, model: Any, most: int) -> None:
    """Load the data that the ModelProto of the file `path` keeps outside, at most `most` bytes.

    Raises ModelError for data that is missing, cut short, too large or outside the file's folder.
    """
    total = path.stat().st_size
    for tensor in _external(onnx, model):
        total += _check_place(path, tensor)
    if total > most:
        raise ModelError(
            f"{path}: the model with its external data holds {total / 1e9:.1f} GB; edge-bert takes "
            "models up to 2 GB: export a smaller one, or float16 weights."
        )
    del model.training_info[:]  # what it holds was looked at; nothing of it is computed
    try:
        for tensor in list(_external(onnx, model)):
            onnx.external_data_helper.load_external_data_for_tensor(tensor, str(path.parent))
    except Exception as error:  # its checker's errors, OSError, ValueError
        raise damaged(path, "its external data cannot be read") from error


def damaged(path: Path, reason: str) -> ModelError:
    """The error for a file that says or holds what no exporter writes."""
    return ModelError(f"{path} is no usable ONNX model ({reason}); copy or export it again.")


def _external(onnx: Any, model: Any) -> Iterator[Any]:
    for tensor in walk_tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            yield tensor


def _read_entries(tensor: Any) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _check_place(path: Path, tensor: Any) -> int:
    """The bytes of a tensor outside the file, once they are known to be there and ours to read."""
    entries = _read_entries(tensor)
    location = entries.get("location", "")
    try:
        file = (path.parent / location).resolve()
        inside = bool(location) and file.is_relative_to(path.parent.resolve())
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", 0))
    except (OSError, ValueError, RuntimeError) as error:
        raise damaged(path, f"external data {shorten(location)} is no place in a file") from error
    if not inside:
        raise ModelError(
            f"{path} points outside its folder for weights: {shorten(location)}; nothing is read."
        )
    if not file.is_file():
        raise ModelError(
            f"{path} keeps weights in {shorten(location)}, which is missing; put it beside the "
            "model."
        )
    git_lfs.refuse_pointers([file])
    size = file.stat().st_size
    if offset < 0 or length < 0 or offset + length > size:
        raise damaged(path, f"external data {shorten(location)} is cut short")
    return length or size - offset
