"""`load_opaque(path)`: an ONNX file whose encoder is not recognized, for onnx2tf to convert.

Only its interface is read: inputs, the output to use, and the size of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edge_bert.errors import ModelError
from edge_bert.formats.model_file import digest_files, has_model_file
from edge_bert.formats.onnx.graph import ALIASES, RESHAPES, OnnxGraph, graph_of
from edge_bert.formats.onnx.passes.expand_fused_ops import MICROSOFT
from edge_bert.formats.onnx.read import (
    computes_in_float16,
    list_files,
    place_of,
    read_onnx,
    read_opset,
)
from edge_bert.records.checkpoint import Checkpoint, Head, OnnxFile, Pooling, Task
from edge_bert.sources.head import read_embedding_head
from edge_bert.sources.onnx import inputs
from edge_bert.sources.onnx.files import (
    name_of,
    open_folder,
    read_onnx_text,
    sha256_of,
)
from edge_bert.sources.onnx.head import LOGITS, POOLER, SPAN, TELLING, TOKENS, describe_two_kinds
from edge_bert.sources.onnx.head_task import MEAN_NOTE, read_labels, task_of_config
from edge_bert.sources.onnx.parts import NotNamed
from edge_bert.text import shorten

ARCHITECTURE = "onnx2tf"
PROBABILITIES = ("Softmax", "Sigmoid")
OLDEST_OPSET = 13  # older ones have sizes as attributes, which onnx2tf reads otherwise


def load_opaque(path: Path, tokenizer: Path | None = None) -> Checkpoint:
    """The model in the ONNX file `path`, without weights; see `load_onnx` for the folder.

    Raises ModelError for a file that is no usable ONNX, or whose inputs or outputs have no meaning
    that we know.
    """
    folder, config = open_folder(path, tokenizer)
    model = read_onnx(path)
    edges = read_edges(path, model, config, folder)
    text = read_onnx_text(folder, config, config)
    return Checkpoint(
        name=name_of(path, folder),
        architecture=ARCHITECTURE,
        config=config,
        weights={},
        head=edges.head,
        tokenizer=text.tokenizer,
        vocabulary=text.vocabulary,
        max_length=text.max_length,
        prompts=text.prompts,
        warnings=text.warnings,
        origin=f"onnx: {path.name}, by onnx2tf{edges.note}",
        sha256=sha256_of(path, folder, text.tokenizer),
        onnx=OnnxFile(
            path=path.parent.resolve() / path.name,
            sha256=digest_files(*list_files(path)),
            inputs=edges.inputs,
            outputs=(edges.output,),
            needs_pooling=edges.gives_tokens,
            float16=computes_in_float16(model),
            vocabulary=edges.vocabulary,
            fixed_length=edges.fixed_length,
        ),
    )


@dataclass(frozen=True)
class Edges:
    """Where a graph begins and ends; `vocabulary` and `fixed_length` as in `OnnxFile`."""

    inputs: Mapping[str, str]
    output: str
    gives_tokens: bool
    head: Head
    note: str
    vocabulary: int | None
    fixed_length: int | None


def read_edges(path: Path, model: Any, config: Mapping[str, Any], folder: Path) -> Edges:
    """The inputs, the output that counts and its head. Raises ModelError as `load_opaque` does."""
    if read_opset(model) < OLDEST_OPSET:
        raise ModelError(
            f"{path} uses operators of opset {read_opset(model)}; --via onnx2tf takes opset "
            f"{OLDEST_OPSET} and later: export it again with a newer opset."
        )
    _check_unfused(path, model)
    graph = graph_of(model)
    names = _names(path, graph)
    output, sizes = _output(path, model)
    head, note = _head(folder, config, graph, output, sizes)
    return Edges(
        inputs=names,
        output=output,
        gives_tokens=len(sizes) == 3,
        head=head,
        note=note,
        vocabulary=_vocabulary(graph, names),
        fixed_length=_fixed_length(path, graph),
    )


def _check_unfused(path: Path, model: Any) -> None:
    """Refuse fused attention: its masks come in forms that the passes do not keep."""
    for node in model.graph.node:
        if node.domain == MICROSOFT and "Attention" in node.op_type:
            raise ModelError(
                f"{path}: {node.op_type} at {place_of(node)} was fused by ONNX Runtime; give the "
                "model as it was exported, before it was optimized."
            )


def _names(path: Path, graph: OnnxGraph) -> dict[str, str]:
    try:
        names = inputs.name_inputs(graph)
    except NotNamed as reason:
        raise ModelError(f"{path}: {reason}.") from reason
    if inputs.MASK not in names.values():
        raise ModelError(
            f"{path} takes no attention mask, so that padding would count as text; export it with "
            "an input attention_mask."
        )
    return names


def _output(path: Path, model: Any) -> tuple[str, list[int]]:
    """The most telling output, and its sizes with 0 for free ones; see `sources.onnx.head`."""
    names = [output.name for output in model.graph.output]
    if not names:
        raise ModelError(f"{path} names no output; export it with one.")
    if set(SPAN) <= set(names):
        raise ModelError(
            f"{path} gives {' and '.join(SPAN)}, which --via onnx2tf does not take; give --model "
            "the folder with the model's weights."
        )
    name = _choose_output(path, names)
    kind = next(output.type.tensor_type for output in model.graph.output if output.name == name)
    sizes = [size.dim_value for size in kind.shape.dim]
    if len(sizes) not in (2, 3):
        raise ModelError(
            f"{path} has no output [batch, width] or [batch, length, width]: {name[:200]} has "
            f"{len(sizes)} axes; export it with such."
        )
    return name, sizes


def _choose_output(path: Path, names: Sequence[str]) -> str:
    recognized = [name for name in (*TELLING, *TOKENS) if name in names]
    unrecognized = [name for name in names if name not in (*recognized, POOLER)]
    telling = [name for name in recognized if name in TELLING]
    if telling:
        two_kinds = describe_two_kinds(telling)
        if two_kinds:
            raise ModelError(f"{path}: {two_kinds}.")
        return telling[0]
    if len(unrecognized) > 1 and not recognized:
        raise ModelError(
            f"{path}: it cannot be told which of its outputs {', '.join(unrecognized)[:200]} "
            f"counts; call one {TELLING[0]} or {LOGITS[0]}."
        )
    return (recognized or unrecognized or list(names))[0]


def _head(
    folder: Path, config: Mapping[str, Any], graph: OnnxGraph, output: str, sizes: list[int]
) -> tuple[Head, str]:
    """The head, and what was assumed."""
    task = task_of_config(config)
    if len(sizes) == 3:
        if output in LOGITS or task is not None:
            raise ModelError(
                f"{output} gives logits for each token, which --via onnx2tf does not take; give "
                "--model the folder with the model's weights."
            )
        if has_model_file(folder / "modules.json"):
            return read_embedding_head(folder), ""
        return Head(Task.EMBEDDING, (Pooling.MEAN,)), MEAN_NOTE
    if output in LOGITS or task is Task.CLASSIFICATION:
        head = read_labels(Task.CLASSIFICATION, config, sizes[1] or _count_labels(config), folder)
        if graph.maker(graph.root(output, (*ALIASES, *RESHAPES)), *PROBABILITIES) is not None:
            head = msgspec.structs.replace(head, activation="identity")  # the file applies its own
        return head, ""
    if output not in (*TELLING, POOLER) and not has_model_file(folder / "modules.json"):
        raise ModelError(
            f"Nothing says what the output {output[:80]!r} is: call it {TELLING[0]} or {LOGITS[0]},"
            " or put the model's config.json beside it."
        )
    return Head(task=Task.EMBEDDING), ""


def _count_labels(config: Mapping[str, Any]) -> int:
    """Where the graph does not say it."""
    labels = config.get("id2label")
    return len(labels) if isinstance(labels, dict) else 2


def _vocabulary(graph: OnnxGraph, names: Mapping[str, str]) -> int | None:
    """The rows of the table that the token ids look up; None if there is no such table."""
    ids = next(name for name, ours in names.items() if ours == inputs.IDS)
    rows = [
        table.shape[0]
        for node in graph.nodes
        if node.op == "Gather" and graph.root(node.inputs[1], (*ALIASES, *RESHAPES)) == ids
        if (table := graph.constant(node.inputs[0])) is not None and table.ndim == 2
    ]
    return rows[0] if rows else None


def _fixed_length(path: Path, graph: OnnxGraph) -> int | None:
    """The one length that a graph of fixed shapes takes."""
    shapes = [
        graph_input.sizes for graph_input in graph.inputs.values() if graph_input.sizes is not None
    ]
    if any(len(sizes) != 2 for sizes in shapes):
        raise ModelError(f"{path}: inputs must be [batch, length]; export it with such.")
    batches = {sizes[0] for sizes in shapes} - {None, 1}
    if batches:
        raise ModelError(
            f"{path} has a fixed batch of {shorten(max(n for n in batches if n))}; export it with "
            "a batch of 1, or with a dynamic one."
        )
    lengths = {sizes[1] for sizes in shapes} - {None}
    if len(lengths) > 1:
        raise ModelError(f"{path}: its inputs have several lengths: {sorted(lengths, key=str)}.")
    return next(iter(lengths), None)
