"""An artifact counts as proven only when its numbers are right on the runtime it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from tokenizers import models, pre_tokenizers

from edge_bert.data.tokenizing import Encoding, Tokenizer
from edge_bert.errors import VerificationError
from edge_bert.formats.tflite import flatbuffer
from edge_bert.pipeline.build import verify_artifact
from edge_bert.pipeline.build.running import run_signatures
from edge_bert.quantize import apply_recipe
from edge_bert.records.checkpoint import Head, Task
from edge_bert.records.profile import TFLITE_RUNTIME_2_14, Runtime
from edge_bert.records.recipe import FLOAT16, WI8_AFP32
from edge_bert.runtimes import environments
from edge_bert.store import cache
from tests.pipeline import small_encoder as small

HOST = Runtime(name="ai-edge-litert", version="2.3.0")
HEAD = Head(task=Task.EMBEDDING, normalize=True)
SENTENCES = [" ".join(f"w{(7 * i + j) % 48}" for j in range(2 + 2 * i)) for i in range(8)]

needs_oldest = pytest.mark.skipif(
    environments.find_python_311() is None,
    reason=f"{TFLITE_RUNTIME_2_14} needs Python 3.11. {environments.GET_PYTHON_311}",
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs are remembered for one test only; environments stay where they are."""
    (tmp_path / "environments").symlink_to(cache.cache_folder("environments").resolve())
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path))


@pytest.fixture
def tokenizer(tmp_path: Path) -> Tokenizer:
    """One token per word, [PAD] and then w0, w1, …"""
    words = {"[PAD]": 0, "[UNK]": 1} | {f"w{i}": i + 2 for i in range(48)}
    made = tokenizers.Tokenizer(models.WordLevel(words, **{"unk_token": "[UNK]"}))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.enable_padding(pad_id=0)
    made.save(str(tmp_path / "tokenizer.json"))
    return Tokenizer.open(tmp_path / "tokenizer.json", max(small.LENGTHS))


def subject(folder: Path, data: bytes, name: str = "model") -> run_signatures.ModelUnderTest:
    """The file with these bytes, with its signatures."""
    path = folder / f"{name}.tflite"
    path.write_bytes(data)
    return run_signatures.ModelUnderTest.of(path, HEAD)


def verified(
    folder: Path, data: bytes, tokenizer: Tokenizer, runtime: Runtime = HOST
) -> verify_artifact.VerifiedArtifact:
    """What `verify_artifact` says of these bytes."""
    reference = subject(folder, small.small_encoder(), "reference")
    tested = subject(folder, data)
    expected = run_signatures.run_texts(reference, tokenizer, SENTENCES, HOST)
    examples = verify_artifact.Examples(tokenizer, SENTENCES)
    return verify_artifact.verify_artifact(tested, examples, expected, runtime, HOST)


def test_outputs_come_in_the_order_of_the_sentences(tmp_path: Path) -> None:
    """Each sentence runs in its smallest bucket, and its row is its own."""
    ids = [tuple(range(1, count + 1)) for count in (9, 2, 16, 8, 1, 10)]
    encodings = [Encoding(each, (0,) * len(each)) for each in ids]
    ran = run_signatures.run_signatures(
        subject(tmp_path, small.small_encoder()), encodings, 0, HOST
    )
    np.testing.assert_allclose(ran.by_sentence(), small.expected(ids), rtol=1e-4, atol=1e-4)
    assert ran.own == {"length_8": 3, "length_16": 3}
    assert ran.sentences["length_16"] == [0, 2, 5, 1, 3, 4]


def test_every_signature_runs(tmp_path: Path) -> None:
    """Sentences that all fit the shortest length also run in the longer ones, a few of them."""
    encodings = [Encoding((index + 1,), (0,)) for index in range(9)]
    ran = run_signatures.run_signatures(
        subject(tmp_path, small.small_encoder()), encodings, 0, HOST
    )
    assert {name: len(rows) for name, rows in ran.values.items()} == {"length_8": 9, "length_16": 4}
    assert ran.own["length_16"] == 0


def test_a_right_file_passes(tmp_path: Path, tokenizer: Tokenizer) -> None:
    """The reference itself: passed, without drift."""
    found = verified(tmp_path, small.small_encoder(), tokenizer)
    assert found.runtime_check.status == "passed"
    assert found.scores.drift is not None
    assert found.scores.drift.cosine_min == pytest.approx(1, abs=1e-6)


