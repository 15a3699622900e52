"""Foreign text on a terminal: printable, on its own line, and never a style of its author's."""

from __future__ import annotations

import ast
import io
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.table import Table
from rich.text import Text

import edge_bert
from edge_bert.report.terminal.plain_console import PlainConsole
from edge_bert.report.terminal.tables import print_line, print_table

HOSTILE = {
    "clear screen": "\x1b[2Jgone",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;http://evil\x1b\\text",
    "C1": "\x9b31mred \x90q\x9c",
    "carriage return": "error: none\rfine        ",
    "backspace": "wrong\b\b\b\b\bright",
    "line breaks": "one\nerror: two\x0b\x0c\x85\u2028three",
    "override": "abc\u202egpj.exe\u202c",
    "isolate": "\u2066\u2069\u200f\u061c\u200b\ufeff",
    "delete and null": "\x7f\x00",
    "surrogate": "caf\udce9",
    "markup": "[red]loud[/red] [link=http://evil]here[/link] [/]",
    "emoji": ":bomb: :warning:",
}


def printed(terminal: bool, show: object, **options: object) -> str:
    """What `show` leaves on a console."""
    stream = io.StringIO()
    console = PlainConsole(file=stream, force_terminal=terminal, width=300, **options)
    show(console)  # type: ignore[operator]
    return stream.getvalue()


def assert_plain(text: str) -> None:
    """No control character but the line breaks and tabs of ours."""
    left = text.replace("\n", "").replace("\t", "")
    assert left.isprintable(), ascii(text)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("terminal", [True, False])
def test_hostile_text_in_every_renderable(name: str, terminal: bool) -> None:
    """Texts, cells, titles and rich's own texts; with a terminal's colours off."""
    text = HOSTILE[name]
    table = Table(text, title=text)
    table.add_row(text)
    for shown in (text, Text(text), table):
        out = printed(terminal, lambda console, it=shown: console.print(it), color_system=None)
        assert_plain(out)
        if name in ("markup", "emoji"):
            assert text.split()[0] in out
    one = printed(terminal, lambda console: print_line(console, text), color_system=None)
    assert_plain(one)
    assert one.count("\n") == 1
    rows = printed(terminal, lambda it: print_table(it, ["a"], [[text]]), color_system=None)
    assert_plain(rows)
    assert rows.count("\n") == 2


def test_a_console_of_few_letters() -> None:
    """A terminal in ASCII gets question marks, and no traceback."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    console = PlainConsole(file=stream)
    console.print("Grüße \u202e日本")
    print_table(console, ["Maß"], [["µs"]])
    stream.flush()


def test_a_status_line_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The live line of a command shows its message as it is."""
    from edge_bert.cli import progress

    stream = io.StringIO()
    monkeypatch.setattr(
        "edge_bert.report.terminal.plain_console.PlainConsole",
        lambda **_: PlainConsole(file=stream, force_terminal=True, color_system=None),
    )
    with progress.console_progress() as step:
        step("reading [red]\x1b[2Jmodel\r[/] :bomb:")
        time.sleep(0.15)
    assert "[red]\ufffd[2Jmodel [/] :bomb:" in stream.getvalue()
    assert "\x1b[2Jmodel" not in stream.getvalue()


def test_a_training_line_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    """Names of devices and stages come from elsewhere."""
    from edge_bert.cli.training_progress import training_progress

    with training_progress() as report:
        report(SimpleNamespace(stage="teacher [red]\x1b[2J\n", steps=0, step=0))
    err = capsys.readouterr().err
    assert_plain(err)
    assert "[red]" in err


PRINTERS = {"cli/console.py", "cli/program.py", "cli/command.py", "cli/unforeseen.py"}
# One runs on a server and prints figures, the other answers into a pipe of ours.
SCRIPTS = {"serving/measure_engine.py", "formats/huggingface/tokenizer_trial_worker.py"}


def test_nothing_prints_past_the_filter() -> None:
    """No module opens a console of rich or writes to a standard stream on its own."""
    root = Path(edge_bert.__file__).parent
    for path in root.rglob("*.py"):
        name = path.relative_to(root).as_posix()
        if name in {*PRINTERS, *SCRIPTS, "report/terminal/plain_console.py"}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in {
                    "Console",
                    "print",
                    "sys.stdout.write",
                    "sys.stderr.write",
                    "sys.stdout.buffer.write",
                }, f"{name}:{node.lineno}: {called}"
