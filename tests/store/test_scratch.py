"""Scratch folders and files: gone with their process, and swept after one that was killed."""

from __future__ import annotations

import contextlib
import errno
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from edge_bert.errors import BusyError, InputError, VerificationError
from edge_bert.store.cache import cache_folder
from edge_bert.store.content_store import fetch_bytes, key_of, write_atomic
from edge_bert.store.in_use import leave_folders, share_folder, take_folders
from edge_bert.store.leftovers import sweep_leftovers, sweep_once
from edge_bert.store.locks import hold_lock
from edge_bert.store.scratch import make_scratch, remove_scratch, scratch_folder
from tests.full_disk import mounted_disk

# What a process was at when it was killed: it says so, and waits for the kill.
AT_WORK = """
import sys, time
from pathlib import Path
from edge_bert.store.content_store import open_held_file
from edge_bert.store.locks import hold_lock
from edge_bert.store.scratch import make_scratch
folder = Path(sys.argv[1])
make_scratch("tests", folder)
open_held_file(folder)
with hold_lock(folder / f".{'a' * 64}.lock", ""):
    print("at work", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def worker(tmp_path: Path):  # type: ignore[no-untyped-def]
    """A process that holds one of each in `tmp_path`."""
    command = [sys.executable, "-c", AT_WORK, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    yield process
    process.kill()
    process.communicate()


def test_what_a_live_process_holds_stays(tmp_path: Path, worker: subprocess.Popen[str]) -> None:
    """Three things while it lives, none once it was killed; what is not ours stays either way."""
    (tmp_path / "edge-bert-scratch-of-mine").mkdir()
    (tmp_path / "notes.lock").write_text("mine")
    (tmp_path / f".{'b' * 64}.lock").symlink_to(tmp_path / "notes.lock")
    theirs = {path.name for path in tmp_path.iterdir()}
    assert len(theirs) == 6
    sweep_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == theirs
    worker.kill()
    worker.wait()
    sweep_leftovers(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"edge-bert-scratch-of-mine", "notes.lock", f".{'b' * 64}.lock"}


def test_the_next_run_sweeps(
    tmp_path: Path, worker: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the cache and in the folder for temporary files, the first time that it works there."""
    worker.kill()
    worker.wait()
    sweep_once.cache_clear()
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path.parent))
    assert list(cache_folder(tmp_path.name).iterdir()) == []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with scratch_folder("mine") as scratch:
        assert [scratch] == list(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []


def test_files_and_locks_leave_nothing(tmp_path: Path) -> None:
    """Neither an entry nor a file leaves its lock or a half-written file."""
    write_atomic(tmp_path / "file", b"data")
    fetch_bytes(tmp_path, key_of("a"), lambda: b"entry")
    assert {path.name for path in tmp_path.iterdir()} == {"file", key_of("a")}


def test_a_full_temporary_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is TMPDIR's disk, and not that of whatever the command writes."""
    with mounted_disk(tmp_path, "64k") as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        fault = pytest.raises(InputError, match=f"disk of {disk} is full.*TMPDIR")
        with fault, scratch_folder() as scratch:
            (scratch / "big").write_bytes(bytes(10**6))
        assert list(disk.iterdir()) == []


@pytest.mark.parametrize("said", ["UNKNOWN: x; No space left on device", "File too large"])
def test_what_a_library_says_of_a_full_disk(said: str, tmp_path: Path) -> None:
    """TensorFlow has errors of its own; what else a library says stays as it is."""
    with pytest.raises(InputError, match=r"is full|ulimit"), scratch_folder(folder=tmp_path):
        raise RuntimeError(said)
    with pytest.raises(RuntimeError, match="else"), scratch_folder(folder=tmp_path):
        raise RuntimeError("something else")


def test_a_program_that_could_not_write(tmp_path: Path) -> None:
    """It ends without an answer, and the disk is full: the disk is told."""
    with mounted_disk(tmp_path, "64k") as disk:
        fault = pytest.raises(InputError, match=f"The disk of {disk} is full")
        with fault, scratch_folder(folder=disk) as scratch:
            with contextlib.suppress(OSError):
                (scratch / "big").write_bytes(bytes(10**6))
            raise VerificationError("the process ended without an answer (status 1).")


def test_no_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that names TMPDIR."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(InputError, match="point TMPDIR to a folder"):
        make_scratch()


def test_other_faults_pass(tmp_path: Path) -> None:
    """A full disk elsewhere is not blamed on the scratch folder."""
    with pytest.raises(OSError, match="elsewhere"), scratch_folder(folder=tmp_path):
        raise OSError(errno.ENOSPC, "full", str(tmp_path.parent / "elsewhere"))
    with pytest.raises(InputError, match="ulimit -f"), scratch_folder(folder=tmp_path):
        raise OSError(errno.EFBIG, "File too large")


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder"])
def test_a_lock_that_is_no_file(kind: str, tmp_path: Path) -> None:
    """One line; what the link leads to is as it was."""
    lock, target = tmp_path / "lock", tmp_path / "target"
    if kind == "folder":
        lock.mkdir()
    else:
        lock.symlink_to(target)
    if kind == "link":
        target.write_text("mine")
    with pytest.raises(InputError, match="should be a lock"), hold_lock(lock, ""):
        pass
    assert not target.exists() or target.read_text() == "mine"


def test_one_alone_or_many(tmp_path: Path, worker: subprocess.Popen[str]) -> None:
    """A folder that a process works in is not taken; whoever does is named."""
    program = (
        "import sys, time; from pathlib import Path\n"
        "from edge_bert.store.in_use import share_folder\n"
        "share_folder(Path(sys.argv[1])); print('in', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    share_folder(tmp_path)  # many share it
    leave_folders()
    named = rf"is in use by `.* -c import sys.*` \(process {process.pid}\); wait"
    with pytest.raises(BusyError, match=named), take_folders([tmp_path]):
        pass
    process.kill()
    process.communicate()
    with take_folders([tmp_path, tmp_path / "gone"]):
        pass
    remove_scratch(make_scratch("tests", tmp_path))
    assert worker.poll() is None
