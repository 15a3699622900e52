"""What every training job shares: where it works, and the folder that it leaves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bert.bundle.atomic_folder import FolderKind, check_folder, replace_folder
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import BusyError, InputError
from edge_bert.formats.model_file import open_model_file
from edge_bert.pipeline.train.folder.card_subject import describe_subject
from edge_bert.pipeline.train.folder.exit_files import write_exits
from edge_bert.pipeline.train.folder.model_folder import write_model_folder
from edge_bert.pipeline.train.folder.run_record import write_record
from edge_bert.quantize.integer.calibrate import learned_file
from edge_bert.quantize.integer.calibrate.learned_encoder import LearnedEncoder
from edge_bert.quantize.integer.calibrate.learned_file import encode_learned
from edge_bert.records import token_cuts
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.records.exits import ExitRule
from edge_bert.records.plan import Compression
from edge_bert.records.supernet import Supernet
from edge_bert.records.token_cuts import TokenSchedule
from edge_bert.records.trained_bits import TrainedBits
from edge_bert.records.training import TrainingRun
from edge_bert.sources import supernet, trained_bits
from edge_bert.sources.folder import load_folder
from edge_bert.sources.token_cuts import FILE as FILE_OF_CUTS
from edge_bert.sources.training_run import FILE
from edge_bert.store.cache import cache_folder
from edge_bert.store.cached import cache_key
from edge_bert.store.content_store import encode_json
from edge_bert.store.held_folder import hold_folder, trim_folders
from edge_bert.store.in_use import share_folder

TRAINED_MODEL = FolderKind("trained model", FILE, "training run")
NAMES = "training_names"  # the room for the locks of the folders that runs are to write
WORK = "training"  # the cache's room for the snapshots of runs
MOST_BYTES = 8 * 10**9  # that they take; a run of MiniLM-L6 that has ended takes 43 MB
VERSION = 1  # of the method: a run that was cut short goes on under the same version only


@dataclass(frozen=True)
class TrainedModel:
    """A trained model's folder, and the record that lies in it."""

    folder: Path
    run: TrainingRun


def check_name(name: str) -> str:
    """A name that a folder can have; InputError for one that leads elsewhere."""
    if not name or Path(name).name != name or name.startswith("."):
        raise InputError(f"--name {name[:80]!r}: give the name of a folder.")
    return name


@contextlib.contextmanager
def hold_name(folder: Path) -> Iterator[None]:
    """The folder of a trained model, which need not be there yet, for this run alone.

    Raises BusyError where another run makes a model there: the one that ends last would win.
    """
    place = cache_folder(NAMES) / cache_key("names", [str(folder.resolve())], version=VERSION)
    share_folder(folder.parent)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(hold_folder(place, "training"))
        except BusyError as error:
            raise BusyError(
                f"Another process is training in the name of {folder}; wait until it ends, stop "
                "it, or give another --name."
            ) from error
        yield


def check_target(folder: Path) -> None:
    """Raise before a run what `write_trained_model` would raise after it."""
    check_folder(folder, TRAINED_MODEL)


def choose_work_folder(inputs: Sequence[object]) -> Path:
    """Where a run's snapshots are: one place for `inputs`, which are all that decides weights."""
    return cache_folder(WORK) / cache_key("training", inputs, version=VERSION)


def write_trained_model(
    folder: Path,
    weights: EncoderWeights,
    checkpoint: Checkpoint,
    run: TrainingRun,
    compression: Compression | None = None,
    bits: TrainedBits | None = None,
    learned: LearnedEncoder | None = None,
    subnetworks: Supernet | None = None,
    exits: ExitRule | None = None,
) -> TrainedModel:
    """The model's folder with its record, in place of the one that was there.

    Runs that were longest unused leave the cache, where there are too many.
    `checkpoint` is the one that the weights come from, `compression` the plan that the run ends,
    `bits` those of the file whose integers they are, `learned` the integers of a file that has
    integers alone, `subnetworks` what can be cut from them, `exits` the rule of those that the
    weights have.
    Raises what `replace_folder` raises, for a folder that is no trained model or cannot be written.
    """
    if (exits is None) != (not weights.exits):
        raise ValueError("exits and their rule are written together")
    with replace_folder(folder, TRAINED_MODEL) as scratch:
        write_model_folder(weights, checkpoint, scratch)
        if exits is not None:
            write_exits(weights, exits, scratch)
        if weights.config.cuts:
            schedule = TokenSchedule(token_cuts.FORMAT_VERSION, weights.config.cuts)
            (scratch / FILE_OF_CUTS).write_bytes(encode_json(schedule))
        if bits is not None:
            (scratch / trained_bits.FILE).write_bytes(encode_json(bits))
        if learned is not None:
            digest = load_folder(scratch, name=folder.name, origin="folder").sha256
            (scratch / learned_file.FILE).write_bytes(encode_learned(learned, digest))
        if subnetworks is not None:
            digest = open_model_file(scratch / supernet.WEIGHTS).digest()
            named = msgspec.structs.replace(subnetworks, weights_sha256=digest)
            (scratch / supernet.FILE).write_bytes(encode_json(named))
        write_record(run, describe_subject(weights, checkpoint), scratch, compression)
    trim_folders(cache_folder(WORK), MOST_BYTES)
    return TrainedModel(folder, run)
