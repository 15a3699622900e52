"""A model folder in Hugging Face's layout: config.json, model.safetensors, tokenizer.json."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from edge_bert.errors import ModelError
from edge_bert.formats.git_lfs import refuse_pointers
from edge_bert.formats.huggingface import tokenizer as tokenizers
from edge_bert.formats.huggingface.config_class import complete_config, describe_config_class
from edge_bert.formats.huggingface.json_files import read_json
from edge_bert.formats.model_file import has_model_file, open_model_file
from edge_bert.records.checkpoint import NO_PROMPTS, Checkpoint, Prompts
from edge_bert.sources import sentence_transformers
from edge_bert.sources.exits import list_exit_files, read_exits
from edge_bert.sources.head import read_head
from edge_bert.sources.head_class import name_class
from edge_bert.sources.keys import transformers_files as keys
from edge_bert.sources.model_type import find_model_type
from edge_bert.sources.modules import find_encoder_folder
from edge_bert.sources.saved_model import (
    apply_saved_head,
    name_architecture,
    read_saved_model,
    read_structure,
)
from edge_bert.sources.sentence_transformers import MODULES, TextOptions
from edge_bert.sources.token_cuts import list_cut_files, read_cuts
from edge_bert.sources.torch_quantized import read_quantized
from edge_bert.sources.vocabulary import find_vocabulary
from edge_bert.sources.weight_names import strip_wrapper
from edge_bert.sources.weights import read_weights, refuse_onnx_alone, weights_files
from edge_bert.text import shorten

POINTED = ("*.json", "*.txt", "*.safetensors", "*.model", "*/config.json", "*/*.safetensors")

# The key of the longest text, and what it is where it is absent.
POSITIONS = {
    "gpt2": ("n_positions", 1024),
    "modernbert": ("max_position_embeddings", 8192),
    "nomic_bert": ("max_position_embeddings", 2048),
}
# Their first token takes the position row pad_token_id + 1.
POSITIONS_AFTER_PAD = ("roberta", "xlm-roberta", "camembert")


def load_folder(folder: Path, *, name: str, origin: str) -> Checkpoint:
    """Read the model in `folder`; no code from it is run and no pickle is read.

    Raises ModelError when a file is missing, damaged, of a kind that we do not read, or says what
    edge-bert does not obey.
    """
    encoder = find_encoder_folder(folder)
    refuse_onnx_alone(encoder)
    refuse_pointers(path for pattern in POINTED for path in sorted(folder.glob(pattern)))
    path = encoder / "config.json"
    saved = read_saved_model(folder)
    raw = read_json(path) if saved is None else name_architecture(read_json(path), saved)
    files = weights_files(encoder)
    quantized = read_quantized(read_weights(*files))
    weights = quantized.weights
    architecture = find_model_type(path, raw, weights)
    unknown = keys.CONFIG.check(path, raw, _keys_of(architecture))
    weights = strip_wrapper(weights, architecture)
    config = name_class(complete_config(raw, architecture), weights)
    head = read_head(folder, config)
    if saved is not None:
        head = dataclasses.replace(head, head=apply_saved_head(head.head, saved))
    text = read_text(folder, config)
    decisive = (*files, path, text.tokenizer, *head.files, *list_exit_files(folder))
    decisive += list_cut_files(folder)
    return Checkpoint(
        name=name,
        architecture=architecture,
        config=config,
        weights=weights.joined(head.weights),
        head=msgspec.structs.replace(head.head, pools_prompt=text.prompts.pooled),
        head_modules=head.modules,
        tokenizer=text.tokenizer,
        vocabulary=text.vocabulary,
        max_length=text.max_length,
        origin=origin,
        sha256=digest_of(*decisive, prompts=text.prompts),
        prompts=text.prompts,
        warnings=(*unknown, *quantized.warnings, *text.warnings),
        head_is_certain=has_model_file(folder / MODULES),
        structure=None if saved is None else read_structure(saved),
        folder=folder,
        exits=read_exits(folder),
        cuts=read_cuts(folder),
    )


def _keys_of(architecture: str) -> tuple[str, ...]:
    described = describe_config_class(architecture)
    return (*described.keys, *described.aliases, *keys.OWN_CONFIG.get(architecture, ()))


@dataclasses.dataclass(frozen=True)
class FolderText:
    """How a model's folder makes tokens of texts; `max_length` is what positions allow too."""

    tokenizer: Path
    vocabulary: Path | None
    max_length: int
    prompts: Prompts
    warnings: tuple[str, ...]


