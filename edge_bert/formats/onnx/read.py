"""Reads an ONNX file as hostile input: bounded, complete, external data inside its folder."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_bert.errors import MissingToolError, ModelError
from edge_bert.formats import git_lfs
from edge_bert.formats.model_file import has_model_file, open_model_file, require_inside
from edge_bert.formats.onnx.graph import EARLIEST
from edge_bert.text import one_line, shorten

MAX_BYTES = 2 * 1024**3 - 1  # what protobuf can hold, and what we load into memory
OLDEST_OPSET = 11
IR_VERSION = 0x08  # the tag of the field that every exporter writes first
DEFAULT_DOMAINS = ("", "ai.onnx")
OTHER_DOMAIN = "com.microsoft"
# They round activations, or weights in a way of their own, so that no float model can be got back.
QUANTIZED = (
    "DynamicQuantizeLinear", "DynamicQuantizeLSTM", "DynamicQuantizeMatMul", "MatMulInteger",
    "GatherBlockQuantized", "MatMulBnb4", "MatMulFpQ4", "MatMulIntegerToFloat", "MatMulNBits",
    "QAttention", "QEmbedLayerNormalization", "QGemm", "QLinearMatMul", "QOrderedMatMul",
    "QuantizeLinear",
)  # fmt: skip


def read_onnx(path: Path) -> Any:
    """The ModelProto in `path`, external data loaded, model functions inlined; no code is run.

    Raises ModelError for a file that is not ONNX, incomplete, too large, too old or quantized, or
    whose external data is missing or outside its folder; MissingToolError without the extra.
    """
    onnx = require_onnx()
    file = open_model_file(path)
    _check_size(path, "the file", path)
    try:
        model = onnx.load_model(file.open_path, load_external_data=False)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}).") from error
    except Exception as error:  # protobuf has several, by implementation
        raise _no_model(path) from error
    if not model.ir_version or not model.opset_import or not model.graph.node:
        raise _no_model(path)
    _check_opset(path, model)
    _load_external(onnx, path, model)
    _check(onnx, path, model)
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    _check_operators(path, model)
    return model


def require_onnx() -> Any:
    """The `onnx` package; MissingToolError says how to get it."""
    try:
        import onnx
        import onnx.checker
        import onnx.external_data_helper
        import onnx.inliner
    except ImportError as error:
        raise MissingToolError(
            "Reading ONNX needs the onnx package: pip install 'edge-bert[onnx]'."
        ) from error
    return onnx


def list_files(path: Path) -> list[Path]:
    """The file and the external data that it names, in a stable order."""
    onnx = require_onnx()
    file = open_model_file(path)  # named, or it would be closed before it is read
    model = onnx.load_model(file.open_path, load_external_data=False)
    named = {_entries(tensor).get("location", "") for tensor in _external(onnx, model)}
    return [path, *(path.parent / name for name in sorted(named))]


def read_opset(model: Any) -> int:
    """The version of the standard operators that `model` uses."""
    return max(
        (opset.version for opset in model.opset_import if opset.domain in DEFAULT_DOMAINS),
        default=0,
    )


def place_of(node: Any) -> str:
    """What a message calls a node's place: its name, or that of its first output."""
    return shorten(node.name or next(iter(node.output), "?"))


def computes_in_float16(model: Any) -> bool:
    """Whether most weights of `model` are float16."""
    sizes = {True: 0, False: 0}
    for tensor in model.graph.initializer:
        sizes[tensor.data_type == require_onnx().TensorProto.FLOAT16] += math.prod(tensor.dims)
    return sizes[True] > sizes[False]


def _no_model(path: Path) -> ModelError:
    """What bytes that are no whole ModelProto look like."""
    with path.open("rb") as file:
        head = file.read(len(git_lfs.MARK))
    if git_lfs.is_pointer(head):
        return ModelError(f"{path} is a Git LFS pointer, not the model: git lfs pull.")
    if not head:
        return _damaged(path, "the file is empty")
    begins = len(head) > 1 and head[0] == IR_VERSION and head[1] < 32
    return _damaged(path, "cut short or damaged" if begins else "not ONNX")


