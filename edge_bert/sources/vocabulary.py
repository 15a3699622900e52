"""The WordPiece vocabulary of a model, one token a line, for programs that read no tokenizer.json.

MediaPipe and others take the line of a token for its id, so a vocab.txt of another model, or of an
older version, gives wrong tokens without a word. It is held against tokenizer.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge_bert.formats.huggingface.json_files import read_json
from edge_bert.formats.model_file import has_model_file, read_model_bytes
from edge_bert.store.cache import cache_folder
from edge_bert.store.content_store import write_atomic
from edge_bert.store.digest import sha256_hex
from edge_bert.text import shorten

FILE = "vocab.txt"
MAX_BYTES = 64 * 1024 * 1024


def find_vocabulary(folder: Path, tokenizer: Path) -> tuple[Path | None, tuple[str, ...]]:
    """The vocabulary of the model in `folder`, and a warning where its vocab.txt is not used.

    That is a copy of vocab.txt where its lines are the ids of the tokenizer.json at `tokenizer`,
    or else one that is written from it; None where the tokenizer is not WordPiece, or has ids
    without a token.
    """
    tokens = _wordpiece_tokens(tokenizer)
    own = folder / FILE
    if not has_model_file(own):
        return (None if tokens is None else _write(tokens)), ()
    if tokens is None:
        return None, (f"{FILE} is left out: the tokenizer is not WordPiece",)
    data = read_model_bytes(own, MAX_BYTES)
    difference = _find_difference(_split_lines(data), tokens)
    if difference is None:
        return _keep(data), ()
    return _write(tokens), (f"{FILE} is left out, and written from the tokenizer: {difference}",)


def _wordpiece_tokens(tokenizer: Path) -> dict[int, str] | None:
    """The tokens of a WordPiece tokenizer.json by id, added ones too."""
    content = read_json(tokenizer)
    model = content.get("model")
    if not isinstance(model, dict) or not _is_wordpiece(model):
        return None
    tokens = {number: token for token, number in model["vocab"].items()}
    added = content.get("added_tokens") or ()
    return tokens | {int(item["id"]): str(item["content"]) for item in added}


def _is_wordpiece(model: Mapping[str, object]) -> bool:
    """Old files leave the type out; only WordPiece has a limit to the characters of a word."""
    kind = model.get("type")
    return isinstance(model.get("vocab"), dict) and (
        kind == "WordPiece" or (kind is None and "max_input_chars_per_word" in model)
    )


def _split_lines(data: bytes) -> list[str]:
    """Only line feeds end a line: vocabularies hold other separators as tokens."""
    text = data.decode("utf-8", errors="replace")
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def _find_difference(lines: list[str], tokens: Mapping[int, str]) -> str | None:
    """The first line that is not the token of its id; a file may lack the last, added tokens."""
    for number, line in enumerate(lines):
        if tokens.get(number) != line:
            token = shorten(tokens.get(number))
            return f"line {number + 1} is {shorten(line)}, token {number} {token}"
    return None if len(lines) > 1 else "it has no tokens"


def _write(tokens: Mapping[int, str]) -> Path | None:
    """A vocab.txt of these tokens in the cache; None where lines cannot say what they are."""
    lines = [tokens.get(number, "") for number in range(len(tokens))]
    if any(not line or line != line.replace("\n", "").replace("\r", "") for line in lines):
        return None
    return _keep("".join(f"{line}\n" for line in lines).encode())


def _keep(data: bytes) -> Path:
    """A file in the cache with these bytes, so that what was checked is what is built."""
    path = cache_folder("vocabularies", sha256_hex(data)) / FILE
    if not path.is_file() or path.read_bytes() != data:
        write_atomic(path, data)
    return path
