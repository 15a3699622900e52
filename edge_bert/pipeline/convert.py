"""From a request to the bytes of each artifact, through a cache that is keyed by content."""

from __future__ import annotations

import functools
from importlib import metadata
from pathlib import Path

from edge_bert import cache
from edge_bert.data.buckets import pad
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.graph import export
from edge_bert.package import store
from edge_bert.package.manifest import sha256
from edge_bert.pipeline.request import BuildRequest
from edge_bert.progress import Progress
from edge_bert.quantize import convert as quantize
from edge_bert.quantize.convert import CalibrationInputs
from edge_bert.quantize.integer.convert import Calibrated, calibrate
from edge_bert.records.recipe import Recipe, Scheme

PACKAGE = Path(__file__).resolve().parent.parent
TOOLS = ("edge-bert", "ai-edge-litert", "ai-edge-quantizer", "keras", "numpy", "tensorflow")


def tool_versions() -> dict[str, str]:
    """The versions of everything that has a hand in the bytes."""
    return {name: metadata.version(name) for name in TOOLS}


def float_model(request: BuildRequest, progress: Progress) -> bytes:
    """The float32 TFLite file: the reference, and what the weight recipes start from."""

    def make() -> bytes:
        progress("float32: building the graph and converting it (TensorFlow)")
        return export.to_tflite(request.checkpoint, request.lengths)

    code = store.source_digest(PACKAGE / "graph")
    key = store.key_of("float", request.checkpoint.sha256, request.checkpoint.head)
    key = store.key_of(key, request.lengths, code, tool_versions())
    return store.fetch(cache.folder("artifacts"), key, make)


def artifact(request: BuildRequest, reference: bytes, recipe: Recipe, progress: Progress) -> bytes:
    """The bytes of one recipe, made from the float32 file (`reference`) or the checkpoint."""
    runtime = request.profile.parsed_runtime()
    if recipe.name == "float32":
        return reference

    def make() -> bytes:
        progress(f"{recipe.name}: {recipe.title}")
        if recipe.needs_calibration:
            floats = request.float_output or recipe.scheme is Scheme.MIXED
            return quantize.integer(
                calibrated(request), request.lengths, recipe, float_output=floats
            )
        return quantize.weights(reference, recipe, runtime)

    code = store.source_digest(PACKAGE / "quantize", PACKAGE / "graph", PACKAGE / "float_encoder")
    calibration = (
        (request.calibration.info, request.float_output) if recipe.needs_calibration else None
    )
    key = store.key_of(sha256(reference), recipe, runtime, calibration, code, tool_versions())
    return store.fetch(cache.folder("artifacts"), key, make)


@functools.lru_cache(maxsize=1)
def calibrated(request: BuildRequest) -> Calibrated:
    """The calibration pass that the recipes with calibrated integers of one request share."""
    return calibrate(export.encoder_weights(request.checkpoint), calibration_inputs(request))


def tokenizer_of(request: BuildRequest) -> Tokenizer:
    """The model's tokenizer, truncating at the longest bucket."""
    return Tokenizer.open(request.checkpoint.tokenizer, max(request.lengths))


def calibration_inputs(request: BuildRequest) -> CalibrationInputs:
    """The calibration sentences as inputs [1, n], each at its own length without padding."""
    tokenizer = tokenizer_of(request)
    names = export.input_names(request.checkpoint)
    encodings = tokenizer.encode_batch(request.calibration.sentences)
    return [pad(each, len(each), tokenizer.pad_id, names) for each in encodings]