def test_a_wrong_signature_fails(tmp_path: Path, tokenizer: Tokenizer) -> None:
    """A longer signature with another matrix cannot hide behind the shorter ones."""
    other = np.roll(small.MATRIX, 1, axis=1)
    found = verified(tmp_path, small.small_encoder(length_16=other), tokenizer)
    assert found.runtime_check.status == "failed"
    assert (
        "signature length_16 gives other numbers than a shorter one" in found.runtime_check.detail
    )
    assert found.scores.drift is None


def test_a_wrong_size_fails(tmp_path: Path, tokenizer: Tokenizer) -> None:
    """Twice the numbers have the same direction, and are wrong all the same."""
    found = verified(tmp_path, small.small_encoder(length_16=2 * small.MATRIX), tokenizer)
    assert found.runtime_check.status == "failed"


def test_what_is_no_number_fails(tmp_path: Path, tokenizer: Tokenizer) -> None:
    """NaN in one signature."""
    broken = np.full_like(small.MATRIX, np.nan)
    found = verified(tmp_path, small.small_encoder(length_16=broken), tokenizer)
    assert found.runtime_check.status == "failed"
    assert "not numbers" in found.runtime_check.detail


@needs_oldest
@pytest.mark.parametrize("recipe", [FLOAT16, WI8_AFP32], ids=lambda each: each.name)
def test_the_oldest_runtime_passes(recipe: Any, tmp_path: Path, tokenizer: Tokenizer) -> None:
    """What we make for tflite-runtime 2.14.0 is right there."""
    data = apply_recipe.apply_weight_recipe(small.small_encoder(), recipe, TFLITE_RUNTIME_2_14)
    found = verified(tmp_path, data, tokenizer, TFLITE_RUNTIME_2_14)
    assert (found.runtime_check.status, found.runtime_check.runtime) == (
        "passed",
        TFLITE_RUNTIME_2_14,
    )


@needs_oldest
def test_a_file_that_does_not_load_fails(tmp_path: Path, tokenizer: Tokenizer) -> None:
    """An operator of a newer version: failed, with the runtime's own reason."""
    model = flatbuffer.read_model(small.small_encoder())
    for code in model.operatorCodes:
        code.version = 99
    found = verified(tmp_path, flatbuffer.write_model(model), tokenizer, TFLITE_RUNTIME_2_14)
    assert found.runtime_check.status == "failed"
    assert "version '99'" in found.runtime_check.detail


@needs_oldest
def test_wrong_numbers_without_a_word_fail(tmp_path: Path, tokenizer: Tokenizer) -> None:
    """Today's hybrid form loads and runs on the oldest runtime, and is not called proven there."""
    data = apply_recipe.apply_weight_recipe(small.small_encoder(), WI8_AFP32, HOST)
    encodings = tokenizer.encode_batch(SENTENCES)
    assert (
        len(
            run_signatures.run_signatures(
                subject(tmp_path, data), encodings, 0, TFLITE_RUNTIME_2_14
            ).values
        )
        == 2
    )
    assert verified(tmp_path, data, tokenizer, HOST).runtime_check.status == "passed"
    found = verified(tmp_path, data, tokenizer, TFLITE_RUNTIME_2_14)
    assert found.runtime_check.status == "failed"
    assert "gives wrong numbers there" in str(found.runtime_check)
    assert found.scores.drift is None


def test_without_the_runtime_nothing_is_claimed(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that cannot have the runtime: not run, with the way to get it, no scores."""
    monkeypatch.setattr(environments, "find_python_311", lambda: None)
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "empty"))
    found = verified(tmp_path, small.small_encoder(), tokenizer, TFLITE_RUNTIME_2_14)
    assert found.runtime_check.status == "not run"
    assert "Python 3.11" in str(found.runtime_check)
    assert found.scores.drift is None


def test_outputs_are_remembered_by_file(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run of a file starts no runtime; another file does."""
    encodings = tokenizer.encode_batch(SENTENCES)
    first = run_signatures.run_signatures(
        subject(tmp_path, small.small_encoder()), encodings, 0, HOST
    )
    monkeypatch.setattr(run_signatures, "tflite", None)
    again = run_signatures.run_signatures(
        subject(tmp_path, small.small_encoder()), encodings, 0, HOST
    )
    for name in first.values:
        np.testing.assert_array_equal(first.values[name], again.values[name])
    other = subject(tmp_path, small.small_encoder(length_16=2 * small.MATRIX))
    with pytest.raises(AttributeError):
        run_signatures.run_signatures(other, encodings, 0, HOST)


def test_a_file_that_is_none_is_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    """A worker that dies is a failed proof, not a crash of ours."""
    good = subject(tmp_path, small.small_encoder())
    good.path.write_bytes(good.path.read_bytes()[:500])
    with pytest.raises(VerificationError):
        run_signatures.run_signatures(good, tokenizer.encode_batch(SENTENCES), 0, HOST)
