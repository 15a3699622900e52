"""The two ways to apply a recipe: to the weights of a float file, or to a calibrated encoder."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from edge_bert.errors import RefusedError
from edge_bert.quantize.fixed_order import sum_in_order
from edge_bert.quantize.float16 import convert_float16
from edge_bert.quantize.hybrid import convert_hybrid
from edge_bert.quantize.input_hessians import LayerHessians
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder, convert_integer
from edge_bert.quantize.integer.calibrate.narrow_matrices import narrow_matrices
from edge_bert.quantize.integer.calibrate.round_matrices import round_matrices
from edge_bert.quantize.integer.lower.int16_groups import int16_outputs
from edge_bert.quantize.norm_rows import LayerNormRows
from edge_bert.quantize.tflite_runtime_2_14 import convert_for_2_14
from edge_bert.records.profile import TFLITE_RUNTIME_2_14, Runtime
from edge_bert.records.recipe import Recipe, Scheme
from edge_bert.records.weight_bits import WeightBits

CalibrationInputs = Sequence[dict[str, npt.NDArray[np.int32]]]


@sum_in_order
def apply_weight_recipe(
    float_model: bytes,
    recipe: Recipe,
    runtime: Runtime,
    bits: WeightBits | None = None,
    hessians: Sequence[LayerHessians] | None = None,
    norm_rows: Sequence[LayerNormRows] | None = None,
) -> bytes:
    """The TFLite file of a float16 or hybrid recipe, with operators that `runtime` supports.

    A hybrid recipe may have `bits` for each layer instead of its own for all. With `hessians`
    (input_hessians.py) it rounds matrices of 2 and 4 bits by GPTQ, with `norm_rows` (norm_rows.py)
    it chooses how matrices read LayerNorms. Raises RefusedError where `runtime` cannot run the
    recipe.
    """
    if runtime == TFLITE_RUNTIME_2_14:
        _refuse_four_bits(bits)
        return convert_for_2_14(float_model, recipe)
    if recipe.scheme is Scheme.FLOAT:
        return convert_float16(float_model, gathers_float16=True)
    return convert_hybrid(float_model, bits or recipe, hessians, norm_rows)


def _refuse_four_bits(bits: WeightBits | None) -> None:
    if bits is not None and {*bits.matrix_bits, bits.embedding_bits} != {8}:
        raise RefusedError(
            f"{TFLITE_RUNTIME_2_14} does not run weights of less than 8 bits; take 8."
        )


@sum_in_order
def apply_integer_recipe(
    calibrated: CalibratedEncoder,
    lengths: Sequence[int],
    recipe: Recipe,
    *,
    int16_groups: Collection[str] | None = None,
    by_gptq: bool = False,
    float_output: bool,
) -> bytes:
    """The TFLite file of a recipe with calibrated integers, a signature for each of `lengths`.

    `int16_groups` are the groups that a mixed recipe gives 16 bits (lower/int16_groups.py).
    Matrices of less than 8 bits are rounded by GPTQ over the calibration sentences, with `by_gptq`
    those of 8 bits too.
    """
    calibrated = narrow_matrices(calibrated, recipe)
    if by_gptq:
        calibrated = round_matrices(calibrated, recipe.activation_bits)
    tensors = None
    if int16_groups is not None:
        tensors = int16_outputs(calibrated.graph(1, with_exits=True), int16_groups)
    return convert_integer(
        calibrated,
        lengths,
        recipe.activation_bits,
        int16_tensors=tensors,
        float_output=float_output,
    )
