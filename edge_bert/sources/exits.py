"""Reading of a folder's exits: what exits.json says, and the arrays of exits.safetensors."""

from __future__ import annotations

from pathlib import Path

from edge_bert.errors import ModelError
from edge_bert.formats.huggingface.json_files import read_versioned
from edge_bert.formats.model_file import has_model_file
from edge_bert.records.saved_exits import FORMAT_VERSION, CheckpointExits, SavedExits
from edge_bert.sources.weights import read_weights

FILE, WEIGHTS = "exits.json", "exits.safetensors"
AGAIN = "run `invoke exits` again, or delete both files to use the model without exits"


def read_exits(folder: Path) -> CheckpointExits | None:
    """The exits of the model in `folder`; None where it has none.

    Raises ModelError for files that are damaged, of another version, or that contradict themselves
    or each other. Whether they fit the model, `encoder_weights` says.
    """
    present = [has_model_file(folder / name) for name in (FILE, WEIGHTS)]
    if not any(present):
        return None
    if not all(present):
        missing = FILE if present[1] else WEIGHTS
        raise ModelError(f"{folder / missing} is missing beside the other file of exits; {AGAIN}.")
    path = folder / FILE
    saved = read_versioned(SavedExits, path, FORMAT_VERSION, AGAIN)
    if [x.after for x in saved.exits] != [point.after for point in saved.rule.points]:
        raise ModelError(f"{path}: the rule is for other exits than there are; {AGAIN}.")
    return CheckpointExits(saved, read_weights(folder / WEIGHTS))


def list_exit_files(folder: Path) -> tuple[Path, ...]:
    """The files of exits in `folder`, which decide what the model gives; none without exits."""
    return tuple(folder / name for name in (FILE, WEIGHTS) if has_model_file(folder / name))
