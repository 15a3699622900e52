"""The edge between errors and a terminal."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import msgspec
import pytest

from edge_bert import errors
from edge_bert.bundle import atomic_folder
from edge_bert.cli.console import INTERRUPTED, error_boundary, print_json, print_lines

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.EdgeBertError)
]
Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_is_one_line_and_an_exit_code(
    kind: type[errors.EdgeBertError], capsys: Captured
) -> None:
    """On standard error, whatever line breaks the message had; nothing on standard output."""
    with pytest.raises(SystemExit) as stopped, error_boundary():
        raise kind("first line\n  second\tline")
    assert stopped.value.code == kind.exit_code != 0
    out, err = capsys.readouterr()
    assert err == "error: first line second line\n"
    assert out == ""


@pytest.mark.parametrize(
    "message",
    ["\x1b[2J", "\x9b31m", "a\rb", "a\bb", "\u202egpj", "\x7f\x00", "caf\udce9"],
    ids=ascii,
)
def test_an_error_is_printable(message: str, capsys: Captured) -> None:
    """Whatever adb, a device, a manifest or a file's name had in it; as JSON it is the same."""
    with pytest.raises(SystemExit), error_boundary(json=True):
        raise errors.DeviceError(f"adb said {message} and ended.")
    out, err = capsys.readouterr()
    assert err.startswith("error: adb said ")
    assert err.count("\n") == 1
    assert err.removesuffix("\n").isprintable()
    assert out.replace("\n", "").isprintable()
    assert json.loads(out)["error"] == err.removeprefix("error: ").removesuffix("\n")


def test_an_error_is_bounded(capsys: Captured) -> None:
    """A device may say megabytes."""
    with pytest.raises(SystemExit), error_boundary():
        raise errors.DeviceError("x" * 10**6)
    assert len(capsys.readouterr().err) < 2100


def test_results_are_printable(capsys: Captured) -> None:
    """JSON keeps every letter, escaped where a terminal should not get it; lines are plain."""
    value = {"name": "a\x9b31m\u202e\x7f \U000e0041 ü日本"}
    print_json(value)
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert "ü日本" in out
    assert json.loads(out) == value
    print_lines(["one\nerror: \x1b[2Jtwo"])
    assert capsys.readouterr().out == "one error: \N{REPLACEMENT CHARACTER}[2Jtwo\n"


def test_what_libraries_say_is_printable(capsys: Captured) -> None:
    """Warnings and log lines with a model's names in them."""
    with error_boundary():
        warnings.warn("\x1b[2Jnew", UserWarning, stacklevel=1)
        logging.getLogger("a.library").handlers.clear()
        assert logging.lastResort is not None
        record = logging.LogRecord("a", logging.ERROR, "", 1, "\x1b[2Jlog", None, None)
        logging.lastResort.handle(record)
    err = capsys.readouterr().err
    assert err.replace("\n", "").isprintable()
    assert "new" in err
    assert "log" in err


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300), "shorter"),
        (PermissionError(errno.EACCES, "Permission denied", "model/config.json"), "its mode"),
        (OSError(errno.ENOSPC, "No space left on device", "out/x"), "The disk of out/x is full"),
        (OSError(errno.ENOSPC, "No space left on device"), "TMPDIR"),
        (OSError(errno.EFBIG, "File too large"), "ulimit -f"),
        (OSError("odd"), "odd"),
        (MemoryError(), "memory"),
        (RecursionError("maximum"), "nested"),
        (UnicodeEncodeError("utf-8", "caf\udce9", 3, 4, "surrogates not allowed"), "UTF-8"),
    ],
    ids=repr,
)
def test_faults_of_the_machine_are_one_line(fault: Exception, words: str, capsys: Captured) -> None:
    """A disk, a name, a limit of the shell: no traceback, and what to do."""
    with pytest.raises(SystemExit) as stopped, error_boundary():
        raise fault
    assert stopped.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err


def test_errors_as_json(capsys: Captured) -> None:
    """With --json, standard output has the error too, for programs."""
    with pytest.raises(SystemExit), error_boundary(json=True):
        raise errors.DataError('a "quoted" ü')
    out, err = capsys.readouterr()
    assert json.loads(out) == {"error": 'a "quoted" ü', "exit_code": 2}
    assert err.count("\n") == 1


def test_families_of_errors_have_codes_of_their_own() -> None:
    """Input 2, a missing tool 3, a proof 4, a target 5, a busy folder 6, as the README says."""
    codes = {kind.__name__: kind.exit_code for kind in KINDS}
    assert codes["InputError"] == codes["ModelError"] == codes["DataError"] == 2
    assert codes["MissingToolError"] == 3
    assert codes["VerificationError"] == codes["RefusedError"] == 4
    assert codes["DeviceError"] == 5
    assert codes["BusyError"] == 6


def test_an_interruption(capsys: Captured) -> None:
    """Ctrl-C is 130, as shells have it, and no traceback."""
    with pytest.raises(SystemExit) as stopped, error_boundary():
        raise KeyboardInterrupt
    assert stopped.value.code == INTERRUPTED == 130
    assert capsys.readouterr().err.startswith("error: stopped")