def _damaged(path: Path, reason: str) -> ModelError:
    return ModelError(f"{path} is no usable ONNX model ({reason}); copy or export it again.")


def _check_size(path: Path, what: str, shown_path: Path) -> int:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ModelError(f"{shown_path} cannot be read ({error.strerror}).") from error
    if size > MAX_BYTES:
        raise ModelError(
            f"{shown_path}: {what} holds {size / 1e9:.1f} GB; edge-bert takes models up to 2 GB, "
            "and no phone takes more: export a smaller one, or float16 weights."
        )
    return size


def _check_opset(path: Path, model: Any) -> None:
    opset = read_opset(model)
    if opset < OLDEST_OPSET:
        raise ModelError(
            f"{path} uses operators of opset {opset}; edge-bert reads opset {OLDEST_OPSET} and "
            "later: export it again with a newer opset."
        )


def _load_external(onnx: Any, path: Path, model: Any) -> None:
    total = path.stat().st_size
    for tensor in _external(onnx, model):
        total += _check_external(path, tensor)
    if total > MAX_BYTES:
        raise ModelError(
            f"{path}: the model with its external data holds {total / 1e9:.1f} GB; edge-bert takes "
            "models up to 2 GB: export a smaller one, or float16 weights."
        )
    for tensor in _external(onnx, model):
        _load_tensor(onnx, path, tensor)


def _load_tensor(onnx: Any, path: Path, tensor: Any) -> None:
    """Bring a tensor's bytes into the model from the file that was checked, and no other."""
    entries = _entries(tensor)
    try:
        with open_model_file(path.parent / entries["location"]).open_stream() as stream:
            stream.seek(int(entries.get("offset", 0)))
            tensor.raw_data = stream.read(int(entries.get("length", 0)) or -1)
    except OSError as error:
        raise _damaged(path, "its external data cannot be read") from error
    tensor.data_location = onnx.TensorProto.DEFAULT
    del tensor.external_data[:]


def _external(onnx: Any, model: Any) -> Iterator[Any]:
    for tensor in _tensors(model.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            yield tensor


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    yield from _tensors(inner)


def _entries(tensor: Any) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _check_external(path: Path, tensor: Any) -> int:
    """The bytes of a tensor outside the file, once they are known to be there and ours to read."""
    entries = _entries(tensor)
    location = entries.get("location", "")
    try:
        file = path.parent / location
        inside = bool(location) and _leads_down(location)
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", 0))
        there = inside and has_model_file(file)
    except (OSError, ValueError) as error:
        raise _damaged(path, f"external data {shorten(location)} is no place in a file") from error
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
        raise _damaged(path, f"external data {shorten(location)} is cut short")
    return length or size - offset


def _leads_down(location: str) -> bool:
    place = Path(location)
    return not place.is_absolute() and ".." not in place.parts and "\0" not in location


def _check(onnx: Any, path: Path, model: Any) -> None:
    early = _early_nodes(onnx, model)
    try:
        for node in early:  # onnx's checker passes over operators of other domains
            node.domain = OTHER_DOMAIN
        onnx.checker.check_model(model)
    except Exception as error:  # ValidationError, or what its C++ raises
        raise _damaged(path, one_line(error)) from error
    finally:
        for node in early:
            node.domain = ""


def _early_nodes(onnx: Any, model: Any) -> list[Any]:
    """Nodes of the default domain whose operator comes in a later opset only."""
    opset = read_opset(model)
    nodes = [
        node
        for node in model.graph.node
        if EARLIEST.get(node.op_type, 0) > opset and node.domain in DEFAULT_DOMAINS
    ]
    if nodes and all(imported.domain != OTHER_DOMAIN for imported in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid(OTHER_DOMAIN, 1))
    return nodes


def _check_operators(path: Path, model: Any) -> None:
    for node in model.graph.node:
        if node.op_type in QUANTIZED:
            raise ModelError(
                f"{path}: {node.op_type} at {place_of(node)} computes with "
                "integers; give the float model, edge-bert quantizes it itself."
            )
