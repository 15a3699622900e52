"""Reading of `training.json`, which says what a model that was trained here comes from."""

from __future__ import annotations

from pathlib import Path

from edge_bert.errors import ModelError
from edge_bert.formats.huggingface.json_files import read_json_as
from edge_bert.records.training import TrainingRun

FILE = "training.json"


def read_training_run(folder: Path | None) -> TrainingRun | None:
    """The run that gave the model in a folder; None where there is none that can be read.

    What a model comes from is told beside it and decides nothing, so a damaged record is no fault.
    """
    if folder is None or not (folder / FILE).is_file():
        return None
    try:
        return read_json_as(TrainingRun, folder / FILE)
    except ModelError:
        return None
