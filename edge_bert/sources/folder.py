"""A model folder in Hugging Face's layout: config.json, model.safetensors, tokenizer.json."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import Checkpoint, FloatArray
from edge_bert.sources.head import read_head

MAX_JSON_BYTES = 64 * 1024 * 1024
PICKLES = ("pytorch_model.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def load_folder(folder: Path, *, name: str, origin: str) -> Checkpoint:
    """Read the model in `folder`; no code from it is run and no pickle is read.

    Raises ModelError when a file is missing, damaged or of a kind that we do not read.
    """
    config = read_json(folder / "config.json")
    architecture = config.get("model_type")
    if not isinstance(architecture, str):
        raise ModelError(f"{folder / 'config.json'} names no model_type; is it a model folder?")
    tokenizer = _tokenizer(folder)
    weights_file = _weights_file(folder)
    vocabulary = folder / "vocab.txt"
    return Checkpoint(
        name=name,
        architecture=architecture,
        config=config,
        weights=read_weights(weights_file),
        head=read_head(folder, config),
        tokenizer=tokenizer,
        vocabulary=vocabulary if vocabulary.is_file() else None,
        max_length=_max_length(folder, config),
        origin=origin,
        sha256=_digest(weights_file, folder / "config.json", tokenizer),
    )


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`; ModelError if there is none."""
    if not path.is_file():
        raise ModelError(f"{path} is missing; give a folder in Hugging Face's layout.")
    if path.stat().st_size > MAX_JSON_BYTES:
        raise ModelError(f"{path} is larger than {MAX_JSON_BYTES} bytes; not a configuration.")
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"{path} is not a JSON object: {error}") from error


def read_weights(path: Path) -> Mapping[str, FloatArray]:
    """Every floating-point tensor of a safetensors file, as float32."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return {
                key: _float32(path, key, file.get_tensor(key))
                for key in file.keys()  # noqa: SIM118 (no mapping)
                if "position_ids" not in key
            }
    except (SafetensorError, OSError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{path} is damaged or not whole ({reason}); download the model again."
        ) from error


def _float32(path: Path, key: str, array: np.ndarray[Any, Any]) -> FloatArray:
    if array.dtype.kind != "f":
        raise ModelError(f"{path}: {key} is {array.dtype}, not a float; is the model quantized?")
    values = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(values).all():
        raise ModelError(f"{path}: {key} holds values that are not finite numbers.")
    return values


def _weights_file(folder: Path) -> Path:
    path = folder / "model.safetensors"
    if path.is_file():
        return path
    if (folder / "model.safetensors.index.json").is_file():
        raise ModelError(f"{folder} holds weights in several files; save the model as one file.")
    if any(found for pattern in PICKLES for found in folder.glob(pattern)):
        raise ModelError(
            f"{folder} holds pickled weights only, which could run code; "
            "save the model with save_pretrained (safetensors) and try again."
        )
    raise ModelError(f"{path} is missing; give a folder with safetensors weights.")


def _tokenizer(folder: Path) -> Path:
    path = folder / "tokenizer.json"
    if path.is_file():
        return path
    raise ModelError(
        f"{path} is missing; save the tokenizer with "
        "AutoTokenizer.from_pretrained(...).save_pretrained(...) of transformers."
    )


def _max_length(folder: Path, config: Mapping[str, Any]) -> int:
    """The longest input in tokens: what the positions allow, and the model's authors too."""
    positions = config.get("max_position_embeddings", 512)
    if not isinstance(positions, int) or positions < 3:
        raise ModelError(f"config.json: max_position_embeddings is {positions!r}.")
    if config.get("model_type") == "roberta":
        positions -= int(config.get("pad_token_id", 1) or 0) + 1
    path = folder / "sentence_bert_config.json"
    asked = read_json(path).get("max_seq_length") if path.is_file() else None
    return min(positions, asked) if isinstance(asked, int) and asked > 2 else positions


def _digest(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
