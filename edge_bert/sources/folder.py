"""A model folder in Hugging Face's layout: config.json, model.safetensors, tokenizer.json."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as shown
from typing import Any

from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.sources.head import read_head
from edge_bert.sources.json_files import read_json
from edge_bert.sources.weights import read_weights, refuse_onnx_alone, weights_file

# Their first token takes the position row pad_token_id + 1.
POSITIONS_AFTER_PAD = ("roberta", "xlm-roberta", "camembert")


def load_folder(folder: Path, *, name: str, origin: str) -> Checkpoint:
    """Read the model in `folder`; no code from it is run and no pickle is read.

    Raises ModelError when a file is missing, damaged or of a kind that we do not read.
    """
    refuse_onnx_alone(folder)
    config = read_json(folder / "config.json")
    architecture = config.get("model_type")
    if not isinstance(architecture, str):
        raise ModelError(f"{folder / 'config.json'} names no model_type; is it a model folder?")
    head = read_head(folder, config)
    max_length = max_length_of(folder, config)
    weights = weights_file(folder)
    tokenizer = tokenizer_file(folder)
    vocabulary = folder / "vocab.txt"
    return Checkpoint(
        name=name,
        architecture=architecture,
        config=config,
        weights={**read_weights(weights), **(head.weights or {})},
        head=head.head,
        head_modules=head.modules,
        tokenizer=tokenizer,
        vocabulary=vocabulary if vocabulary.is_file() else None,
        max_length=max_length,
        origin=origin,
        sha256=digest_of(weights, folder / "config.json", tokenizer, *head.files),
    )


def tokenizer_file(folder: Path, first: str = "") -> Path:
    """The tokenizer of the model in `folder`; ModelError says what to try `first`, and how to get
    one."""
    path = folder / "tokenizer.json"
    if path.is_file():
        return path
    raise ModelError(
        f"{path} is missing; {first}save the tokenizer with "
        "AutoTokenizer.from_pretrained(...).save_pretrained(...) of transformers."
    )


def max_length_of(folder: Path, config: Mapping[str, Any]) -> int:
    """The longest input in tokens: what the positions allow, and the model's authors too."""
    if config.get("model_type") == "gpt2":
        positions = _read_int(config, "n_positions", 1024)
    else:
        positions = _read_int(config, "max_position_embeddings", 512)
    if config.get("model_type") in POSITIONS_AFTER_PAD:
        positions -= _read_int(config, "pad_token_id", 1) + 1
    if config.get("model_type") == "mpnet":
        positions -= 2  # its first token takes row 2, whatever the padding id
    path = folder / "sentence_bert_config.json"
    limits = read_json(path) if path.is_file() else {}
    longest = min(positions, _read_int(limits, "max_seq_length", positions))
    if longest < 3:
        raise ModelError(
            f"{folder}: the configuration allows inputs of {longest} tokens, which holds no "
            "sentence."
        )
    return longest


def _read_int(config: Mapping[str, Any], key: str, default: int) -> int:
    value = config.get(key)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**24:
        raise ModelError(f"{key} is {shown(value)} in the model's configuration, no whole number.")
    return value


def digest_of(*paths: Path) -> str:
    """SHA-256 over the digests of the files at `paths`, in order."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
