"""Reads an ONNX file as hostile input: bounded, complete, external data inside its folder."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from edge_bert.errors import MissingToolError, ModelError
from edge_bert.formats import git_lfs
from edge_bert.formats.model_file import open_model_file
from edge_bert.formats.onnx.count_fields import count_fields
from edge_bert.formats.onnx.external_data import damaged, list_locations, load_external_data
from edge_bert.formats.onnx.graph import EARLIEST
from edge_bert.formats.onnx.inlined_size import measure_inlined
from edge_bert.formats.onnx.walk import walk_nodes, walk_sparse
from edge_bert.text import one_line, shorten

MAX_BYTES = 2 * 1024**3 - 1  # what protobuf can hold, and what we load into memory
MAX_NODES = 100_000  # of the largest encoders, as they are exported in the smallest parts, a tenth
MAX_EDGES = 300
MAX_FIELDS = 2_000_000  # a node has about twenty
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
        data = file.read(MAX_BYTES)
        _check_fields(path, data)
        model = onnx.load_model_from_string(data)
    except ModelError:
        raise
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}).") from error
    except Exception as error:  # protobuf has several, by implementation
        raise _no_model(path) from error
    if not model.ir_version or not model.opset_import or not model.graph.node:
        raise _no_model(path)
    _check_opset(path, model)
    _check_counts(path, model)
    load_external_data(onnx, path, model, MAX_BYTES)
    _check_inlined(path, model)
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
    return [path, *(path.parent / name for name in list_locations(onnx, model))]


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
        return damaged(path, "the file is empty")
    begins = len(head) > 1 and head[0] == IR_VERSION and head[1] < 32
    return damaged(path, "cut short or damaged" if begins else "not ONNX")


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


def _check_fields(path: Path, data: bytes) -> None:
    if count_fields(data, MAX_FIELDS) > MAX_FIELDS:
        raise ModelError(
            f"{path} holds more than {MAX_FIELDS} values beside its weights, which no encoder "
            "does; export it again, with its weights as tensors."
        )


def _check_counts(path: Path, model: Any) -> None:
    """Refuse what no exporter writes of an encoder: masses of values, and sparse weights."""
    graph = model.graph
    for count, most, what in (
        (len(graph.input) + len(graph.output), MAX_EDGES, "inputs and outputs"),
        (len(graph.initializer), MAX_NODES, "weights"),
        (sum(1 for _ in walk_nodes(model)), MAX_NODES, "operators"),
    ):
        if count > most:
            raise ModelError(f"{path} has {count} {what}; edge-bert reads {most} at most.")
    if any(True for _ in walk_sparse(model)):
        raise ModelError(
            f"{path} holds sparse weights, which edge-bert does not read; export dense ones."
        )


def _check_inlined(path: Path, model: Any) -> None:
    """Refuse functions that become too many operators, or too large, where they are called."""
    inlined = measure_inlined(model)
    size = inlined.size + sum(tensor.ByteSize() for tensor in model.graph.initializer)
    if inlined.nodes > MAX_NODES or size > MAX_BYTES:
        raise ModelError(
            f"{path} becomes {shorten(inlined.nodes)} operators of {shorten(size)} bytes once its "
            f"functions are inlined; edge-bert reads {MAX_NODES} of {MAX_BYTES} at most."
        )


def _check(onnx: Any, path: Path, model: Any) -> None:
    early = _early_nodes(onnx, model)
    try:
        for node in early:  # onnx's checker passes over operators of other domains
            node.domain = OTHER_DOMAIN
        onnx.checker.check_model(model)
    except Exception as error:  # ValidationError, or what its C++ raises
        raise damaged(path, one_line(error)) from error
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
