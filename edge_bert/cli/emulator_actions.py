"""The actions of `invoke emulator ACTION`, and their output."""

from __future__ import annotations

from edge_bert.errors import InputError
from edge_bert.installation import task_command
from edge_bert.pipeline.devices import emulator
from edge_bert.progress import Progress

ACTIONS = ("setup", "start", "stop", "status")


def run_emulator_action(
    action: str,
    profile: str | None,
    port: int,
    progress: Progress,
    personality: str | None = None,
) -> tuple[object, list[str]]:
    """Run `action`; return its result for programs, and lines for people."""
    if action == "setup":
        emulator.set_up_emulator(progress)
        command = task_command("emulator start --profile pixel")
        return {"ready": True}, [f"The emulator is ready: {command}"]
    if action == "start":
        if profile is None:
            raise InputError(f"--profile is missing: see `{task_command('profiles')}`.")
        phone = emulator.start_emulator(profile, port, progress, personality)
        return phone, [
            f"An emulated {phone.profile} answers adb as {phone.serial}.",
            f"Stop it with: {task_command(f'emulator stop --profile {phone.profile}')}",
        ]
    if action == "stop":
        stopped = emulator.stop_emulators(profile, progress)
        return {"stopped": stopped}, [f"Stopped: {', '.join(stopped) or 'none ran'}"]
    if action == "status":
        status = emulator.read_emulator_status()
        lines = [f"missing  {tool}" for tool in status.missing]
        lines += [f"running  {phone.profile} at {phone.serial}" for phone in status.phones]
        return status, lines or ["Nothing is missing; no emulated phone runs."]
    raise InputError(f"{action!r} is not one of {', '.join(ACTIONS)}.")
