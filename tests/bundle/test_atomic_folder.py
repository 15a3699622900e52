"""A bundle is replaced as a whole, whatever happens on the way."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from edge_bert.bundle import atomic_folder as folders
from edge_bert.bundle.atomic_folder import BUNDLE, check_folder, replace_folder
from edge_bert.errors import BusyError, EdgeBertError, InputError
from edge_bert.store.in_use import leave_folders, take_folders
from tests.full_disk import mounted_disk

ROOT = Path(__file__).resolve().parents[2]


def write_bundle(folder: Path, text: str) -> None:
    """A stand-in for a build: a manifest and a model."""
    with replace_folder(folder) as scratch:
        (scratch / "manifest.json").write_text(text)
        (scratch / "model.tflite").write_bytes(text.encode() * 1000)


def content(folder: Path) -> str:
    """The text that the bundle was written with; fails if it is not whole."""
    text = (folder / "manifest.json").read_text()
    assert (folder / "model.tflite").read_bytes() == text.encode() * 1000
    return text


def beside(folder: Path) -> list[str]:
    """What lies beside `folder`, but for its lock."""
    names = {path.name for path in folder.parent.iterdir()}
    return sorted(names - {folder.name, f".{folder.name}.lock"})


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """An old bundle, in a folder of its own."""
    path = tmp_path / "build" / "pixel"
    write_bundle(path, "old")
    return path


def test_new_and_again(bundle: Path) -> None:
    """The first build makes the folders that lead to it; the next leaves nothing of the old."""
    assert content(bundle) == "old"
    (bundle / "left-over.txt").touch()
    write_bundle(bundle, "new")
    assert content(bundle) == "new"
    assert sorted(path.name for path in bundle.iterdir()) == ["manifest.json", "model.tflite"]
    assert beside(bundle) == []
    assert bundle.stat().st_mode & 0o777 == 0o755


def test_measurements_are_kept(bundle: Path) -> None:
    """They cost time on a phone; a build of the same profile does not throw them away."""
    (bundle / "measurements" / "deep").mkdir(parents=True)
    (bundle / "measurements" / "deep" / "phone.json").write_text("{}")
    write_bundle(bundle, "new")
    write_bundle(bundle, "newer")
    assert (bundle / "measurements" / "deep" / "phone.json").read_text() == "{}"


def test_measurements_of_the_build_itself_join_them(bundle: Path) -> None:
    """What the block wrote stays beside what was there."""
    (bundle / "measurements").mkdir()
    (bundle / "measurements" / "old.json").write_text("{}")
    with replace_folder(bundle) as scratch:
        (scratch / "manifest.json").touch()
        (scratch / "measurements").mkdir()
        (scratch / "measurements" / "new.json").write_text("[]")
    found = {path.name: path.read_text() for path in (bundle / "measurements").iterdir()}
    assert found == {"old.json": "{}", "new.json": "[]"}


def test_a_fault_leaves_the_old_bundle(bundle: Path) -> None:
    """Any exception in the middle: the old files, nothing beside them."""
    with pytest.raises(TypeError), replace_folder(bundle) as scratch:
        (scratch / "manifest.json").write_text(None)  # type: ignore[arg-type]
    assert content(bundle) == "old"
    assert beside(bundle) == []


def test_a_reader_never_finds_a_gap(bundle: Path) -> None:
    """While a bundle is replaced 100 times, a reader always finds a whole one."""
    script = f"""
        import sys; sys.path.insert(0, {str(ROOT)!r})
        from pathlib import Path
        from tests.bundle.test_atomic_folder import write_bundle
        for number in range(100):
            write_bundle(Path({str(bundle)!r}), f"number {{number}}")
    """
    writer = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)])
    contents = set()
    while writer.poll() is None:
        handle = os.open(bundle, os.O_RDONLY | os.O_DIRECTORY)
        try:
            file = os.open("manifest.json", os.O_RDONLY, dir_fd=handle)
        except FileNotFoundError:
            # The folder that we hold was replaced and is being removed; its name holds another.
            assert os.fstat(handle).st_ino != bundle.stat().st_ino
        else:
            contents.add(os.read(file, 100))
            os.close(file)
        os.close(handle)
    assert writer.returncode == 0
    assert len(contents) > 5


@pytest.mark.parametrize("moment", ["in the block", "before the exchange"])
def test_killed_in_the_middle(bundle: Path, moment: str) -> None:
    """SIGKILL at two moments: the old bundle is whole, the next build sweeps and stands."""
    hook = "folders._exchange = lambda *_: hang()" if moment == "before the exchange" else ""
    script = f"""
        import sys, time; sys.path.insert(0, {str(ROOT)!r})
        from pathlib import Path
        from edge_bert.bundle import atomic_folder as folders
        def hang():
            print("ready", flush=True)
            time.sleep(60)
        {hook}
        with folders.replace_folder(Path({str(bundle)!r})) as scratch:
            (scratch / "manifest.json").write_text("new")
            {"pass" if hook else "hang()"}
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    with pytest.raises(BusyError, match="Another build is writing"), replace_folder(bundle):
        pass
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert content(bundle) == "old"
    assert len(beside(bundle)) == 1
    write_bundle(bundle, "newer")
    assert content(bundle) == "newer"
    assert beside(bundle) == []


