"""The external data of an ONNX file: inside its folder, whole, bounded together, then loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_bert.errors import ModelError
from edge_bert.formats import git_lfs
from edge_bert.formats.model_file import has_model_file, open_model_file, require_inside
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
    for tensor in list(_external(onnx, model)):
        _load_tensor(onnx, path, tensor)


def _load_tensor(onnx: Any, path: Path, tensor: Any) -> None:
    """Bring a tensor's bytes into the model from the file that was checked, and no other."""
    entries = _read_entries(tensor)
    try:
        with open_model_file(path.parent / entries["location"]).open_stream() as stream:
            stream.seek(int(entries.get("offset", 0)))
            tensor.raw_data = stream.read(int(entries.get("length", 0)) or -1)
    except OSError as error:
        raise damaged(path, "its external data cannot be read") from error
    tensor.data_location = onnx.TensorProto.DEFAULT
    del tensor.external_data[:]


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
        file = path.parent / location
        inside = bool(location) and _leads_down(location)
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", 0))
        there = inside and has_model_file(file)
    except (OSError, ValueError) as error:
        raise damaged(path, f"external data {shorten(location)} is no place in a file") from error
    if not inside:
        raise ModelError(
            f"{path} points outside its folder for weights: {shorten(location)}; nothing is read."
        )
    if not there:
        raise ModelError(
            f"{path} keeps weights in {shorten(location)}, which is missing; put it beside the "
            "model."
        )
    require_inside(file.parent, path.parent)
    git_lfs.refuse_pointers([file])
    size = open_model_file(file).status.st_size
    if offset < 0 or length < 0 or offset + length > size:
        raise damaged(path, f"external data {shorten(location)} is cut short")
    return length or size - offset


def _leads_down(location: str) -> bool:
    place = Path(location)
    return not place.is_absolute() and ".." not in place.parts and "\0" not in location
