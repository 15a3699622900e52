"""`load_onnx(path)`: an ONNX file and a tokenizer folder as a checked Checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_bert.errors import ModelError
from edge_bert.formats.model_file import digest_files
from edge_bert.formats.onnx.passes.expand_fused_ops import MICROSOFT
from edge_bert.formats.onnx.read import (
    DEFAULT_DOMAINS,
    computes_in_float16,
    list_files,
    place_of,
    read_onnx,
)
from edge_bert.installation import task_command
from edge_bert.records.checkpoint import Checkpoint, FloatArray, OnnxFile
from edge_bert.sources.onnx.files import (
    name_of,
    open_folder,
    read_onnx_text,
    sha256_of,
)
from edge_bert.sources.onnx.head_task import read_task
from edge_bert.sources.onnx.opaque import read_edges
from edge_bert.sources.onnx.parts import NotNamed, NotRecognized
from edge_bert.sources.onnx.recognize import recognize_encoder
from edge_bert.sources.onnx.to_checkpoint import Named, name_weights
from edge_bert.text import list_some, shorten

# What config.json and the graph both say, under transformers' two spellings.
SIZES = {
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
    "vocab_size": "vocab_size",
}


def load_onnx(path: Path, tokenizer: Path | None = None) -> Checkpoint:
    """The model in the ONNX file `path` with the tokenizer in the folder `tokenizer`.

    The folder is by default that of the file, or the one above it where that is called `onnx`, as
    the hub keeps such files; config.json and sentence-transformers' files are read from it too.
    Raises ModelError for a file that is no usable ONNX, or that holds no encoder we recognize.
    """
    folder, config = open_folder(path, tokenizer)
    file = read_onnx(path)
    try:
        encoder = recognize_encoder(file, config)
        model = name_weights(encoder, config.get("model_type"))
        read = read_task(encoder.head, config, folder, len(encoder.embeddings.word))
    except NotNamed as reason:
        raise ModelError(f"{path}: {reason}.") from reason
    except (NotRecognized, RecursionError) as reason:
        other_way = _other_way(path, file, config, folder)
        raise ModelError(
            f"{path} holds no encoder that edge-bert recognises: {reason}. {other_way}"
        ) from reason
    _check_config(path, model, config)
    files = read.files
    weights = {**model.weights, **(files.weights or {})}
    _check_finite(path, weights)
    text = read_onnx_text(folder, config, model.config)
    return Checkpoint(
        name=name_of(path, folder),
        architecture=model.architecture,
        config=model.config,
        weights=weights,
        head=files.head,
        head_modules=files.modules,
        tokenizer=text.tokenizer,
        vocabulary=text.vocabulary,
        max_length=text.max_length,
        prompts=text.prompts,
        warnings=(*text.warnings, *_name_unused(path, file, encoder.head.unused)),
        origin=f"onnx: {path.name}{read.note}",
        sha256=sha256_of(path, folder, text.tokenizer, files.files),
        onnx=OnnxFile(
            path=path.parent.resolve() / path.name,
            sha256=digest_files(*list_files(path)),
            inputs=encoder.inputs,
            outputs=encoder.head.outputs,
            activation=read.activation,
            needs_pooling=encoder.head.path.is_plain,
            float16=computes_in_float16(file),
            fixed_length=encoder.fixed_length,
        ),
    )


def _other_way(path: Path, model: Any, config: Mapping[str, Any], folder: Path) -> str:
    """Advice for a model that is not recognized; custom operators are not supported at all."""
    for node in model.graph.node:
        if node.domain not in (*DEFAULT_DOMAINS, MICROSOFT):
            return (
                f"{node.op_type} at {place_of(node)} is an operator of {shorten(node.domain)}, "
                "which edge-bert cannot convert; export the model without it."
            )
    try:
        read_edges(path, model, config, folder)
    except ModelError as refusal:  # whose own advice is the one that helps
        return str(refusal).removeprefix(f"{path}: ")
    return f"Try {task_command('build --via onnx2tf')}."


def _check_config(path: Path, model: Named, config: Mapping[str, Any]) -> None:
    for key, short in SIZES.items():
        configured = config.get(key, config.get(short))
        computed = model.config.get(key, model.config.get(short))
        if configured is not None and configured != computed:
            raise ModelError(
                f"{path} and config.json contradict each other: {key} is {computed} in the graph "
                f"and {shorten(configured)} in config.json; give the config.json that belongs to "
                "the model."
            )


def _check_finite(path: Path, weights: Mapping[str, FloatArray]) -> None:
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise ModelError(f"{path}: {name} holds values that are not finite numbers.")


def _name_unused(path: Path, model: Any, outputs: Sequence[str]) -> tuple[str, ...]:
    """A line for outputs that do not count, and one for tensors that no operator reads."""
    read = {name for node in model.graph.node for name in node.input}
    read |= {output.name for output in model.graph.output}
    tensors = [tensor.name for tensor in model.graph.initializer if tensor.name not in read]
    named = {"outputs that do not count": outputs, "weights that nothing reads": tensors}
    return tuple(
        f"{path.name}: {what}: {list_some(names)}" for what, names in named.items() if names
    )
