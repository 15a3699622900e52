"""What `invoke emulator ACTION` does, and what it says."""

from __future__ import annotations

from edge_bert.errors import InputError
from edge_bert.pipeline.devices import emulator
from edge_bert.progress import Progress

ACTIONS = ("setup", "start", "stop", "status")
HELP = """\
Usage: invoke emulator ACTION [--profile PROFILE] [--port PORT] [--json]

Set up, start, stop or show emulated phones.

  setup    get what the emulator needs: as root through apt, else say what to install
  start    run a phone of --profile that answers adb on 127.0.0.1 (needs root)
  stop     stop the phone of --profile, or every phone
  status   what is missing on this machine, and which phones run

Example: invoke emulator start --profile pixel; invoke push --profile pixel"""


def run_emulator_action(
    action: str, profile: str | None, port: int, progress: Progress
) -> tuple[object, list[str]]:
    """Do `action`; its result for programs, and lines for people."""
    if action == "setup":
        emulator.set_up_emulator(progress)
        return {"ready": True}, ["The emulator is ready: invoke emulator start --profile pixel"]
    if action == "start":
        if profile is None:
            raise InputError("--profile is missing: which phone? See `invoke profiles`.")
        phone = emulator.start_emulator(profile, port, progress)
        return phone, [
            f"An emulated {phone.profile} answers adb as {phone.serial}.",
            f"Stop it with: invoke emulator stop --profile {phone.profile}",
        ]
    if action == "stop":
        stopped = emulator.stop_emulators(profile, progress)
        return {"stopped": stopped}, [f"Stopped: {', '.join(stopped) or 'none ran'}"]
    if action == "status":
        found = emulator.emulator_status()
        lines = [f"missing  {each}" for each in found.missing]
        lines += [f"running  {each.profile} at {each.serial}" for each in found.phones]
        return found, lines or ["Nothing is missing; no emulated phone runs."]
    raise InputError(f"{action!r} is not one of {', '.join(ACTIONS)}.")