def hold(bundle: Path, held: object, seconds: float) -> None:
    """Hold the lock of `bundle` for a while."""
    with replace_folder(bundle) as scratch:
        (scratch / "manifest.json").write_text("first")
        (scratch / "model.tflite").write_bytes(b"first" * 1000)
        held.set()  # type: ignore[attr-defined]
        time.sleep(seconds)


def test_two_at_once(bundle: Path) -> None:
    """The second is refused at once, or waits as long as it was told to."""
    spawn = multiprocessing.get_context("spawn")
    held = spawn.Event()
    first = spawn.Process(target=hold, args=(bundle, held, 1.5))
    first.start()
    assert held.wait(30)
    with pytest.raises(BusyError, match="wait for it or stop it"), replace_folder(bundle):
        pass
    with replace_folder(bundle, wait_s=30) as scratch:
        assert content(bundle) == "first"
        (scratch / "manifest.json").write_text("second")
        (scratch / "model.tflite").write_bytes(b"second" * 1000)
    first.join()
    assert content(bundle) == "second"


@pytest.fixture
def without_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """A C library without renameat2, such as musl's."""
    monkeypatch.setattr(ctypes, "CDLL", lambda *_args, **_options: object())


@pytest.mark.usefixtures("without_exchange")
def test_without_exchange(bundle: Path) -> None:
    """Two renames do as well."""
    write_bundle(bundle, "new")
    assert content(bundle) == "new"
    assert beside(bundle) == []


