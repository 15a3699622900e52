"""What the tasks' options have in common: their help, and reading lists from them."""

from __future__ import annotations

from pathlib import Path

PROFILE_HELP = "device profile: a name, see `invoke profiles`, or the path of a .toml file"
JSON_HELP = "machine-readable output on standard output"


def split_csv(text: str | None) -> list[str]:
    """The parts of a comma-separated option."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def parse_ints(option: str, text: str | None, example: str = "1,2,4") -> list[int]:
    """The whole numbers of a comma-separated option; InputError for anything else."""
    from edge_bert.errors import InputError

    try:
        return [int(part) for part in split_csv(text)]
    except ValueError:
        raise InputError(f"--{option} {text}: give whole numbers, such as {example}.") from None


def require_option(option: str, text: str | None) -> str:
    """The value of an option that has no default; InputError without one.

    Such options are not required in the task's own signature, because invoke would then read the
    `--help` of `invoke build --help` as the value.
    """
    from edge_bert.errors import InputError

    if not text:
        raise InputError(
            f"--{option} is missing; `invoke --list` names the tasks, --help explains."
        )
    return text


def bundle_folder(out: str, profile: str | None) -> Path:
    """The folder of the bundle for --profile, a name or the path of a file, in --out."""
    from edge_bert.profiles import bundle_name

    return Path(out) / bundle_name(require_option("profile", profile))
