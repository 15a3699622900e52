"""Reading of `quantization.json`, which says what file the weights of a folder were trained for."""

from __future__ import annotations

from pathlib import Path

from edge_bert.formats.huggingface.json_files import read_versioned
from edge_bert.formats.model_file import has_model_file
from edge_bert.records.trained_bits import FORMAT_VERSION, TrainedBits

FILE = "quantization.json"


def read_trained_bits(folder: Path | None) -> TrainedBits | None:
    """What the weights in a model's folder were trained for; None for floats.

    Raises ModelError for a file that is damaged or of another version.
    """
    if folder is None or not has_model_file(folder / FILE):
        return None
    return read_versioned(TrainedBits, folder / FILE, FORMAT_VERSION, "train the model again")
