"""Reading of `tokens.json`: after which layers a folder's model goes on with fewer tokens."""

from __future__ import annotations

from pathlib import Path

from edge_bert.formats.huggingface.json_files import read_versioned
from edge_bert.formats.model_file import has_model_file
from edge_bert.records.token_cuts import FORMAT_VERSION, Cuts, TokenSchedule

FILE = "tokens.json"
AGAIN = "run `invoke tokens` again, or delete the file to keep all tokens"


def read_cuts(folder: Path) -> Cuts:
    """The cuts of the model in `folder`; none of most.

    Raises ModelError for a file that is damaged or of another version. Whether they fit the model,
    `encoder_weights` says.
    """
    if not has_model_file(folder / FILE):
        return ()
    return read_versioned(TokenSchedule, folder / FILE, FORMAT_VERSION, AGAIN).cuts


def list_cut_files(folder: Path) -> tuple[Path, ...]:
    """The file of the cuts, which decides what the model gives; none without cuts."""
    return (folder / FILE,) if has_model_file(folder / FILE) else ()
