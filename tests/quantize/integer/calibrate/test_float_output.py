"""Full-integer files that end in a DEQUANTIZE for callers who want float."""

from __future__ import annotations

import numpy as np

from edge_bert.formats.tflite.inspect import inspect_bytes
from edge_bert.quantize.integer.calibrate.calibrate import calibrate_encoder, convert_integer
from tests.quantize.integer import encoders as tiny
from tests.quantize.integer.running import Running


def test_only_the_output_is_float() -> None:
    """Its values are the int8 output's, to the step."""
    weights = tiny.weights_of("bert")
    start = calibrate_encoder(weights, tiny.sentences(weights))
    whole, ends_in_float = (
        convert_integer(start, (16,), float_output=wanted) for wanted in (False, True)
    )
    assert inspect_bytes(whole).integer_only
    found = inspect_bytes(ends_in_float)
    assert found.op_counts["DEQUANTIZE"] == 1
    assert found.tensor_types["FLOAT32"] == 1
    (output,) = found.signatures["length_16"].outputs
    assert (output.dtype, output.scale) == ("float32", None)
    sentence = tiny.padded(tiny.sentences(weights, repeats=1, seed=3)[0], 16)
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=ends_in_float).get_signature_runner("length_16")
    (values,) = runner(**sentence).values()
    np.testing.assert_allclose(
        values.reshape(-1), Running(whole).real(16, sentence), rtol=1e-5, atol=1e-6
    )
