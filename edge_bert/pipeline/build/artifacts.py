"""From a session to the bytes of each artifact, through a cache that is keyed by content."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import msgspec

from edge_bert.convert import keras_to_tflite
from edge_bert.convert.onnx2tf import convert as onnx2tf
from edge_bert.errors import RefusedError
from edge_bert.pipeline.build import int16_groups
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.progress import Progress
from edge_bert.quantize import apply_recipe as quantize
from edge_bert.quantize.integer.analyze.calibration_warnings import calibration_warnings
from edge_bert.records.profile import TFLITE_RUNTIME_2_14, Runtime
from edge_bert.records.recipe import Recipe, Scheme
from edge_bert.store import cache, content_store
from edge_bert.store.digest import sha256_hex

PACKAGE = Path(__file__).resolve().parents[2]
TOOLS = ("edge-bert", "ai-edge-litert", "keras", "numpy", "tensorflow")


def tool_versions() -> dict[str, str]:
    """The versions of everything that has a hand in the bytes."""
    return {name: metadata.version(name) for name in TOOLS}


def host_runtime() -> Runtime:
    """The runtime that float references run on."""
    return Runtime(name="ai-edge-litert", version=metadata.version("ai-edge-litert"))


def build_float_model(session: BuildSession, progress: Progress) -> bytes:
    """The float32 TFLite file: the reference, and what the weight recipes start from."""

    def make() -> bytes:
        progress("float32: building the graph and converting it (TensorFlow)")
        if session.is_opaque:
            return onnx2tf.convert_onnx_to_tflite(session.checkpoint, session.lengths)
        return keras_to_tflite.convert_to_tflite(
            session.pruned or session.checkpoint, session.lengths
        )

    return content_store.fetch_bytes(cache.cache_folder("artifacts"), _float_key(session), make)


def _float_key(session: BuildSession) -> str:
    """All that the float32 file depends on."""
    code = content_store.source_digest(PACKAGE / "encoder", PACKAGE / "convert")
    if session.checkpoint.onnx is not None:  # how it was read is not in its sha256
        code += content_store.source_digest(PACKAGE / "sources" / "onnx", PACKAGE / "formats")
        code += str(onnx2tf.tool_versions()) if session.is_opaque else ""
    model = session.checkpoint
    key = content_store.key_of("float", model.sha256, model.architecture, model.head)
    return content_store.key_of(key, session.lengths, code, tool_versions())


def build_artifact(
    session: BuildSession, float_model: bytes, recipe: Recipe, progress: Progress
) -> bytes:
    """The bytes of one recipe, made from the float32 file (`float_model`) or the checkpoint.

    Recipes with calibrated integers are made from the checkpoint, whatever `float_model` is.
    Raises RefusedError for those where the encoder's layers are not known.
    """
    runtime = session.profile.parsed_runtime()
    if recipe.is_reference:
        return float_model

    if recipe.needs_calibration and session.is_opaque:
        raise RefusedError(
            f"{recipe.name} is built from an encoder that edge-bert recognises; one that onnx2tf "
            "converts has the recipes of weights only."
        )

    def make() -> bytes:
        progress(f"{recipe.name}: {recipe.title}")
        if recipe.needs_calibration:
            return _build_integer(session, recipe, progress)
        by_gptq = runtime != TFLITE_RUNTIME_2_14 and _rounds_by_calibration(session, recipe)
        hessians = session.hessians if by_gptq else None
        return quantize.apply_weight_recipe(float_model, recipe, runtime, session.bits, hessians)

    made_from: list[object] = [] if recipe.needs_calibration else [sha256_hex(float_model)]
    if recipe.needs_calibration or _rounds_by_calibration(session, recipe):
        # The sentences' tokens too, which the float32 file does not tell.
        made_from += [
            _float_key(session),
            session.calibration.info,
            session.options.float_output,
        ]
    key = content_store.key_of(made_from, recipe, runtime, _code(), tool_versions(), session.bits)
    return content_store.fetch_bytes(cache.cache_folder("artifacts"), key, make)


def _build_integer(session: BuildSession, recipe: Recipe, progress: Progress) -> bytes:
    float_output = session.options.float_output or recipe.scheme is Scheme.MIXED
    groups = None
    if recipe.activation_bits == 16:
        groups = int16_groups.select_groups(session.calibrated, progress).chosen.groups
    return quantize.apply_integer_recipe(
        session.calibrated, session.lengths, recipe, int16_groups=groups, float_output=float_output
    )


def _code() -> str:
    """A digest of the code that makes the recipes and what they are calibrated by."""
    return content_store.source_digest(
        PACKAGE / "quantize", PACKAGE / "formats", PACKAGE / "encoder", PACKAGE / "convert"
    )


def session_warnings(session: BuildSession, progress: Progress) -> tuple[str, ...]:
    """Warnings about the calibration, a line each, from the cache after the first time."""

    def make() -> bytes:
        progress("looking at the calibration")
        return msgspec.json.encode(calibration_warnings(session.calibrated))

    key = content_store.key_of("warnings", _float_key(session), session.calibration.info, _code())
    return msgspec.json.decode(
        content_store.fetch_bytes(cache.cache_folder("artifacts"), key, make), type=tuple[str, ...]
    )


def _rounds_by_calibration(session: BuildSession, recipe: Recipe) -> bool:
    return recipe.weight_bits == 4 and not session.is_opaque
