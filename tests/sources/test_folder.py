"""Model folders: what is read of them, and one line for everything that is wrong with them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import Pooling, Task
from edge_bert.sources.load import load_checkpoint
from tests import one_line
from tests.one_line import refused
from tests.tiny.models import ARCHITECTURES, change_json, write

HOSTILE_JSON = {
    "empty": b"",
    "not JSON": b"layers: 2",
    "a list": b"[]",
    "cut": b'{"model_type": "bert", "hidden_s',
    "deep": b'{"a":' * 200_000,
    "deep lists": b"[" * 200_000,
    "no text": b'{"model_type": "\xff\xfe"}',
    "UTF-16": '{"model_type": "bert"}'.encode("utf-16"),
    "control characters": b'{"\x1b[2J": 1}',
    "a huge number": b'{"vocab_size": 1e999}',
    "a long number": b'{"vocab_size": ' + b"9" * 5000 + b"}",
    "NaN": b'{"vocab_size": NaN}',
    "a NUL": b'{"model_type": "bert"}\0',
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound BERT sentence-embedding model."""
    return write(tmp_path / "model")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_sound_folder_is_read(architecture: str, tmp_path: Path) -> None:
    """Name, head, length and tokenizer are those of the folder; every weight is float32."""
    found = load_checkpoint(
        str(write(tmp_path / "my-model", architecture, "cls-normalize")), tmp_path
    )
    assert (found.name, found.origin) == ("my-model", "folder")
    assert found.architecture == architecture
    assert (found.head.task, found.head.poolings) == (Task.EMBEDDING, (Pooling.CLS,))
    assert found.head.normalize
    assert found.max_length == 128
    assert (found.vocabulary is None) == (architecture == "roberta")
    assert {array.dtype.name for array in found.weights.values()} == {"float32"}


@pytest.mark.parametrize("lost", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(lost: str, folder: Path, tmp_path: Path) -> None:
    """Also where a folder or a pipe stands in its place, and no vocabulary stands in for it."""
    (folder / lost).unlink()
    (folder / "vocab.txt").unlink()
    with refused(ModelError, f"{lost} is missing"):
        load_checkpoint(str(folder), tmp_path)
    (folder / lost).mkdir()
    with refused(ModelError, f"{lost} is missing"):
        load_checkpoint(str(folder), tmp_path)
    (folder / lost).rmdir()
    os.mkfifo(folder / lost)
    with refused(ModelError, f"{lost} is missing"):
        load_checkpoint(str(folder), tmp_path)


@pytest.mark.parametrize("content", HOSTILE_JSON.values(), ids=HOSTILE_JSON)
@pytest.mark.parametrize(
    "file",
    ["config.json", "modules.json", "1_Pooling/config.json", "sentence_bert_config.json"],
)
def test_hostile_json_is_refused(file: str, content: bytes, folder: Path, tmp_path: Path) -> None:
    """Every JSON file of the folder, with everything that is no JSON of its kind."""
    if content == b"[]" and file == "modules.json":
        content = b"{}"
    (folder / file).write_bytes(content)
    with refused(ModelError, file):
        load_checkpoint(str(folder), tmp_path)


def test_a_huge_json_file_is_not_read(folder: Path, tmp_path: Path) -> None:
    """A sparse file of 65 MiB costs no memory."""
    os.truncate(folder / "config.json", 65 * 1024 * 1024)
    with refused(ModelError, "larger than"):
        load_checkpoint(str(folder), tmp_path)


@pytest.mark.parametrize("kind", [None, 3, ["bert"], {}])
def test_a_configuration_without_an_architecture_is_refused(
    kind: object, folder: Path, tmp_path: Path
) -> None:
    """model_type says how to read everything else, and no class shows it."""
    change_json(folder / "config.json", model_type=kind, architectures=None)
    with refused(ModelError, "model_type"):
        load_checkpoint(str(folder), tmp_path)


@pytest.mark.parametrize(
    ("file", "changes", "expected"),
    [
        ("sentence_bert_config.json", {"max_seq_length": 20}, 20),
        ("sentence_bert_config.json", {"max_seq_length": 4096}, 128),
        ("sentence_bert_config.json", {"max_seq_length": None}, 128),
        ("config.json", {"max_position_embeddings": 100}, 100),
    ],
)
def test_the_longest_input_is_what_all_files_allow(
    file: str, changes: dict[str, Any], expected: int, folder: Path
) -> None:
    """Positions bound it, and so do the authors."""
    change_json(folder / file, **changes)
    assert load_checkpoint(str(folder), folder).max_length == expected


@pytest.mark.parametrize("value", [0, 2, -5, 1.5, "128", [128], True, 2**40])
@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("sentence_bert_config.json", "max_seq_length"),
        ("config.json", "max_position_embeddings"),
    ],
)
def test_a_longest_input_that_is_none_is_refused(
    file: str, key: str, value: object, folder: Path
) -> None:
    """Too short for a sentence, or no number."""
    change_json(folder / file, **{key: value})
    with refused(ModelError, f"{key}|holds no sentence"):
        load_checkpoint(str(folder), folder)


