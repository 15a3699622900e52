"""What a run of the training benchmark leaves: one JSON file for each row and seed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from edge_bert.records.base import Record
from edge_bert.store.content_store import encode_json

FOLDER = Path(__file__).parent / "records"


class FileScore(Record, frozen=True):
    """A file of quantized weights on the texts that it is reported on.

    `score` is in percent. The cosines are those of embeddings to the whole float model's, over
    all sentences; classifiers have none.
    """

    recipe: str
    bytes: int
    score: float
    cosine_mean: float | None
    cosine_min: float | None


class ExitFigures(Record, frozen=True):
    """A model with exits on the texts that it is reported on, in float, by its own rule.

    `shares` of the texts leave after each of `after` layers, and at the end; `layers` is the mean
    share of the layers that a text passes. `whole` is the score of all layers in percent,
    `agreement` the share of texts with their class, `wanted` what thresholds were found for.
    """

    rule: str
    after: tuple[int, ...]
    shares: tuple[float, ...]
    layers: float
    agreement: float
    wanted: float
    whole: float


class TrainingRecord(Record, frozen=True):
    """A trained model on the texts that it is reported on.

    `score` and `reference` (that of the model it is held against) are in percent. `wall_s` and
    `processor_s` are those of the command, `memory_bytes` the most that it had; `other_cores` is
    how many cores other programs kept busy meanwhile. `start_score` and `held_out` are the job's
    own, on texts that it held out. Weights that were trained for a recipe have `score` from their
    `file`; `untrained` is the file of the same recipe without training. Of a
    model with exits `score` is that of its rule.
    """

    row: str
    seed: int
    command: str
    dataset: str
    metric: str
    score: float
    reference: float | None
    start_score: float | None
    held_out: float
    epochs: int
    wall_s: float
    processor_s: float
    memory_bytes: int
    other_cores: float | None
    machine: str
    date: str
    version: str
    file: FileScore | None = None
    untrained: FileScore | None = None
    exits: ExitFigures | None = None


def write_training_record(record: TrainingRecord) -> Path:
    """Keep a record; the same row and seed replace it."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{record.row}-seed{record.seed}.json"
    path.write_bytes(encode_json(record))
    return path


def read_training_records() -> Iterator[TrainingRecord]:
    """All of them, by the names of their files."""
    for path in sorted(FOLDER.glob("*.json")):
        yield msgspec.json.decode(path.read_bytes(), type=TrainingRecord)
