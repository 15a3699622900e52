"""A bundle of a tiny model with a full-integer artifact, made without TensorFlow in a second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from safetensors.numpy import load_file, save_file

from edge_bert.bundle import manifest as manifests
from edge_bert.data import calibration
from edge_bert.data.buckets import pad_encoding
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import encoder_weights, input_names
from edge_bert.formats.tflite.inspect import inspect_bytes
from edge_bert.quantize.integer.analyze.select_int16 import select_int16_groups
from edge_bert.quantize.integer.calibrate.calibrate import (
    CalibratedEncoder,
    calibrate_encoder,
    convert_integer,
)
from edge_bert.quantize.integer.calibrate.narrow_matrices import narrow_matrices
from edge_bert.quantize.integer.lower.int16_groups import int16_outputs
from edge_bert.records.bundle import DefaultChoice
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.records.recipe import Recipe
from edge_bert.sources.load import load_checkpoint
from edge_bert.store.digest import sha256_hex
from tests.report.sample_report import manifest
from tests.tiny import models

COUNT = 64
LENGTHS = (16, models.HIDDEN, models.MAX_LENGTH)  # one length equals the number of channels


@dataclass(frozen=True)
class IntegerBundle:
    """The bundle's folder, the model's folder, and what the artifact was made from."""

    folder: Path
    model: Path
    calibrated: CalibratedEncoder


def integer_bundle(
    folder: Path,
    architecture: str = "bert",
    bits: int = 8,
    loud: tuple[str, int] | None = None,
    narrow: Recipe | None = None,
) -> IntegerBundle:
    """Write model and bundle below `folder`; `loud` is a word and the channel it is loud in.

    `narrow` is a recipe with matrices of less than 8 bits.
    """
    models.write(folder / "model", architecture, "mean-normalize")
    if loud:
        _make_loud(folder / "model", *loud)
    checkpoint = load_checkpoint(str(folder / "model"), folder)
    chosen = calibration.select_sentences(calibration.default_sentences(), COUNT, 0)
    calibrated = calibrate_encoder(
        encoder_weights(checkpoint), _inputs(checkpoint, chosen.sentences)
    )
    name = "wi8_ai8_afp32" if bits == 32 else f"wi8_ai{bits}"
    if narrow is not None:
        name, calibrated = narrow.name, narrow_matrices(calibrated, narrow)
    tensors = None
    if bits == 16:
        tensors = int16_outputs(calibrated.graph(1), select_int16_groups(calibrated).chosen.groups)
    data = convert_integer(
        calibrated, LENGTHS, bits, int16_tensors=tensors, float_output=bits == 32
    )
    bundle = folder / "pixel-9"
    bundle.mkdir()
    (bundle / f"{name}.tflite").write_bytes(data)
    sample = manifest()
    artifact = msgspec.structs.replace(
        sample.artifacts[0],
        name=name,
        file=f"{name}.tflite",
        sha256=sha256_hex(data),
        size_bytes=len(data),
        signatures=inspect_bytes(data, name).signatures,
    )
    found = msgspec.structs.replace(
        sample,
        profile="pixel-9",
        model=msgspec.structs.replace(
            sample.model, sha256=checkpoint.sha256, max_length=models.MAX_LENGTH
        ),
        calibration=chosen.info,
        artifacts=(artifact, *(each for each in sample.artifacts if each.name == "float32")),
        default=DefaultChoice(name, "the only one"),
        files=(),
    )
    (bundle / manifests.FILE).write_bytes(manifests.encode_manifest(found))
    return IntegerBundle(bundle, folder / "model", calibrated)


def _make_loud(model: Path, word: str, channel: int) -> None:
    """Let the word's row of the table stand at 40 in one channel, where others are below 1."""
    words = (model / "vocab.txt").read_text("utf-8").splitlines()
    arrays = load_file(model / "model.safetensors")
    arrays["embeddings.word_embeddings.weight"][words.index(word), channel] = 40.0
    save_file(arrays, model / "model.safetensors", {"format": "pt"})


def _inputs(checkpoint: Checkpoint, sentences: Sequence[str]) -> list[dict[str, object]]:
    tokenizer = Tokenizer.open(checkpoint.tokenizer, models.MAX_LENGTH)
    names = input_names(checkpoint)
    encodings = tokenizer.encode_batch(sentences)
    return [pad_encoding(each, len(each), tokenizer.pad_id, names) for each in encodings]
