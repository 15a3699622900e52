"""From an ONNX file of any encoder to a float32 `.tflite` file, through our passes and onnx2tf."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Sequence
from pathlib import Path

from edge_bert.convert.onnx2tf import onnx2tf_worker
from edge_bert.errors import MissingToolError, ModelError
from edge_bert.formats.model_file import digest_files, hold_model_files
from edge_bert.formats.onnx.graph import OnnxGraph
from edge_bert.formats.onnx.read import list_files, read_onnx
from edge_bert.formats.onnx.simplify import simplify_graph, version_of
from edge_bert.formats.onnx.to_proto import find_contradiction, shaped_model_of
from edge_bert.records.checkpoint import Checkpoint, OnnxFile, Task
from edge_bert.runtimes.worker import Worker
from edge_bert.store.scratch import scratch_folder

PACKAGE = "onnx2tf"
TOOLS = (PACKAGE, "onnx", "onnx-graphsurgeon", "tf-keras")
TIMEOUT_S = 3600.0
# onnx2tf would run these; no encoder needs them, and a loop may never end.
CONTROL_FLOW = ("If", "Loop", "Scan")


def convert_onnx_to_tflite(checkpoint: Checkpoint, lengths: Sequence[int]) -> bytes:
    """A float32 TFLite file of the ONNX file of `checkpoint`, as `convert_to_tflite` makes it.

    Raises ModelError, with the operator and its node, for what onnx2tf or TFLite do not have, and
    MissingToolError where onnx2tf is not installed.
    """
    if checkpoint.onnx is None:
        raise ValueError("the checkpoint was not read from an ONNX file")
    supported = supported_operators()
    file, head = checkpoint.onnx, checkpoint.head
    with scratch_folder() as folder:
        request = {
            "files": {
                f"length_{length}": _simplify_file(file, length, folder, supported)
                for length in lengths
            },
            "output": "logits" if head.task is Task.CLASSIFICATION else "embedding",
            "pooling": head.poolings[0] if file.needs_pooling else None,
            "normalize": head.normalize and file.needs_pooling,
        }
        worker = Worker(f"{file.path} through onnx2tf", ModelError, TIMEOUT_S)
        _, files = worker.call(onnx2tf_worker.convert_files, request, {}, type(None))
        return bytes(files["converted"]["model"])


def supported_operators() -> frozenset[str]:
    """The ONNX operators that the installed onnx2tf converts; MissingToolError if there is none."""
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingToolError(
            "--via onnx2tf needs the package: pip install 'edge-bert[onnx]'."
        ) from error
    matches = (re.fullmatch(r"onnx2tf/ops/(\w+)\.py", file.as_posix()) for file in files)
    return frozenset(match[1] for match in matches if match) - {*CONTROL_FLOW, "__init__"}


def tool_versions() -> dict[str, str]:
    """The versions of the tools that decide the bytes, besides our own dependencies."""
    supported_operators()
    return {name: importlib.metadata.version(name) for name in TOOLS}


def _simplify_file(file: OnnxFile, length: int, folder: Path, supported: frozenset[str]) -> str:
    import onnx

    with hold_model_files():
        model = read_onnx(file.path)
        if digest_files(*list_files(file.path)) != file.sha256:
            raise ModelError(f"{file.path} was changed since it was read; build again.")
    graph = simplify_graph(model, file.inputs, file.outputs[0], length)
    _check_operators(file.path, graph, supported)
    simplified = shaped_model_of(graph, version_of(model))
    contradiction = find_contradiction(simplified)
    if contradiction is not None:
        reason = " ".join(contradiction.split())
        raise ModelError(
            f"{file.path} does not fit {length} tokens ({reason}); choose other --lengths, or "
            "export it with a dynamic length."
        )
    path = folder / f"length_{length}.onnx"
    onnx.save_model(simplified, path)
    return str(path)


def _check_operators(path: Path, graph: OnnxGraph, supported: frozenset[str]) -> None:
    for node in graph.nodes:
        if node.op not in supported or node.domain not in ("", "ai.onnx"):
            raise ModelError(
                f"{path}: {node.place} is an operator that onnx2tf does not convert; export the "
                "model without it."
            )