def read_text(
    folder: Path, config: Mapping[str, Any], sizes: Mapping[str, Any] | None = None
) -> FolderText:
    """Tokenizer, longest input and prompts of the model in `folder` with this config.json.

    `sizes` is a configuration that says the positions where config.json may not. Raises ModelError
    for files that are damaged, missing or say what is not obeyed.
    """
    encoder = find_encoder_folder(folder)
    options = sentence_transformers.read_text_options(encoder)
    positions = count_positions(config if sizes is None else sizes)
    pooled = sentence_transformers.check_modules(folder)
    prompts, unknown = sentence_transformers.read_prompts(folder, pooled=pooled)
    resolved = resolve_tokenizer(encoder, config, options)
    vocabulary, left_out = find_vocabulary(encoder, resolved.path)
    return FolderText(
        tokenizer=resolved.path,
        vocabulary=vocabulary,
        max_length=_max_length(folder, positions, options, resolved.model_max_length),
        prompts=prompts,
        warnings=(*unknown, *_unknown_keys(encoder), *left_out),
    )


def _unknown_keys(folder: Path) -> tuple[str, ...]:
    tables = {
        "tokenizer_config.json": keys.TOKENIZER,
        "special_tokens_map.json": keys.SPECIAL_TOKENS,
    }
    return tuple(
        line
        for name, table in tables.items()
        if has_model_file(folder / name)
        for line in table.check(folder / name, read_json(folder / name))
    )


def resolve_tokenizer(
    folder: Path, config: Mapping[str, Any], options: TextOptions
) -> tokenizers.ResolvedTokenizer:
    """The tokenizer of the model in `folder` as transformers and sentence-transformers have it.

    Raises ModelError where there is none or it cannot be opened.
    """
    check_tokenizer(folder)
    source = dataclasses.replace(
        tokenizers.describe_folder(folder, config),
        options=options.options,
        lowercase=options.lowercase,
    )
    return tokenizers.resolve_tokenizer(source)


def check_tokenizer(folder: Path, first: str = "") -> None:
    """Raises ModelError where `folder` has no tokenizer: what to try `first`, and how to get
    one."""
    if not tokenizers.has_vocabulary(folder):
        raise ModelError(
            f"{folder / tokenizers.FILE} is missing; {first}save the tokenizer with "
            "AutoTokenizer.from_pretrained(...).save_pretrained(...) of transformers."
        )


def count_positions(config: Mapping[str, Any]) -> int:
    """The longest input in tokens that the position table allows."""
    key, default = POSITIONS.get(str(config.get("model_type")), ("max_position_embeddings", 512))
    if config.get("model_type") == "nomic_bert" and "n_positions" in config:
        key = "n_positions"  # as nomic's own code calls it
    positions = _read_int(config, key, default)
    if config.get("model_type") in POSITIONS_AFTER_PAD:
        positions -= _read_int(config, "pad_token_id", 1) + 1
    if config.get("model_type") == "mpnet":
        positions -= 2  # its first token takes row 2, whatever the padding id
    return positions


def _max_length(
    folder: Path, positions: int, options: TextOptions, model_max_length: int | None
) -> int:
    """What the positions allow, and the authors: sentence-transformers' limit before the other."""
    own = {"max_seq_length": options.max_seq_length}
    limit = positions if model_max_length is None else model_max_length
    longest = min(positions, _read_int(own, "max_seq_length", limit))
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
        raise ModelError(f"{key} is {shorten(value)} in the model's files, no whole number.")
    return value


def digest_of(*paths: Path, prompts: Prompts = NO_PROMPTS) -> str:
    """SHA-256 over the digests of the files at `paths`, in order, and over the default prompt."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(bytes.fromhex(open_model_file(path).digest()))
    if prompts.default is not None:  # it stands before every text that a model is calibrated with
        digest.update(msgspec.json.encode(prompts, order="deterministic"))
    return digest.hexdigest()
