"""Commands on a device whose failure is an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge_bert.devices.board_facts import RunsCommands
from edge_bert.errors import DeviceError

TIMEOUT_S = 30.0
Shell = Callable[[Sequence[str]], str]


def make_shell(device: RunsCommands) -> Shell:
    """A function that runs a command and gives its output; DeviceError where it fails."""

    def run(argv: Sequence[str]) -> str:
        completed = device.run(argv, TIMEOUT_S)
        if completed.exit_code != 0:
            raise DeviceError(f"{argv[0]} failed: {completed.stderr.strip()[-200:]}")
        return completed.stdout

    return run
