"""Reading of `quantization.json`, which says what file the weights of a folder were trained for."""

from __future__ import annotations

from pathlib import Path

from edge_bert.errors import ModelError
from edge_bert.formats.huggingface.json_files import read_json_as
from edge_bert.formats.model_file import has_model_file
from edge_bert.records.trained_bits import FORMAT_VERSION, TrainedBits

FILE = "quantization.json"


def read_trained_bits(folder: Path | None) -> TrainedBits | None:
    """What the weights in a model's folder were trained for; None for floats.

    Raises ModelError for a file that is damaged or of another version.
    """
    if folder is None or not has_model_file(folder / FILE):
        return None
    path = folder / FILE
    trained = read_json_as(TrainedBits, path)
    if trained.format_version != FORMAT_VERSION:
        raise ModelError(
            f"{path} has format version {trained.format_version}, this edge-bert reads "
            f"{FORMAT_VERSION}; train the model again."
        )
    return trained
