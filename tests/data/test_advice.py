"""What an error advises is tried: whoever does it is done, and is not led in a circle."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import edge_bert
from edge_bert.errors import InputError
from tests.data.advice_cases import FILES, Case, calls

PACKAGE = Path(edge_bert.__file__).parent
ROOMS = (*PACKAGE.glob("data/*.py"), *PACKAGE.glob("evaluate/*.py"))
# Messages whose advice needs another machine, a network or a file of 64 MB.
UNTRIED = (
    "cannot be had", "is not a usable tokenizer",  # its trial in a process of its own is first
    "needs the datasets package", "needs datasets", "is larger than",
    "is no dataset", "has its split after the name", "tokenize in the app", "nothing to compare",
)  # fmt: skip


def refusal(read: Callable[[], Any]) -> str:
    """The message of what must be refused."""
    with pytest.raises(InputError) as caught:
        read()
    return str(caught.value)


@pytest.mark.parametrize("case", FILES, ids=lambda case: f"{case.bad.name}-{case.bad.suffix}")
def test_the_advice_of_a_reader_helps(case: Case, tmp_path: Path) -> None:
    """The file is read once it is what the message asks for."""
    refusal(lambda: case.read(case.bad.written(tmp_path)))
    case.read(case.good.written(tmp_path))


def test_the_advice_of_a_function_helps(tmp_path: Path) -> None:
    """As above, without a file."""
    for call in calls(tmp_path):
        refusal(call.bad)
        call.good()


def advising_messages() -> Iterator[tuple[str, re.Pattern[str]]]:
    """The messages of these rooms that give advice behind a semicolon, and what they look like."""
    for path in ROOMS:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
                continue
            parts = (
                node.exc.args[0].values
                if isinstance(node.exc.args[0], ast.JoinedStr)
                else node.exc.args[:1]
            )
            texts = [part.value if isinstance(part, ast.Constant) else None for part in parts]
            if any(isinstance(text, str) and ";" in text for text in texts):
                pattern = "".join(".*" if text is None else re.escape(text) for text in texts)
                yield "".join(text or "{}" for text in texts), re.compile(pattern, re.S)


def test_every_advice_is_tried(tmp_path: Path) -> None:
    """A new message with advice needs a case above, or a reason among the untried."""
    messages = [
        refusal(lambda case=case: case.read(case.bad.written(tmp_path)))  # type: ignore[misc]
        for case in FILES
    ]
    messages += [refusal(call.bad) for call in calls(tmp_path)]
    templates = list(advising_messages())
    assert len(templates) > 40
    untried = [
        template
        for template, pattern in templates
        if not any(pattern.search(message) for message in messages)
        and not any(reason in template for reason in UNTRIED)
    ]
    assert untried == []