def test_an_interruption_that_a_library_swallows(capsys: Captured) -> None:
    """TensorFlow may turn Ctrl-C into an error of its own; it stays an interruption."""
    before = signal.getsignal(signal.SIGINT)

    def convert() -> None:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise ValueError("The name 'unknown_25:0' looks like a tensor name")

    with pytest.raises(SystemExit) as stopped, error_boundary():
        convert()
    assert stopped.value.code == INTERRUPTED
    assert capsys.readouterr().err.startswith("error: stopped")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_request_to_end(capsys: Captured) -> None:
    """SIGTERM is 143, as shells have it, with a line of its own kind; the handler goes again."""
    before = signal.getsignal(signal.SIGTERM)
    for sentence, raised in (
        ("error: stopped; what was there", lambda: signal.raise_signal(signal.SIGTERM)),
        ("error: stopped after step 3", lambda: stop("stopped after step 3", signal.SIGTERM)),
    ):
        with pytest.raises(SystemExit) as stopped, error_boundary():
            raised()
        assert stopped.value.code == 143
        assert capsys.readouterr().err.startswith(sentence)
        assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows hangs nothing up")
def test_a_hang_up(capsys: Captured) -> None:
    """A terminal that goes away is 129; under `nohup` it is not heeded."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under it
    with pytest.raises(SystemExit) as stopped, error_boundary():
        signal.raise_signal(signal.SIGHUP)
    assert stopped.value.code == 129
    assert capsys.readouterr().err.startswith("error: stopped; what was there before")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with error_boundary():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_signal_does_not_cut_the_end_short(capsys: Captured) -> None:
    """A shell that goes away hangs up twice; what is cleared up for the first is cleared up."""
    cleared = []

    def clear_up() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            cleared.append(True)

    with pytest.raises(SystemExit) as stopped, error_boundary():
        clear_up()
    assert stopped.value.code == 143
    assert cleared
    assert capsys.readouterr().err.count("\n") == 1


def test_a_signal_after_something_was_written(tmp_path: Path, capsys: Captured) -> None:
    """Whatever has taken its place is told: it is not as it was."""

    def build() -> None:
        with atomic_folder.replace_folder(tmp_path / "pixel") as scratch:
            (scratch / "manifest.json").write_text("new")
        signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit) as stopped, error_boundary():
        build()
    assert stopped.value.code == 143
    line = f"error: stopped; {tmp_path / 'pixel'} is new and whole, all else is as it was\n"
    assert capsys.readouterr().err == line
    with pytest.raises(SystemExit), error_boundary():
        signal.raise_signal(signal.SIGTERM)
    assert "what was there before is as it was" in capsys.readouterr().err


def test_a_signal_in_the_middle_of_an_exchange(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits until the new folder stands, and is told then."""
    exchange = atomic_folder._exchange

    def interrupted(new: Path, folder: Path) -> None:
        signal.raise_signal(signal.SIGTERM)
        exchange(new, folder)

    monkeypatch.setattr(atomic_folder, "_exchange", interrupted)
    with (
        pytest.raises(SystemExit) as stopped,
        error_boundary(),
        atomic_folder.replace_folder(tmp_path / "pixel") as scratch,
    ):
        (scratch / "manifest.json").write_text("new")
    assert stopped.value.code == 143
    assert (tmp_path / "pixel/manifest.json").read_text() == "new"
    assert "is new and whole" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["pixel"]


def test_a_signal_that_falls_into_a_destructor(capsys: Captured) -> None:
    """Python drops what a destructor raises; the request is made once more."""

    class Closing:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    def work() -> None:
        closing = Closing()
        del closing
        for _ in range(1000):
            time.sleep(0.001)

    with pytest.raises(SystemExit) as stopped, error_boundary():
        work()
    assert stopped.value.code == 143
    assert capsys.readouterr().err.count("\n") == 1


def stop(message: str, number: int) -> None:
    """Raise as training does after its snapshot."""
    raise errors.StopRequest(message, number)


def test_other_threads_have_no_signals() -> None:
    """`plainly` works there too."""
    codes: list[object] = []

    def fail() -> None:
        try:
            with error_boundary():
                raise errors.InputError("wrong")
        except SystemExit as stopped:
            codes.append(stopped.code)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert codes == [2]


def test_a_fault_of_ours_is_not_hidden() -> None:
    """What nobody foresaw keeps its traceback."""
    with pytest.raises(ZeroDivisionError), error_boundary():
        raise ZeroDivisionError


def test_a_block_that_ends_well() -> None:
    """Nothing is printed and nothing is stopped; an exit code of the block's own is kept."""
    with error_boundary():
        ended = True
    assert ended
    with pytest.raises(SystemExit) as stopped, error_boundary():
        raise SystemExit(4)
    assert stopped.value.code == 4


def test_a_reader_that_went_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`invoke profiles | head -1` is no error."""
    with (tmp_path / "stderr").open("w") as file:
        monkeypatch.setattr(sys, "stderr", file)
        with pytest.raises(SystemExit) as stopped, error_boundary():
            raise BrokenPipeError
    assert stopped.value.code == 0


class Sample(msgspec.Struct):
    """A record with what JSON has no form for."""

    path: tuple[str, ...]
    word: str


def test_json_is_indented_and_whole(capsys: Captured) -> None:
    """Records, dictionaries and lists; other scripts stay as they are."""
    print_json({"a": Sample(("x", "y"), "日本"), "b": [1, None]})
    out = capsys.readouterr().out
    assert json.loads(out) == {"a": {"path": ["x", "y"], "word": "日本"}, "b": [1, None]}
    assert "日本" in out
    assert out.count("\n") > 3
    assert out.endswith("\n")
