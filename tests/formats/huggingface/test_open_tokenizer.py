"""A tokenizer.json is looked at, then tried in a process that may die of it, once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_bert.errors import ModelError
from edge_bert.formats.huggingface import open_tokenizer as opening
from edge_bert.formats.huggingface import tokenizer_trial_worker
from edge_bert.formats.huggingface.open_tokenizer import open_tokenizer
from edge_bert.formats.huggingface.tokenizer import TokenizerFolder, resolve_tokenizer
from edge_bert.formats.huggingface.tokenizer_checks import MAX_BYTES, check_tokenizer
from tests.one_line import refused

BPE = {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}
UNIGRAM = {"type": "Unigram", "vocab": [["a", -1.0], ["b", -2]], "unk_id": 0}
SPLIT = {"type": "Split", "behavior": "Isolated", "invert": False}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No trial of another test counts."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))


def _file(model: dict[str, Any], **sections: object) -> str:
    return json.dumps({"version": "1.0", "added_tokens": [], "model": model, **sections})


RANDOM: dict[str, tuple[str, str]] = {
    "BPE dropout": (_file({**BPE, "dropout": 0.1}), "dropout is 0.1"),
    "always": (_file({**BPE, "dropout": 1}), "dropout is 1"),
    "best of many": (_file({**UNIGRAM, "nbest_size": 5, "alpha": 0.1}), "alpha is 0.1"),
    "of all": (_file({**UNIGRAM, "nbest_size": -1}), "nbest_size is -1"),
}


@pytest.mark.parametrize(("text", "says"), RANDOM.values(), ids=RANDOM)
def test_tokens_at_random_are_refused_by_name(text: str, says: str) -> None:
    """Of which file, which setting, and what it would do."""
    with refused(ModelError, f"t.json: .*{says}.*other tokens each time"):
        open_tokenizer(text, "t.json")


@pytest.mark.parametrize(
    "settings",
    [{"sp_model_kwargs": {"enable_sampling": True, "nbest_size": -1}}, {"dropout": 0.1}],
)
def test_random_options_of_a_folder_are_refused(settings: dict[str, Any], tmp_path: Path) -> None:
    """They need not be in tokenizer.json."""
    (tmp_path / "tokenizer.json").write_text(_file(BPE))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    with refused(ModelError, r"tokenizer_config.json: (enable_sampling|dropout|nbest_size) is"):
        resolve_tokenizer(TokenizerFolder(tmp_path))


@pytest.mark.parametrize("model", [{**BPE, "dropout": None}, {**UNIGRAM, "nbest_size": 1}])
def test_a_sound_tokenizer_is_tried_once(
    model: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in the cache starts no process."""
    assert open_tokenizer(_file(model), "t.json").encode("a").ids == [0]
    monkeypatch.setattr(opening, "run_process", None)
    assert open_tokenizer(_file(model), "t.json").encode("a").ids == [0]


def test_a_cache_that_cannot_be_written_is_no_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle is opened where nothing may be kept."""
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "taken"))
    assert open_tokenizer(_file(BPE), "t.json").encode("ab").ids == [2]


DEEP: dict[str, Any] = {"type": "Lowercase"}
for _ in range(40):
    DEEP = {"type": "Sequence", "normalizers": [DEEP]}
BEYOND: dict[str, str] = {
    "deep": _file(BPE, normalizer=DEEP),
    "many steps": _file(BPE, normalizer={"type": "S", "normalizers": [{"type": "NFC"}] * 20_000}),
    "a long pattern": _file(BPE, pre_tokenizer={**SPLIT, "pattern": {"Regex": "a?" * 10_000}}),
    "a word of any length": _file({**BPE, "type": "WordPiece", "max_input_chars_per_word": 10**9}),
    "a token of any length": _file({**BPE, "vocab": {"a" * 20_000: 0}}),
    "no vocabulary": _file({"type": "BPE"}),
    "a list": "[]",
    "an id below zero": _file({**BPE, "vocab": {"a": -1}}),
    "added tokens without ids": _file(BPE, added_tokens=[{"content": "a"}]),
}


@pytest.mark.parametrize("text", BEYOND.values(), ids=BEYOND)
def test_other_structures_are_refused_unopened(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No process is started for what no tokenizer writes."""
    monkeypatch.setattr(opening, "run_process", None)
    with refused(ModelError, "t.json is not a usable tokenizer"):
        open_tokenizer(text, "t.json")


def test_a_file_that_is_too_large_is_refused_unread() -> None:
    """A tokenizer of gigabytes is none."""
    with refused(ModelError, "larger than"):
        check_tokenizer(bytes(MAX_BYTES + 1), "t.json")


DEATHS: dict[str, tuple[str, str]] = {
    "a fault": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "by signal 11"),
    "an abort": ("import os; os.abort()", "by signal 6"),
    "no end": ("while True: pass", "did not end within 2 s"),
    "another answer": ("print('well')", "no message"),
    "a loud answer": ("raise ValueError('it is bad')", "ValueError: it is bad"),
}


@pytest.mark.parametrize(("script", "says"), DEATHS.values(), ids=DEATHS)
def test_whatever_the_library_does_is_one_line(
    script: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that dies is not ours."""
    (tmp_path / "script.py").write_text(script)
    monkeypatch.setattr(tokenizer_trial_worker, "__file__", str(tmp_path / "script.py"))
    monkeypatch.setattr(opening, "TRIAL_SECONDS", 2 if "while" in script else 60)
    with refused(ModelError, f"t.json: .*{says}"):
        open_tokenizer(_file(BPE), "t.json")


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the library finds room in sixteen megabytes."""
    monkeypatch.setattr(opening, "TRIAL_BYTES", 2**24)
    with refused(ModelError, "t.json: .*"):
        open_tokenizer(_file(BPE), "t.json")
