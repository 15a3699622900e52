"""Writing of a model folder in Hugging Face's layout, which edge-bert and others open."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from edge_bert.encoder.architectures.name_arrays import (
    name_dense,
    name_encoder_arrays,
    name_norm,
)
from edge_bert.encoder.architectures.registry import ARCHITECTURES
from edge_bert.encoder.weights import EncoderWeights, HeadDense, HeadLayer, HeadNorm
from edge_bert.errors import InputError
from edge_bert.pipeline.train.folder.transformers_head import (
    find_class,
    find_problem,
    name_head_arrays,
)
from edge_bert.records.checkpoint import Checkpoint, FloatArray, Task
from edge_bert.records.saved_model import FORMAT_VERSION, SavedModel, SavedTask
from edge_bert.sources.module_kinds import ACTIVATIONS, POOLING_NAMES
from edge_bert.sources.output_activation import OLD_KEY
from edge_bert.sources.saved_model import FILE
from edge_bert.store.content_store import encode_json

PACKAGE = "sentence_transformers.models"
POOLINGS = {pooling: name for name, pooling in POOLING_NAMES.items()}
CLASSES = {activation: name for name, activation in ACTIVATIONS.items()}
# Model types whose configuration has num_hidden_layers under a name of its own.
LAYER_KEYS = {"distilbert": "n_layers"}
# What config.json says of a head: that of the model that the weights come from may be another.
OF_HEADS = (
    *("architectures", "id2label", "label2id", "num_labels", "problem_type"),
    *("sentence_transformers", OLD_KEY),
)
TASKS: dict[Task, SavedTask] = {
    Task.EMBEDDING: "embedding",
    Task.CLASSIFICATION: "classification",
    Task.TOKEN_CLASSIFICATION: "token_classification",
    Task.QUESTION_ANSWERING: "question_answering",
}


def write_model_folder(weights: EncoderWeights, checkpoint: Checkpoint, folder: Path) -> None:
    """Write the encoder and its head into the empty `folder`.

    `checkpoint` is the one that the weights come from: its tokenizer, configuration and prompts go
    with them. Where all layers are alike, transformers and sentence-transformers open the folder:
    a head as transformers lays it out by its class, any other by sentence-transformers' modules;
    else edge_bert.json says the structure, and config.json names no type that they know. Raises
    InputError for a task that such a folder does not hold.
    """
    task = weights.head.task
    if task is Task.TOKEN_EMBEDDING:
        raise InputError(f"A model for {task.value} cannot be saved.")
    architecture = ARCHITECTURES[checkpoint.architecture]
    alike = layers_are_alike(weights)
    opened_by = find_class(weights, architecture) if alike else None
    arrays = name_encoder_arrays(weights, architecture, checkpoint.config)
    if opened_by is not None:
        arrays = {f"{architecture.prefix}{name}": array for name, array in arrays.items()}
    if opened_by is not None or weights.head.gives_tokens:
        arrays |= name_head_arrays(weights, architecture)
    else:
        _write_modules(weights, folder)
    _save_arrays(arrays, folder)
    config = _config_of(weights, checkpoint, opened_by, alike=alike)
    _write_json(folder / "config.json", config)
    _write_tokenizer(checkpoint, folder)
    _write_text_options(checkpoint, folder)
    if not alike or (opened_by is None and task is not Task.EMBEDDING):
        saved = _describe_model(weights, checkpoint)
        (folder / FILE).write_bytes(encode_json(saved))


def layers_are_alike(weights: EncoderWeights) -> bool:
    """Whether config.json has words for the structure: layers alike, heads as wide as the rows,
    one relative bias, all tokens in every layer."""
    config = weights.config
    if config.cuts:  # what others would compute with all tokens is another model
        return False
    alike = len(set(config.heads)) == len(set(config.ffn)) == len(set(weights.tied_biases)) == 1
    return alike and config.heads[0] * config.head_size == config.hidden


def _config_of(
    weights: EncoderWeights, checkpoint: Checkpoint, opened_by: str | None, *, alike: bool
) -> dict[str, Any]:
    """config.json, which names the class `opened_by` that has the head, where there is one."""
    config = {
        key: value
        for key, value in checkpoint.config.items()
        if value is not None and key not in OF_HEADS
    }
    config[LAYER_KEYS.get(checkpoint.architecture, "num_hidden_layers")] = weights.config.layers
    if not alike:
        return config | {"model_type": "edge-bert", "architectures": ["EdgeBertEncoder"]}
    labels = weights.head.labels
    if labels:
        config |= {
            "id2label": {str(index): label for index, label in enumerate(labels)},
            "label2id": {label: index for index, label in enumerate(labels)},
        }
    if opened_by is not None:
        config["architectures"] = [opened_by]
        problem = find_problem(weights)
        config |= {} if problem is None else {"problem_type": problem}
    return config | {"model_type": checkpoint.architecture}


def _write_tokenizer(checkpoint: Checkpoint, folder: Path) -> None:
    shutil.copyfile(checkpoint.tokenizer, folder / "tokenizer.json")
    if checkpoint.vocabulary is not None:
        shutil.copyfile(checkpoint.vocabulary, folder / "vocab.txt")
    special = {"pad_token": "[PAD]"}
    tokens = json.loads(checkpoint.tokenizer.read_text("utf-8"))
    padding = tokens.get("padding") or {}
    if "pad_token" in padding:
        special = {"pad_token": padding["pad_token"]}
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": checkpoint.max_length,
            **special,
        },
    )


def _write_modules(weights: EncoderWeights, folder: Path) -> None:
    """modules.json and a folder for each module after the encoder."""
    modules = [("Transformer", ""), ("Pooling", "1_Pooling")]
    pooling: dict[str, Any] = {
        "word_embedding_dimension": weights.config.hidden,
        "pooling_mode": [POOLINGS[pooling] for pooling in weights.head.poolings],
    }
    if not weights.head.pools_prompt:
        pooling["include_prompt"] = False
    _write_json(folder / "1_Pooling" / "config.json", pooling)
    for layer in weights.head_layers:
        modules.append(_write_layer(layer, len(modules), folder))
    if weights.head.normalize:
        modules.append(("Normalize", f"{len(modules)}_Normalize"))
        (folder / modules[-1][1]).mkdir()
    _write_json(
        folder / "modules.json",
        [
            {"idx": index, "name": str(index), "path": path, "type": f"{PACKAGE}.{kind}"}
            for index, (kind, path) in enumerate(modules)
        ],
    )


def _write_layer(layer: HeadLayer, index: int, folder: Path) -> tuple[str, str]:
    """A module's folder; gives its kind and path."""
    if isinstance(layer, HeadDense):
        path = folder / f"{index}_Dense"
        inputs, outputs = layer.kernel.shape
        config: dict[str, Any] = {
            "in_features": inputs,
            "out_features": outputs,
            "bias": True,
            "activation_function": _name_activation(layer.activation),
        }
        arrays = dict(name_dense("linear", layer))
    elif isinstance(layer, HeadNorm):
        path = folder / f"{index}_LayerNorm"
        config, arrays = {"dimension": len(layer.gamma)}, dict(name_norm("norm", layer))
    else:
        path = folder / f"{index}_Normalize"
        path.mkdir()
        return "Normalize", path.name
    _write_json(path / "config.json", config)
    _save_arrays(arrays, path)
    return path.name.partition("_")[2], path.name


