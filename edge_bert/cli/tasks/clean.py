"""The task that removes what can be made again."""

from __future__ import annotations

import sys
from pathlib import Path

from invoke.context import Context

from edge_bert.cli.command import command


@command(
    options={
        "Options": {"cache": "also remove downloaded models, built files and environments"},
    }
)
def clean(_: Context, cache: bool = False) -> None:
    """Remove built bundles, and with --cache everything that can be made again.

    Example: invoke clean --cache
    """
    import shutil

    from edge_bert.store.cache import cache_folder

    for folder in [Path("build"), *([cache_folder()] if cache else [])]:
        if folder.is_dir():
            shutil.rmtree(folder)
            sys.stdout.write(f"removed {folder}\n")
