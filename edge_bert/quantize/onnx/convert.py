"""From an encoder's weights to the bytes of an ONNX file."""

from __future__ import annotations

from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import MissingToolError, RefusedError
from edge_bert.quantize.fixed_order import sum_in_order
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder
from edge_bert.quantize.integer.head_support import require_calibrated_head
from edge_bert.quantize.integer.statistics.range_estimators import RangeEstimator, estimate_range
from edge_bert.quantize.onnx import encoder, parts, qdq

MISSING = "ONNX files need the package onnx; install the extra: pip install 'edge-bert[onnx]'"


def write_float_onnx(weights: EncoderWeights, float_type: str = "float32") -> bytes:
    """The encoder in `float_type`: float32, or float16 weights and arithmetic."""
    return _write_onnx(weights, parts.plain_parts(weights), float_type=float_type)


@sum_in_order
def write_int8_onnx(calibrated: CalibratedEncoder, *, signed: bool = False) -> bytes:
    """int8 products with matrices on calibrated ranges, after the rewrites; the rest is float32.

    `signed` activations are int8 with the zero point 0, as TensorRT wants them.
    """
    weights, calibrated = calibrated.weights, calibrated.unsplit
    names = encoder.rounded_inputs(weights.config.layers)
    ranges = {name: _range(calibrated, name) for name in names}
    smoothed = parts.smoothed_parts(weights, calibrated.equalized)
    return _write_onnx(weights, smoothed, ranges=ranges, signed=signed)


def _range(calibrated: CalibratedEncoder, name: str) -> tuple[float, float]:
    """The full range of neurons (docs/quantization-accuracy.md says why), most of the others'."""
    keep = calibrated.graph(1).tensors[name].keep_full_range
    estimator = RangeEstimator.MINMAX if keep else RangeEstimator.PERCENTILE
    return estimate_range(calibrated.ranges.histograms[name], estimator)


def _write_onnx(
    weights: EncoderWeights,
    encoder_parts: parts.Parts,
    *,
    float_type: str = "float32",
    ranges: qdq.Ranges | None = None,
    signed: bool = False,
) -> bytes:
    require_calibrated_head(weights)
    if weights.config.cuts:
        raise RefusedError(
            "The ONNX export has no form of a model that goes on with fewer tokens; export the one "
            "that `invoke tokens` began with."
        )
    try:
        import onnx
    except ImportError as error:
        raise MissingToolError(MISSING) from error
    description = {"edge_bert.output": weights.output_name}
    model = encoder.build_onnx_encoder(
        weights,
        encoder_parts,
        float_type=float_type,
        ranges=ranges,
        signed=signed,
        description=description,
    )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())
