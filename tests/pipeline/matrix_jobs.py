"""Cells of a matrix for tests: real builds that note what they make, and some end their process."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from edge_bert.pipeline.matrix.cell import CellRequest, build_cell
from edge_bert.pipeline.matrix.matrix import MatrixRequest
from edge_bert.records.matrix import MatrixCell
from edge_bert.search.executors.jobs import Job
from tests.search import jobs

LAST_STEP = "running every signature"  # what a build says before it writes its bundle


def noted(cell: CellRequest, cache: str, folder: Path, journal: Path | None) -> MatrixCell:
    """Build the cell and note it in `folder`.

    With `journal`, the first try ends its process in the middle of the build, once some cells
    are recorded.
    """
    os.environ["EDGE_BERT_CACHE"] = cache  # a Dask worker has its own

    def step(message: str) -> None:
        if journal and LAST_STEP in message and not (folder / "killed").exists():
            jobs.wait_until_recorded(folder, journal)
            (folder / "killed").touch()
            jobs.die(folder)

    found = build_cell(cell, step)
    jobs.note(folder, f"{cell.model_folder}/{cell.options.profile}")
    return found


def all_of(
    request: MatrixRequest, cache: Path, folder: Path, killer: int | None = None
) -> Sequence[Job]:
    """The jobs of `request`; that of the number `killer` ends its process once."""
    journal = request.folder / "matrix.jsonl"
    return [
        Job(key, noted, (cell, str(cache), folder, journal if number == killer else None))
        for number, (key, cell) in enumerate(request.cells.items())
    ]
