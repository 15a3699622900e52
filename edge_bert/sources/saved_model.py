"""Reading of `edge_bert.json`, which says more of a model folder than config.json can."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from edge_bert.errors import ModelError
from edge_bert.formats.huggingface.json_files import read_versioned
from edge_bert.formats.model_file import has_model_file
from edge_bert.records.checkpoint import TOKEN_TASKS, EncoderStructure, Head, Task
from edge_bert.records.saved_model import FORMAT_VERSION, SavedModel

FILE = "edge_bert.json"


def read_saved_model(folder: Path) -> SavedModel | None:
    """What edge-bert wrote of the model in `folder`; None for a model of others.

    Raises ModelError for a file that is damaged, of another version, or contradicts itself.
    """
    path = folder / FILE
    if not has_model_file(path):
        return None
    saved = read_versioned(SavedModel, path, FORMAT_VERSION, "train the model again")
    if len(saved.heads) != len(saved.ffn) or not saved.heads:
        raise ModelError(f"{path}: heads and ffn differ in their layers; train the model again.")
    return saved


def name_architecture(config: Mapping[str, Any], saved: SavedModel) -> dict[str, Any]:
    """config.json with the model type whose names the weights have."""
    return {**config, "model_type": saved.architecture, "architectures": None}


def read_structure(saved: SavedModel) -> EncoderStructure:
    """The sizes of each layer."""
    return EncoderStructure(saved.head_size, saved.heads, saved.ffn)


def apply_saved_head(head: Head, saved: SavedModel) -> Head:
    """The head that modules.json lists the layers of, with the task that they serve.

    A head on tokens has no modules and pools nothing.
    """
    task = Task(saved.task)
    if task is Task.EMBEDDING:
        return head
    if task in TOKEN_TASKS:
        return Head(task, (), labels=saved.labels, activation=saved.activation)
    return msgspec.structs.replace(
        head, task=task, labels=saved.labels, activation=saved.activation, normalize=False
    )