def _save_arrays(arrays: Mapping[str, FloatArray], folder: Path) -> None:
    # Not `save_file`, whose error where the disk is full is none of Python's.
    # Its arrays in C's order: `save` writes those of another order as they lie in memory.
    ordered = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    data = save(ordered, {"format": "pt"})
    (folder / "model.safetensors").write_bytes(data)


def _name_activation(activation: str) -> str:
    name = CLASSES[activation]
    room = "linear" if name == "Identity" else "activation"
    return f"torch.nn.modules.{room}.{name}"


def _write_text_options(checkpoint: Checkpoint, folder: Path) -> None:
    _write_json(
        folder / "sentence_bert_config.json",
        {"max_seq_length": checkpoint.max_length, "do_lower_case": False},
    )
    _write_json(
        folder / "config_sentence_transformers.json",
        {
            "prompts": dict(checkpoint.prompts.texts),
            "default_prompt_name": checkpoint.prompts.default,
        },
    )


def _describe_model(weights: EncoderWeights, checkpoint: Checkpoint) -> SavedModel:
    head, config = weights.head, weights.config
    return SavedModel(
        format_version=FORMAT_VERSION,
        architecture=checkpoint.architecture,
        head_size=config.head_size,
        heads=config.heads,
        ffn=config.ffn,
        task=TASKS[head.task],
        labels=head.labels,
        activation=head.activation,
    )


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
