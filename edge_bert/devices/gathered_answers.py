"""Answers of a device to many commands, read in one call of its shell."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Sequence

from edge_bert.devices.board_facts import RunsCommands
from edge_bert.devices.device import CompletedCommand

ERRORS = ".errors"


class GatheredAnswers:
    """A device that answers these `commands` from one call, and others by a call of their own.

    A call over adb costs some tenth of a second whatever it asks. What a command said on standard
    error is kept beside its output. Raises DeviceError where the device cannot be reached.
    """

    def __init__(
        self, device: RunsCommands, commands: Sequence[Sequence[str]], timeout_s: float
    ) -> None:
        self._device = device
        token = secrets.token_hex(8)
        parts = [_write_part(command, token) for command in commands]
        completed = device.run(["sh", "-c", "; ".join(parts)], timeout_s)
        pairs = zip(commands, _split_answers(completed.stdout, token), strict=False)
        self._answers = {tuple(command): answer for command, answer in pairs}

    def run(self, argv: Sequence[str], timeout_s: float) -> CompletedCommand:
        """The answer to a command."""
        return self._answers.get(tuple(argv)) or self._device.run(argv, timeout_s)


def _write_part(command: Sequence[str], token: str) -> str:
    """Runs a command; its output, errors and status stand between marks."""
    run = f"{shlex.join(command)} 2>{ERRORS} </dev/null"
    return f'{run}; s=$?; echo "{token} e"; cat {ERRORS}; echo "{token} $s"'


def _split_answers(text: str, token: str) -> list[CompletedCommand]:
    """The answers in turn, as far as the device came."""
    pattern = rf"(.*?){token} e\r?\n(.*?){token} (\d{{1,3}})\r?\n"
    return [
        CompletedCommand(output, errors, int(status))
        for output, errors, status in re.findall(pattern, text, re.DOTALL)
    ]
