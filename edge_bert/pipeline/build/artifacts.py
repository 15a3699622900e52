"""From a session to the bytes of each artifact, through a cache that is keyed by content."""

from __future__ import annotations

from importlib import metadata

import numpy as np

from edge_bert.convert import keras_to_tflite
from edge_bert.convert.onnx2tf import convert as onnx2tf
from edge_bert.data.buckets import pad_encoding
from edge_bert.data.calibration import digest_sentences
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.architectures.registry import CUSTOM
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.errors import RefusedError
from edge_bert.pipeline.build.calibration_inputs import encode_calibration
from edge_bert.pipeline.build.choices import int16_groups
from edge_bert.pipeline.build.options import Rounding
from edge_bert.pipeline.build.running.run_signatures import ModelUnderTest, run_texts
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.progress import Progress
from edge_bert.quantize import apply_recipe as quantize
from edge_bert.quantize.integer.analyze.calibration_warnings import calibration_warnings
from edge_bert.quantize.integer.analyze.select_int16 import select_int16_groups
from edge_bert.quantize.integer.calibrate.calibrate import calibrate_exits
from edge_bert.quantize.integer.calibrate.learned_file import read_learned
from edge_bert.quantize.integer.head_support import require_integer_head
from edge_bert.quantize.tflite_runtime_2_14 import refuse_narrow_weights
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.profile import TFLITE_RUNTIME_2_14, Runtime
from edge_bert.records.recipe import Recipe, Scheme
from edge_bert.report.weight_words import describe_bits
from edge_bert.sources.onnx.load import load_onnx
from edge_bert.sources.weights import read_weights
from edge_bert.store.cached import Functions, cached, cached_record
from edge_bert.store.scratch import scratch_folder

# Manifests name these; keys of the cache have the versions of what the code itself imports.
TOOLS = ("edge-bert", "ai-edge-litert", "keras", "numpy", "tensorflow")
# Whose code makes sentences into the inputs, and arrays into the weights, that are calibrated.
CALIBRATION_CODE: Functions = (
    Tokenizer,
    pad_encoding,
    encode_calibration,
    encoder_weights,
    read_weights,
)


def tool_versions() -> dict[str, str]:
    """The versions of all packages that decide the bytes."""
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

    return cached("float_models", _float_inputs(session), make, code=_float_code(session))


def _float_inputs(session: BuildSession) -> list[object]:
    """The inputs, besides code, that the float32 file depends on."""
    model = session.checkpoint
    tools = onnx2tf.tool_versions() if session.is_opaque else None
    head = (model.head, model.head_modules)
    # Of the model's own files this one alone is not in the digest.
    structure = [model.structure] if model.structure is not None else []
    return [model.sha256, model.architecture, head, session.lengths, tools, *structure]


def _float_code(session: BuildSession) -> Functions:
    """Converter and reader, because weights as read are not in the checkpoint's digest."""
    if session.is_opaque:
        return onnx2tf.convert_onnx_to_tflite, load_onnx
    reader = read_weights if session.checkpoint.onnx is None else load_onnx
    return keras_to_tflite.convert_to_tflite, reader


def build_artifact(session: BuildSession, recipe: Recipe, progress: Progress) -> bytes:
    """The bytes of one recipe, made from the checkpoint, or from the float32 file where the recipe
    changes weights only.

    Raises RefusedError for calibrated integers where the encoder's layers are not known, and for
    narrow weights on a runtime without kernels for them.
    """
    runtime = session.profile.parsed_runtime()
    if recipe.is_reference:
        return build_float_model(session, progress)

    if recipe.needs_calibration and session.is_opaque:
        raise RefusedError(
            f"{recipe.name} is built from an encoder that edge-bert recognises; one that onnx2tf "
            "converts has the recipes of weights only."
        )

    if runtime == TFLITE_RUNTIME_2_14:
        refuse_narrow_weights(recipe)
    bits = session.bits_for(recipe)

    def make() -> bytes:
        if recipe.needs_calibration:
            progress(f"{recipe.name}: {recipe.title}")
            return _build_integer(session, recipe, progress)
        float_model = build_float_model(session, progress)
        progress(f"{recipe.name}: {recipe.title}")
        if bits is not None:
            progress(f"{recipe.name}: {describe_bits(bits)}")
        by_gptq = runtime != TFLITE_RUNTIME_2_14 and _rounds_by_calibration(session, recipe)
        hessians = session.hessians if by_gptq else None
        norm_rows = session.norm_rows if _chooses_norm_reads(session, recipe) else None
        return quantize.apply_weight_recipe(float_model, recipe, runtime, bits, hessians, norm_rows)

    inputs = [*_float_inputs(session), recipe, runtime, bits]
    code: Functions = (quantize.apply_weight_recipe, *_float_code(session))
    learned = session.learned_for(recipe)
    if learned is not None:
        code = (quantize.apply_integer_recipe, read_learned, *_float_code(session))
        inputs += [learned.digest, session.options.float_output]
        if session.weights.exits:
            code += (calibrate_exits, *CALIBRATION_CODE)
            inputs.append(session.calibration.info)
    elif recipe.needs_calibration:
        code = (quantize.apply_integer_recipe, select_int16_groups, *_float_code(session))
        inputs.append(session.options.rounding.value)
    if learned is None and (recipe.needs_calibration or _reads_calibration(session, recipe)):
        code += CALIBRATION_CODE
        inputs += [session.calibration.info, session.options.float_output]
    return cached("artifacts", inputs, make, code=code)


