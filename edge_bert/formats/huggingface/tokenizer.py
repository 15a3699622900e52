"""The tokenizer of a model folder as transformers' AutoTokenizer reads it, as one tokenizer.json.

A folder says what its tokenizer does in several files, and tokenizer.json does not always have the
last word. So AutoTokenizer reads them all, from a copy that holds nothing else, and its backend is
written down. The answer is kept by content, so that transformers is imported once for a model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_bert.errors import ModelError
from edge_bert.formats.git_lfs import refuse_pointers
from edge_bert.formats.huggingface.backend import describe_backend, same_tokens
from edge_bert.formats.huggingface.json_files import read_json
from edge_bert.formats.huggingface.library import import_transformers, silenced
from edge_bert.formats.huggingface.open_tokenizer import require_sound
from edge_bert.formats.huggingface.tokenizer_checks import refuse_randomness
from edge_bert.formats.model_file import has_model_file, read_model_bytes
from edge_bert.records.base import Record
from edge_bert.store.cache import cache_folder
from edge_bert.store.cached import cached_record
from edge_bert.store.content_store import write_atomic
from edge_bert.store.digest import sha256_hex
from edge_bert.store.scratch import scratch_folder
from edge_bert.text import one_line

FILE = "tokenizer.json"
CONFIG = "tokenizer_config.json"
JSON_FILES = (FILE, CONFIG, "special_tokens_map.json", "added_tokens.json", "vocab.json")
TEXT_FILES = ("vocab.txt", "merges.txt")
# SentencePiece, under the names that transformers' classes give it.
MODEL_FILES = (
    *("spiece.model", "sentencepiece.bpe.model", "sentencepiece.model", "tokenizer.model"),
    "spm.model",
)
VOCABULARIES = (FILE, "vocab.txt", "vocab.json", *MODEL_FILES)
MAX_BYTES = 64 * 1024 * 1024
NO_LIMIT = 2**24  # what transformers writes for no limit is far above


@dataclass(frozen=True)
class TokenizerFolder:
    """Where a tokenizer is, and what the model says of it.

    `model_type` and `tokenizer_class` are those of config.json. `options` take the place of what
    the folder's own files say, and `lowercase` puts lower-casing before everything else, as
    sentence-transformers does.
    """

    folder: Path
    model_type: str = ""
    tokenizer_class: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    lowercase: bool = False


@dataclass(frozen=True)
class ResolvedTokenizer:
    """A tokenizer.json that says all, and the longest input that the authors set, if any."""

    path: Path
    model_max_length: int | None


class _Resolution(Record, frozen=True):
    """What AutoTokenizer says; no `text` where the folder's own file says the same."""

    text: str | None
    model_max_length: int | None


def resolve_tokenizer(source: TokenizerFolder) -> ResolvedTokenizer:
    """The tokenizer in a folder. No code from it is run, and nothing is fetched.

    Raises ModelError where there is none, or where it is damaged or of a kind that transformers
    does not read.
    """
    files = _read_files(source.folder)
    if FILE in files and CONFIG not in files and not has_model_file(source.folder / "config.json"):
        return ResolvedTokenizer(_keep(files[FILE]), None)  # nothing that could overrule it
    digests = {name: sha256_hex(data) for name, data in files.items()}
    inputs = [digests, source.model_type, source.tokenizer_class, dict(source.options)]
    answer = cached_record(
        _Resolution,
        "resolved_tokenizers",
        [*inputs, source.lowercase],
        lambda: _ask(source, files),
        code=resolve_tokenizer,
    )
    if answer.text is None:
        return ResolvedTokenizer(_keep(files[FILE]), answer.model_max_length)
    return ResolvedTokenizer(_keep(answer.text.encode()), answer.model_max_length)


def resolve_beside(path: Path) -> Path:
    """The tokenizer.json that says what `path` means in its folder.

    That is `path` itself unless it lies in a model folder, where other files may overrule it.
    """
    folder = path.parent
    is_model = any(has_model_file(folder / name) for name in (CONFIG, "config.json"))
    if path.name != FILE or not is_model:
        return path
    config = read_json(folder / "config.json") if has_model_file(folder / "config.json") else {}
    return resolve_tokenizer(describe_folder(folder, config)).path


