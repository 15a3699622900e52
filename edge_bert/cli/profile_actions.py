"""What `invoke profile ACTION` does, and what it says."""

from __future__ import annotations

from pathlib import Path

from edge_bert.errors import InputError
from edge_bert.pipeline.devices.new_profile import new_profile
from edge_bert.progress import Progress

ACTIONS = ("new",)
HELP = """\
Usage: invoke profile new --name NAME [--serial SERIAL] [--out FILE] [--json]

Write a device profile. Never overwrites a file.

  new    read the connected device over adb and write NAME.toml

The budget in it is a suggestion; change it to what your app may spend.

Example: invoke profile new --name my-phone"""


def run_profile_action(
    action: str, name: str | None, serial: str | None, out: Path | None, progress: Progress
) -> tuple[object, list[str]]:
    """Do `action`; its result for programs, and lines for people."""
    if action not in ACTIONS:
        raise InputError(
            f"{action!r} is not one of {', '.join(ACTIONS)}: invoke profile new --name my-phone."
        )
    if not name:
        raise InputError("--name is missing: what shall the profile be called? Such as my-phone.")
    found = new_profile(name, serial=serial, out=out, progress=progress)
    cores = " + ".join(
        f"{each.cores} {each.core} {each.max_mhz} MHz" for each in found.profile.clusters
    )
    return found, [
        f"{found.profile.title}, {found.profile.soc}: {cores}",
        f"{found.file} is written. Its budget is that of {found.budget_of}, as a suggestion.",
    ]
