"""Bundles of smaller models as peers: beside the files of the whole model, in the same run."""

from __future__ import annotations

from pathlib import Path

from benchmarks.comparison_inputs import ComparisonInputs
from benchmarks.peers import BUCKETS
from benchmarks.records import Peer
from edge_bert.bundle import manifest as manifests
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.errors import InputError
from edge_bert.records.bundle import Manifest

TOKENIZER = "tokenizer.json"


def describe_smaller(folder: Path, inputs: ComparisonInputs) -> Peer:
    """The default file of another bundle as a peer that gets the same tokens.

    Raises InputError for a bundle with a head or a tokenizer of its own, or with shorter buckets.
    """
    manifest = manifests.read_manifest(folder)
    _check_bundle(folder, manifest, inputs)
    artifact = manifest.default.artifact
    return Peer(
        name=f"{manifest.model.name}_{artifact}",
        title=f"edge-bert {manifest.model.name}, {artifact} (TFLite)",
        kind="tflite",
        artifact=artifact,
        bundle=str(folder),
        settings=f"{folder}, made from {manifest.model.name}; {BUCKETS}",
        needs=("ai_edge_litert",),
    )


def _check_bundle(folder: Path, manifest: Manifest, inputs: ComparisonInputs) -> None:
    if manifest.model.head != inputs.manifest.model.head:
        raise InputError(f"{folder} holds a model of another task, labels or pooling.")
    longest = min(
        max(signature.length for signature in artifact.signatures.values())
        for artifact in manifest.artifacts
    )
    needed = max(map(len, (*inputs.timed.values(), *inputs.held_out)))
    if longest < needed:
        raise InputError(
            f"{folder} takes {longest} tokens and the comparison has {needed}; build it with "
            "longer --lengths."
        )
    # A trained model's tokenizer is written anew, so that its bytes say nothing.
    tokenizer = Tokenizer.open_file(folder / TOKENIZER, inputs.longest)
    if tuple(tokenizer.encode_batch(inputs.sentences)) != inputs.held_out:
        raise InputError(
            f"{folder} has a tokenizer of its own; a comparison gives the same tokens to all."
        )
