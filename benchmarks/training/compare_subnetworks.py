"""Structures cut from a super-network beside the same structures trained alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.training.rows import ROWS
from benchmarks.training.run_row import fill_command
from benchmarks.training.score_model import score_float_model, score_weights
from benchmarks.training.splits import Splits
from edge_bert.compress.prune.subnetworks import cut_subnetwork
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.records.base import Record
from edge_bert.records.candidate import Structure
from edge_bert.sources.load import load_checkpoint
from edge_bert.sources.supernet import read_supernet
from edge_bert.store.cache import cache_folder
from edge_bert.store.content_store import encode_json

STRUCTURES = 5
HEAD = "| layers | heads | neurons | cut | trained alone | difference |\n|---|---|---|---|---|---|"


class SubnetworkPair(Record, frozen=True):
    """A structure, and its scores in percent: cut from the super-network, and trained alone."""

    structure: Structure
    cut: float
    alone: float


def compare_subnetworks(
    row: str, seed: int, splits: Splits, models: Path, training: str
) -> Iterator[SubnetworkPair]:
    """Five structures of the super-network of `row`, from the smallest up, without the whole.

    Each is also trained alone by `invoke distill` with the options `training`, from its start in
    closed form. A model that is there is not trained again. Scores are in float.
    """
    folder = models / f"{row}-seed{seed}"
    checkpoint = load_checkpoint(str(folder), cache_folder("models"))
    weights = encoder_weights(checkpoint)
    supernet = read_supernet(folder, weights.config.heads, weights.config.ffn)
    if supernet is None:
        raise SystemExit(f"{folder} is no super-network; run the row first.")
    data = splits.dev(ROWS[row].dataset)
    rungs = list(supernet.grid.list_rungs(STRUCTURES + 1, weights.config.vocabulary))
    for number, structure in enumerate(rungs[:STRUCTURES], start=1):
        name = f"{row}-alone{number}-seed{seed}"
        alone = _train_alone(name, structure, fill_command(training, splits, models), models, seed)
        yield SubnetworkPair(
            structure=structure,
            cut=100 * score_weights(checkpoint, cut_subnetwork(weights, structure), data).value,
            alone=100 * score_float_model(str(alone), data).value,
        )


def render_pair(pair: SubnetworkPair) -> str:
    """A row of the table below HEAD."""
    structure = pair.structure
    return (
        f"| {len(structure.layers)} | {sum(structure.heads)} | {sum(structure.ffn)} | "
        f"{pair.cut:.2f} | {pair.alone:.2f} | {pair.cut - pair.alone:+.2f} |"
    )


def _train_alone(
    name: str, structure: Structure, training: list[str], models: Path, seed: int
) -> Path:
    """The folder of a model of this structure, by `invoke distill`."""
    file = models / f"{name}.json"
    file.write_bytes(encode_json(msgspec.structs.asdict(structure)))
    command = ["distill", "--structure", str(file), *training, "--seed", str(seed)]
    command += ["--name", name, "--out", str(models)]
    if subprocess.run([sys.executable, "-m", "invoke", *command], check=False).returncode:
        raise SystemExit(f"invoke {' '.join(command)} failed; see above.")
    return models / name