def describe_folder(folder: Path, config: Mapping[str, Any]) -> TokenizerFolder:
    """The tokenizer of the model in `folder`, whose config.json holds `config`."""
    model_type, kind = config.get("model_type"), config.get("tokenizer_class")
    return TokenizerFolder(
        folder,
        model_type if isinstance(model_type, str) else "",
        kind if isinstance(kind, str) else None,
    )


def has_vocabulary(folder: Path) -> bool:
    """Whether `folder` holds a tokenizer in any form; what stands in a file's place is none."""
    return any(has_model_file(folder / name) for name in VOCABULARIES)


def _read_files(folder: Path) -> dict[str, bytes]:
    """The files that make the tokenizer, by name; JSON is known to be an object.

    tokenizer_config.json is without the paths that were true where it was saved.
    """
    paths = [folder / name for name in (*JSON_FILES, *TEXT_FILES, *MODEL_FILES)]
    files = {path.name: path for path in paths if has_model_file(path)}
    refuse_pointers(files.values())
    for name in files.keys() & set(JSON_FILES):
        read_json(files[name])
    contents = {name: read_model_bytes(path, MAX_BYTES) for name, path in files.items()}
    if CONFIG in files:
        config = read_json(files[CONFIG])
        sampling = config.get("sp_model_kwargs")
        for settings in (config, sampling if isinstance(sampling, dict) else {}):
            refuse_randomness(settings, str(files[CONFIG]))
        options = {key: value for key, value in config.items() if not key.endswith("_file")}
        contents[CONFIG] = json.dumps(options).encode()
    return contents


def _ask(source: TokenizerFolder, files: Mapping[str, bytes]) -> _Resolution:
    """AutoTokenizer's answer for a copy of the files."""
    refuse_randomness(source.options, str(source.folder))
    if FILE in files:
        require_sound(files[FILE], str(source.folder / FILE))
    with scratch_folder() as scratch, _faults_named(source.folder):
        for name, data in files.items():
            (scratch / name).write_bytes(data)
        tokenizer = _load(source, str(scratch))
        text = describe_backend(tokenizer, lowercase=source.lowercase)
        own = files.get(FILE)
        if own is not None and same_tokens(own, text):
            return _Resolution(None, _limit_of(tokenizer))
        return _Resolution(text, _limit_of(tokenizer))


def _load(source: TokenizerFolder, folder: str) -> Any:
    transformers = import_transformers()
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    is_listed = source.model_type in CONFIG_MAPPING
    config = CONFIG_MAPPING[source.model_type]() if is_listed else transformers.PretrainedConfig()
    config.tokenizer_class = source.tokenizer_class
    with silenced():
        return transformers.AutoTokenizer.from_pretrained(
            folder,
            config=config,
            trust_remote_code=False,
            local_files_only=True,
            **source.options,
        )


def _limit_of(tokenizer: Any) -> int | None:
    limit = tokenizer.model_max_length
    if not isinstance(limit, int | float) or isinstance(limit, bool) or limit < 0:
        raise ModelError(f"{CONFIG}: model_max_length is {str(limit)[:40]}, no length.")
    return int(limit) if limit < NO_LIMIT else None


def _keep(data: bytes) -> Path:
    """A file in the cache with these bytes, whose folder says which they are."""
    path = cache_folder("tokenizers", sha256_hex(data)) / FILE
    if not path.is_file() or path.read_bytes() != data:
        write_atomic(path, data)
    return path


@contextmanager
def _faults_named(folder: Path) -> Iterator[None]:
    """Turns every fault of the libraries, also a panic of Rust code, into one line."""
    try:
        yield
    except ModelError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ModelError(
            f"{folder} holds no tokenizer.json or other tokenizer that transformers can open "
            f"({type(error).__name__}: {one_line(error)}); get the model's tokenizer files again."
        ) from error