def test_roberta_loses_positions_to_padding(tmp_path: Path) -> None:
    """Positions start after the padding id; none may be left."""
    folder = write(tmp_path / "model", "roberta")
    change_json(folder / "config.json", pad_token_id=3)
    assert load_checkpoint(str(folder), tmp_path).max_length == 126
    for wrong in (128, 500, "1", -1):
        change_json(folder / "config.json", pad_token_id=wrong)
        with refused(ModelError, "pad_token_id|holds no sentence"):
            load_checkpoint(str(folder), tmp_path)


def test_gpt2_names_its_positions_otherwise(tmp_path: Path) -> None:
    """n_positions bounds its inputs; transformers' default is 1024."""
    folder = write(tmp_path / "model", "gpt2", "mean")
    (folder / "sentence_bert_config.json").unlink()
    change_json(folder / "tokenizer_config.json", model_max_length=None)
    for positions, expected in ((100, 100), (None, 1024)):
        change_json(folder / "config.json", n_positions=positions)
        assert load_checkpoint(str(folder), tmp_path).max_length == expected


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_the_digest_covers_what_the_output_depends_on(file: str, folder: Path) -> None:
    """One byte more in any of the three is another model."""
    before = load_checkpoint(str(folder), folder).sha256
    assert load_checkpoint(str(folder), folder).sha256 == before
    path = folder / file
    if file == "model.safetensors":
        data = path.read_bytes()
        path.write_bytes(data[:-4] + bytes([data[-4] ^ 1]) + data[-3:])
    else:
        path.write_bytes(path.read_bytes() + b" ")
    assert load_checkpoint(str(folder), folder).sha256 != before


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
CONFIG_KEYS = st.sampled_from(
    [
        *("architectures", "id2label", "num_labels", "problem_type", "max_position_embeddings"),
        *("pad_token_id", "model_type", "max_seq_length", "path", "type"),
        "pooling_mode_mean_tokens",
    ]
)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, bytes], Path]:
    """A classifier or sentence-embedding folder with one file of other content."""
    root = tmp_path_factory.mktemp("fuzzed")
    write(root / "classification", "bert", "classification")
    write(root / "mean", "roberta", "mean")
    sound = {path: path.read_bytes() for path in root.rglob("*.json")}

    def changed(file: str, content: bytes) -> Path:
        for path, data in sound.items():
            path.write_bytes(data)
        (root / file).write_bytes(content)
        return root / file.partition("/")[0]

    return changed


FILES = ("classification/config.json", "mean/config.json", "mean/modules.json")
FILES += ("mean/1_Pooling/config.json", "mean/sentence_bert_config.json")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.sampled_from(FILES),
    content=st.binary(max_size=200)
    | JSON_VALUES.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(CONFIG_KEYS, JSON_VALUES).map(lambda value: json.dumps(value).encode()),
)
def test_any_json_is_read_or_refused(
    fuzzed: Callable[[str, bytes], Path], file: str, content: bytes
) -> None:
    """Noise, JSON of any form, and our keys with any value: a model, or one line."""
    _read_or_refused(fuzzed(file, content))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=st.sampled_from(FILES[:2]), key=CONFIG_KEYS, value=JSON_VALUES)
def test_any_value_in_a_sound_configuration_is_read_or_refused(
    fuzzed: Callable[[str, bytes], Path], file: str, key: str, value: object
) -> None:
    """One wrong value at a time reaches every check."""
    sound: dict[str, object] = {"model_type": "roberta" if "mean" in file else "bert"}
    sound["architectures"] = ["BertForSequenceClassification"]
    _read_or_refused(fuzzed(file, json.dumps({**sound, key: value}).encode()))


def _read_or_refused(folder: Path) -> None:
    try:
        found = load_checkpoint(str(folder), folder)
    except ModelError as error:
        one_line.check(error, ModelError)
    else:
        assert found.max_length >= 3
        assert found.weights