def test_an_exchange_that_the_file_system_refuses(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EINVAL from renameat2 means two renames too."""

    class Refusing:
        def renameat2(self, *_names: object) -> int:
            return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda *_args, **_options: Refusing())
    write_bundle(bundle, "new")
    assert content(bundle) == "new"
    assert beside(bundle) == []


@pytest.mark.usefixtures("without_exchange")
def test_killed_between_two_renames(bundle: Path) -> None:
    """The old bundle waits under another name; the next build brings it back, even if it fails."""
    shutil.copytree(bundle, bundle.parent / ".pixel.new-left")
    bundle.rename(bundle.parent / ".pixel.old")
    with pytest.raises(ZeroDivisionError), replace_folder(bundle):
        raise ZeroDivisionError
    assert content(bundle) == "old"
    assert beside(bundle) == []


@pytest.mark.usefixtures("without_exchange")
def test_a_second_rename_that_fails(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old bundle gets its name back."""
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if ".new-" in self.name:
            raise PermissionError(13, "Permission denied", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(InputError, match="cannot be written"):
        write_bundle(bundle, "new")
    assert content(bundle) == "old"


def test_what_is_no_bundle_is_not_replaced(tmp_path: Path) -> None:
    """Somebody's own folder or file with the name of a profile stays; an empty one does not."""
    own = tmp_path / "pixel"
    own.mkdir()
    (own / "thesis.txt").write_text("years of work")
    (tmp_path / "notes").write_text("mine")
    for path in (own, tmp_path / "notes"):
        with pytest.raises(InputError, match="holds no bundle"):
            write_bundle(path, "new")
    assert (own / "thesis.txt").read_text() == "years of work"
    assert (tmp_path / "notes").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    write_bundle(tmp_path / "empty", "new")
    assert content(tmp_path / "empty") == "new"


def test_a_link_to_a_bundle_stays_a_link(bundle: Path, tmp_path: Path) -> None:
    """The bundle behind it is replaced."""
    link = tmp_path / "link"
    link.symlink_to(bundle)
    write_bundle(link, "new")
    assert link.is_symlink()
    assert content(bundle) == "new"


def test_a_file_where_a_folder_must_be(tmp_path: Path) -> None:
    """`--out` that is a file, or leads through one."""
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be written .*choose another --out"):
        write_bundle(tmp_path / "file" / "pixel", "new")


def test_a_name_too_long(tmp_path: Path) -> None:
    """One line, not a traceback."""
    with pytest.raises(InputError, match="cannot be written"):
        write_bundle(tmp_path / ("n" * 300), "new")


def test_faults_of_other_files_keep_their_name(bundle: Path, tmp_path: Path) -> None:
    """A user's file that cannot be read is not blamed on the output."""
    with pytest.raises(PermissionError), replace_folder(bundle):
        raise PermissionError(13, "Permission denied", "/elsewhere/calibration.txt")
    assert tmp_path.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of one megabyte."""
    mount_point = tmp_path / "disk"
    mount_point.mkdir()
    with mounted_disk(mount_point, "1m") as disk:
        yield disk


def test_a_full_disk(small_disk: Path) -> None:
    """One line; the old bundle is whole, and the space is free again."""
    bundle = small_disk / "pixel"
    write_bundle(bundle, "old")
    with (
        pytest.raises(InputError, match=r"is full; the bundle there is as it was"),
        replace_folder(bundle) as scratch,
    ):
        (scratch / "model.tflite").write_bytes(bytes(2_000_000))
    assert content(bundle) == "old"
    assert beside(bundle) == []
    write_bundle(bundle, "new")
    assert content(bundle) == "new"


def test_a_folder_is_tried_before_the_work(small_disk: Path, tmp_path: Path) -> None:
    """What could not be written in the end is told at once, and what could is as it was."""
    check_folder(tmp_path / "deep" / "er" / "pixel", BUNDLE)
    write_bundle(small_disk / "pixel", "old")
    check_folder(small_disk / "pixel", BUNDLE)
    assert [path.name for path in small_disk.iterdir() if path.suffix != ".lock"] == ["pixel"]
    (tmp_path / "thesis").write_text("mine")
    for folder in (tmp_path / "thesis", tmp_path / "thesis" / "deep" / "pixel"):
        with pytest.raises(InputError, match=r"holds no bundle|cannot be written"):
            check_folder(folder, BUNDLE)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(InputError, match=r"cannot be written .Read-only file system"):
        check_folder(small_disk / "new" / "pixel", BUNDLE)
    assert {path.name for path in tmp_path.iterdir()} == {"disk", "thesis"}


def test_an_unwritable_folder(tmp_path: Path) -> None:
    """As a user without the right to write: one line that names the folder."""
    mount_point = tmp_path / "readonly"
    mount_point.mkdir()
    mount_point.chmod(0o555)
    if os.geteuid() != 0:
        with pytest.raises(InputError, match="cannot be written"):
            write_bundle(mount_point / "pixel", "new")
        return
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)  # pytest makes them for root alone
    child = multiprocessing.get_context("fork").Process(
        target=as_nobody, args=(mount_point / "pixel",)
    )
    child.start()
    child.join()
    assert child.exitcode == InputError.exit_code


def as_nobody(bundle: Path) -> None:
    """Exit as the command line would, as a user without rights."""
    os.setgid(65534)
    os.setuid(65534)
    try:
        write_bundle(bundle, "new")
    except EdgeBertError as error:
        os._exit(error.exit_code if "cannot be written" in str(error) else 99)
    os._exit(0)


def test_the_files_reach_the_disk_before_the_name(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file is flushed, and only then is the folder renamed."""
    order: list[str] = []
    exchange, fsync = folders._exchange, os.fsync
    monkeypatch.setattr(
        folders, "_exchange", lambda *names: (order.append("rename"), exchange(*names))
    )
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("flush"), fsync(handle)))
    write_bundle(bundle, "new")
    assert order == ["flush", "flush", "rename"]


@pytest.mark.parametrize("at_once", [True, False])
def test_what_is_saved_until_the_exchange_is_kept(
    at_once: bool, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A measurement that ends after the old files were copied is not lost."""
    if not at_once:
        monkeypatch.setattr(folders, "exchange_folders", lambda *_: False)
    flush = folders._flush

    def save_late(scratch: Path) -> None:
        flush(scratch)
        (bundle / "measurements").mkdir()
        (bundle / "measurements" / "late.json").write_text("{}")

    monkeypatch.setattr(folders, "_flush", save_late)
    write_bundle(bundle, "new")
    assert content(bundle) == "new"
    assert (bundle / "measurements" / "late.json").read_text() == "{}"
    assert beside(bundle) == []


def test_leftovers_of_another_build_go_too(tmp_path: Path) -> None:
    """Of one that was killed; what a live build writes stays, and so does what is no one's."""
    killed, live, mine = (tmp_path / f".{name}.new-abcd1234" for name in ("a", "b", "c"))
    for folder in (killed, live, mine):
        folder.mkdir()
    (tmp_path / ".a.lock").touch()
    with FileLock(tmp_path / ".b.lock"):
        write_bundle(tmp_path / "pixel", "new")
        assert {path.name for path in tmp_path.iterdir()} == {
            *("pixel", live.name, ".b.lock", mine.name)
        }


def test_a_build_under_way_is_in_use(tmp_path: Path) -> None:
    """`clean` does not take the folder that it writes into."""
    with (
        replace_folder(tmp_path / "pixel"),
        pytest.raises(BusyError, match=rf"is in use by .*{os.getpid()}"),
        take_folders([tmp_path]),
    ):
        pass
    leave_folders()
    with take_folders([tmp_path]):
        pass
