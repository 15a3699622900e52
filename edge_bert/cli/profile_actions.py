"""The actions of `invoke profile ACTION`, and their output."""

from __future__ import annotations

from pathlib import Path

from edge_bert.errors import InputError
from edge_bert.installation import task_command
from edge_bert.pipeline.devices.new_profile import create_profile
from edge_bert.progress import Progress

ACTIONS = ("new",)


def run_profile_action(
    action: str, name: str | None, serial: str | None, out: Path | None, progress: Progress
) -> tuple[object, list[str]]:
    """Run `action`; return its result for programs, and lines for people."""
    if action not in ACTIONS:
        example = task_command("profile new --name my-phone")
        raise InputError(f"{action!r} is not one of {', '.join(ACTIONS)}: {example}.")
    if not name:
        raise InputError("--name is missing: what shall the profile be called? Such as my-phone.")
    written = create_profile(name, serial=serial, out=out, progress=progress)
    profile = written.profile
    cores = " + ".join(
        f"{cluster.cores} {cluster.core} {cluster.max_mhz} MHz" for cluster in profile.clusters
    )
    return written, [
        f"{profile.title}, {profile.soc}: {cores}",
        f"{written.file} is written. Its budget is that of {written.budget_of}, as a suggestion.",
        f"Use it with --profile {_reference(name, written.file)}.",
    ]


def _reference(name: str, file: str) -> str:
    """The value of `--profile` for the profile: its name where that finds it, else its file."""
    from edge_bert.profiles import profile_names

    return name if name in profile_names() else file