def reference_outputs(session: BuildSession, progress: Progress) -> FloatArray:
    """Finished outputs [n, width] of the session's float32 file for its held-out sentences."""
    head, held_out = session.checkpoint.head, session.calibration.held_out

    def make() -> bytes:
        with scratch_folder() as folder:
            path = folder / "float32.tflite"
            path.write_bytes(build_float_model(session, progress))
            subject = ModelUnderTest.of(path, head)
            return run_texts(subject, session.tokenizer, held_out, host_runtime()).tobytes()

    inputs = [*_float_inputs(session), head, digest_sentences(held_out), host_runtime()]
    code: Functions = (run_texts, *CALIBRATION_CODE, *_float_code(session))
    data = cached("reference_outputs", inputs, make, code=code)
    return np.frombuffer(data, np.float32).reshape(len(held_out), -1)


def _build_integer(session: BuildSession, recipe: Recipe, progress: Progress) -> bytes:
    float_output = session.options.float_output or recipe.scheme is Scheme.MIXED
    groups, learned = None, session.learned_for(recipe)
    if learned is not None:
        progress(f"{recipe.name}: with the integers and ranges that training found")
    elif recipe.activation_bits == 16:
        require_integer_head(session.weights)  # before the search for groups
        groups = int16_groups.select_groups(session.calibrated, progress).chosen.groups
    if learned is None:
        calibrated = session.calibrated
    else:
        calibrated = learned.complete(session.weights)
        if session.weights.exits:  # training found no ranges for their heads
            calibrated = calibrate_exits(calibrated, session.calibration_inputs)
    return quantize.apply_integer_recipe(
        calibrated,
        session.lengths,
        recipe,
        int16_groups=groups,
        by_gptq=learned is None and session.options.rounding is Rounding.GPTQ,
        float_output=float_output,
    )


def session_warnings(session: BuildSession, progress: Progress) -> tuple[str, ...]:
    """Warnings about the calibration, a line each, from the cache after the first time."""

    def make() -> tuple[str, ...]:
        progress("looking at the calibration")
        return tuple(calibration_warnings(session.calibrated))

    inputs = [*_float_inputs(session), session.calibration.info]
    code: Functions = (calibration_warnings, *CALIBRATION_CODE, *_float_code(session))
    return cached_record(tuple[str, ...], "calibration_warnings", inputs, make, code)


def _reads_calibration(session: BuildSession, recipe: Recipe) -> bool:
    """Whether a recipe of weights looks at the calibration set all the same."""
    by_gptq = _rounds_by_calibration(session, recipe)
    return by_gptq or _chooses_norm_reads(session, recipe)


def _chooses_norm_reads(session: BuildSession, recipe: Recipe) -> bool:
    """Whether matrices read LayerNorms as calibration tells, which needs layers that we know."""
    hybrid = recipe.scheme is Scheme.HYBRID
    oldest = session.profile.parsed_runtime() == TFLITE_RUNTIME_2_14  # it runs them in float
    known = not session.is_opaque and session.checkpoint.architecture not in CUSTOM
    return hybrid and known and not oldest


def _rounds_by_calibration(session: BuildSession, recipe: Recipe) -> bool:
    """Whether matrices of 2 and 4 bits are rounded by GPTQ; its Hessians need layers we know."""
    custom = CUSTOM.get(session.checkpoint.architecture)
    rounds_to_nearest = session.is_opaque or (custom is not None and custom.rounds_to_nearest)
    rounds_to_nearest |= session.is_trained_for(recipe)  # there is nothing left to round
    return recipe.weight_bits <= 4 and not rounds_to_nearest
