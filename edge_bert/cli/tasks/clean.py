"""The task that removes what can be made again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from invoke.context import Context

from edge_bert.cli.command import command

BUILD = Path("build")


@command(
    options={
        "Options": {
            "cache": "also remove downloaded models, built files, environments, teachers' outputs "
            "and the snapshots of training runs",
            "checkpoints": "also remove trained models (build/checkpoints)",
        },
    }
)
def clean(_: Context, cache: bool = False, checkpoints: bool = False) -> None:
    """Remove built bundles, and with --cache everything that can be made again.

    Trained models took hours; they stay without --checkpoints. Nothing is removed while a command
    works in one of the folders.

    Example: invoke clean --cache
    """
    from edge_bert.cli.console import print_lines
    from edge_bert.store.cache import locate_cache
    from edge_bert.store.in_use import leave_folders, take_folders

    places = [locate_cache()] if cache and locate_cache().is_dir() else []
    if places and (places[0] / "emulator" / "phones").is_dir():
        _check_phones()
    leave_folders()  # of which this process is no user
    with take_folders([*places, *BUILD.glob("**/")]):
        for path in [*_list_built(checkpoints=checkpoints), *places]:
            _remove(path)
            print_lines([f"removed {path}"])


def _check_phones() -> None:
    """Raise BusyError where an emulated phone runs from a root in the cache."""
    from edge_bert.devices.emulator.emulated_phone import list_phones
    from edge_bert.errors import BusyError
    from edge_bert.installation import task_command

    phones = list_phones()
    if phones:
        raise BusyError(
            f"The emulated {phones[0].profile} runs from the cache; end it first: "
            f"{task_command('emulator stop')}"
        )


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it."""
    import shutil

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)  # a build that ended just now took its lock along


def _list_built(*, checkpoints: bool) -> Iterator[Path]:
    """What lies in the folder of builds, or that folder where nothing of it stays."""
    from edge_bert.pipeline.train.options import DEFAULT_OUT

    trained = Path(DEFAULT_OUT)
    if trained.is_dir() and not checkpoints:
        yield from sorted(path for path in BUILD.iterdir() if path != trained)
    elif BUILD.is_dir():
        yield BUILD
