"""Push the runner to a device and run it there; `measure.runner_output` reads its output."""

from __future__ import annotations

from dataclasses import dataclass

from edge_bert.devices.device import CompletedCommand, Device
from edge_bert.devices.runner.runner_files import (
    LIBRARY,
    RUNNER,
    RunnerFiles,
    choose_runner_files,
)
from edge_bert.devices.runner.static_bundle import START


@dataclass(frozen=True)
class RunnerRequest:
    """One run of the runner; paths are the device's.

    `repetitions` and `duration_ms` exclude each other. `cores` is a list like `4-7`; with
    `preferred_cores` instead the run goes on where they are refused. An inference begins each
    `every_ms`, or at once; the warm-up lasts until the clock stands, `settle_ms` at most.
    With `exits`, which names stages and a rule, no `signature` runs again and again, but the texts
    of `inputs` one after the other.
    """

    model: str
    signature: str | None
    threads: int = 1
    warmup: int = 3
    repetitions: int | None = None
    duration_ms: int | None = None
    inputs: str | None = None
    outputs: str | None = None
    cores: str | None = None
    profile: bool = False
    cold: bool = False
    preferred_cores: str | None = None
    every_ms: int | None = None
    settle_ms: int | None = None
    background: bool = False
    exits: str | None = None

    def arguments(self) -> list[str]:
        """The options of the command line."""
        options = {
            "--model": self.model,
            "--signature": self.signature,
            "--threads": self.threads,
            "--warmup": self.warmup,
            "--repetitions": self.repetitions,
            "--duration-ms": self.duration_ms,
            "--inputs": self.inputs,
            "--outputs": self.outputs,
            "--cores": self.cores,
            "--prefer-cores": self.preferred_cores,
            "--every-ms": self.every_ms,
            "--settle-ms": self.settle_ms,
            "--exits": self.exits,
        }
        switches = {"--profile": self.profile, "--cold": self.cold, "--background": self.background}
        flags = [name for name, wanted in switches.items() if wanted]
        named = [[name, str(value)] for name, value in options.items() if value is not None]
        return [argument for pair in named for argument in pair] + flags


def install_runner(device: Device, abi: str, *, own_c_library: bool) -> list[str]:
    """Push our runner and LiteRT; the first words of a command line that runs it there.

    With `own_c_library` the loader and C library are pushed too, as phones need.
    """
    return push_runner(device, choose_runner_files(abi, own_c_library=own_c_library))


def push_runner(device: Device, chosen: RunnerFiles) -> list[str]:
    """Push the chosen files; the first words of a command line that runs the runner there."""
    pushed = {name: device.push(path, name) for name, path in chosen.files.items()}
    if chosen.own_loader:
        return ["sh", pushed[START]]
    return [pushed[RUNNER], "--library", pushed[LIBRARY]]


def start_runner(
    device: Device, command: list[str], request: RunnerRequest, timeout_s: float
) -> CompletedCommand:
    """Run it to its end. A failure of the runner is in its output, not an exception."""
    return device.run([*command, *request.arguments()], timeout_s)
