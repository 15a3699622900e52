"""The files around an ONNX file: its folder, its name, its digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_bert.errors import ModelError
from edge_bert.formats.huggingface.json_files import read_json
from edge_bert.formats.model_file import has_model_file
from edge_bert.formats.onnx.read import list_files
from edge_bert.sources.folder import FolderText, check_tokenizer, digest_of, read_text

OPTIONAL = (
    *("config.json", "modules.json", "1_Pooling/config.json", "sentence_bert_config.json"),
    "config_sentence_transformers.json",
)
PLAIN_NAMES = ("model", "model_optimized", "model_fp16")


def open_folder(path: Path, tokenizer: Path | None) -> tuple[Path, dict[str, Any]]:
    """The folder with an ONNX file's tokenizer, and its config.json, empty where there is none.

    Raises ModelError where there is no tokenizer, or config.json is damaged.
    """
    folder = tokenizer or folder_of(path)
    require_tokenizer(folder)
    config = folder / "config.json"
    return folder, read_json(config) if has_model_file(config) else {}


def folder_of(path: Path) -> Path:
    """The file's folder, or the one above where it is called `onnx` and holds no tokenizer."""
    own = path.parent.resolve()  # a link of the hub's cache stands where the tokenizer is
    above = own.name == "onnx" and not has_model_file(own / "tokenizer.json")
    return own.parent if above else own


def require_tokenizer(folder: Path) -> None:
    """ModelError where `folder` has no tokenizer for an ONNX file: how to name one that has."""
    check_tokenizer(folder, "name the folder that has it with --tokenizer, or ")


def read_onnx_text(folder: Path, config: Mapping[str, Any], sizes: Mapping[str, Any]) -> FolderText:
    """As `read_text`; ModelError for a prompt that is left out of pooling, which is inside the
    graph of an ONNX file or not in it at all."""
    text = read_text(folder, config, sizes)
    if not text.prompts.pooled:
        raise ModelError(
            f"{folder}: include_prompt is false, so that a prompt is left out of pooling, which "
            "edge-bert has for a folder with weights: give --model such a folder."
        )
    return text


def name_of(path: Path, folder: Path) -> str:
    """The name of the file, or of the folder where every file is called so."""
    return folder.resolve().name if path.stem in PLAIN_NAMES else path.stem


def sha256_of(path: Path, folder: Path, tokenizer: Path, head: Sequence[Path] = ()) -> str:
    """Over the file, its external data, and all that was read beside it; `head` of the head."""
    beside = [folder / name for name in OPTIONAL]
    return digest_of(
        *list_files(path),
        tokenizer,
        *(path_beside for path_beside in beside if has_model_file(path_beside)),
        *head,
    )
