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

    Trained models took hours; they stay without --checkpoints.

    Example: invoke clean --cache
    """
    import shutil

    from edge_bert.cli.console import print_lines
    from edge_bert.store.cache import cache_folder

    for path in [*_list_built(checkpoints=checkpoints), *([cache_folder()] if cache else [])]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
        print_lines([f"removed {path}"])


def _list_built(*, checkpoints: bool) -> Iterator[Path]:
    """What lies in the folder of builds, or that folder where nothing of it stays."""
    from edge_bert.pipeline.train.options import DEFAULT_OUT

    trained = Path(DEFAULT_OUT)
    if trained.is_dir() and not checkpoints:
        yield from sorted(path for path in BUILD.iterdir() if path != trained)
    elif BUILD.is_dir():
        yield BUILD
