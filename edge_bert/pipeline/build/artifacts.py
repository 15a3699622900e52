"""From a request to the bytes of each artifact, through a cache that is keyed by content."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import msgspec

from edge_bert.convert import keras_to_tflite
from edge_bert.convert.onnx2tf import convert as onnx2tf
from edge_bert.data.buckets import pad_encoding
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import encoder_weights, input_names
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import RefusedError
from edge_bert.pipeline.build import int16_groups
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.progress import Progress
from edge_bert.quantize import apply_recipe as quantize
from edge_bert.quantize.apply_recipe import CalibrationInputs
from edge_bert.quantize.input_hessians import LayerHessians, collect_hessians
from edge_bert.quantize.integer.analyze.calibration_warnings import calibration_warnings
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder, calibrate_encoder
from edge_bert.quantize.tflite_runtime_2_14 import TFLITE_RUNTIME_2_14
from edge_bert.records.recipe import Recipe, Scheme
from edge_bert.store import cache, content_store
from edge_bert.store.digest import sha256_hex

PACKAGE = Path(__file__).resolve().parents[2]
TOOLS = ("edge-bert", "ai-edge-litert", "keras", "numpy", "tensorflow")


def tool_versions() -> dict[str, str]:
    """The versions of everything that has a hand in the bytes."""
    return {name: metadata.version(name) for name in TOOLS}


def build_float_model(request: BuildSession, progress: Progress) -> bytes:
    """The float32 TFLite file: the reference, and what the weight recipes start from."""

    def make() -> bytes:
        progress("float32: building the graph and converting it (TensorFlow)")
        if _is_opaque(request):
            return onnx2tf.convert_onnx_to_tflite(request.checkpoint, request.lengths)
        return keras_to_tflite.convert_to_tflite(
            request.encoder or request.checkpoint, request.lengths
        )

    return content_store.fetch_bytes(cache.cache_folder("artifacts"), _float_key(request), make)


def _float_key(request: BuildSession) -> str:
    """All that the float32 file depends on."""
    code = content_store.source_digest(PACKAGE / "encoder", PACKAGE / "convert")
    if request.checkpoint.onnx is not None:  # how it was read is not in its sha256
        code += content_store.source_digest(PACKAGE / "sources" / "onnx", PACKAGE / "formats")
        code += str(onnx2tf.tool_versions()) if _is_opaque(request) else ""
    model = request.checkpoint
    key = content_store.key_of("float", model.sha256, model.architecture, model.head)
    return content_store.key_of(key, request.lengths, code, tool_versions())


def build_artifact(
    request: BuildSession, reference: bytes, recipe: Recipe, progress: Progress
) -> bytes:
    """The bytes of one recipe, made from the float32 file (`reference`) or the checkpoint.

    Recipes with calibrated integers are made from the checkpoint, whatever `reference` is.
    """
    runtime = request.profile.parsed_runtime()
    if recipe.name == "float32":
        return reference

    if recipe.needs_calibration and _is_opaque(request):
        raise RefusedError(
            f"{recipe.name} is built from an encoder that edge-bert recognises; one that onnx2tf "
            "converts has the recipes of weights only."
        )

    def make() -> bytes:
        progress(f"{recipe.name}: {recipe.title}")
        if recipe.needs_calibration:
            return _calibrated_file(request, recipe, progress)
        learnt = runtime != TFLITE_RUNTIME_2_14 and _rounds_by_calibration(request, recipe)
        moments = session_hessians(request) if learnt else None
        return quantize.apply_weight_recipe(reference, recipe, runtime, request.bits, moments)

    made_from: list[object] = [] if recipe.needs_calibration else [sha256_hex(reference)]
    if recipe.needs_calibration or _rounds_by_calibration(request, recipe):
        # The sentences' tokens too, which the float32 file does not tell.
        made_from += [_float_key(request), request.calibration.info, request.float_output]
    key = content_store.key_of(made_from, recipe, runtime, _code(), tool_versions(), request.bits)
    return content_store.fetch_bytes(cache.cache_folder("artifacts"), key, make)


def _calibrated_file(request: BuildSession, recipe: Recipe, progress: Progress) -> bytes:
    floats = request.float_output or recipe.scheme is Scheme.MIXED
    start = calibrate_session(request)
    wide = None
    if recipe.activation_bits == 16:
        wide = int16_groups.select_groups(start, progress).chosen.groups
    return quantize.apply_integer_recipe(
        start, request.lengths, recipe, wide=wide, float_output=floats
    )


def _code() -> str:
    """A digest of the code that makes the recipes and what they are calibrated by."""
    return content_store.source_digest(
        PACKAGE / "quantize", PACKAGE / "formats", PACKAGE / "encoder", PACKAGE / "convert"
    )


def session_warnings(request: BuildSession, progress: Progress) -> tuple[str, ...]:
    """What makes the calibration doubtful, a line each; known again after the first time."""

    def make() -> bytes:
        progress("looking at the calibration")
        return msgspec.json.encode(calibration_warnings(calibrate_session(request)))

    key = content_store.key_of("doubts", _float_key(request), request.calibration.info, _code())
    return msgspec.json.decode(
        content_store.fetch_bytes(cache.cache_folder("artifacts"), key, make), type=tuple[str, ...]
    )


def calibrate_session(request: BuildSession) -> CalibratedEncoder:
    """The calibration pass that the recipes with calibrated integers share."""
    return _calibrated(_Content.of(request))


def session_hessians(request: BuildSession) -> list[LayerHessians]:
    """What 4-bit weights are rounded by: second moments over the calibration set."""
    return _moments(_Content.of(request))


@dataclass(frozen=True)
class _Content:
    """A request as what calibrates: equal to any other of the same model and sentences."""

    key: str
    request: BuildSession = field(compare=False)

    @classmethod
    def of(cls, request: BuildSession) -> _Content:
        return cls(content_store.key_of(_float_key(request), request.calibration.info), request)


# A build for a budget has several requests of one content: for the count, and for the bundle.
@functools.lru_cache(maxsize=1)
def _calibrated(content: _Content) -> CalibratedEncoder:
    return calibrate_encoder(session_weights(content.request), calibration_inputs(content.request))


@functools.lru_cache(maxsize=1)
def _moments(content: _Content) -> list[LayerHessians]:
    return collect_hessians(session_weights(content.request), calibration_inputs(content.request))


def _rounds_by_calibration(request: BuildSession, recipe: Recipe) -> bool:
    return recipe.weight_bits == 4 and not _is_opaque(request)


@functools.lru_cache(maxsize=1)
def session_weights(request: BuildSession) -> EncoderWeights:
    """The encoder's weights under our names: those of the checkpoint, or made smaller."""
    return request.encoder or encoder_weights(request.checkpoint)


def _is_opaque(request: BuildSession) -> bool:
    """Whether the encoder is onnx2tf's to convert."""
    return request.checkpoint.onnx is not None and not request.checkpoint.weights


def session_tokenizer(request: BuildSession) -> Tokenizer:
    """The model's tokenizer, truncating at the longest bucket."""
    return Tokenizer.open(request.checkpoint.tokenizer, max(request.lengths))


def calibration_inputs(request: BuildSession) -> CalibrationInputs:
    """The calibration sentences as inputs [1, n], each at its own length without padding."""
    return encode_inputs(request, request.calibration.sentences)


def encode_inputs(request: BuildSession, sentences: Sequence[str]) -> CalibrationInputs:
    """Sentences as inputs [1, n], each at its own length without padding."""
    tokenizer = session_tokenizer(request)
    names = input_names(request.checkpoint)
    encodings = tokenizer.encode_batch(sentences)
    return [pad_encoding(each, len(each), tokenizer.pad_id, names) for each in encodings]
