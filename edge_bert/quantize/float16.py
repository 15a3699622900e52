"""The recipe float16: constants in float16, unpacked when the model runs.

ai-edge-quantizer makes such a file too, with a DEQUANTIZE of each whole table, in 10 s: it writes
and reads the model anew and warns once per buffer that subgraphs share.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.tflite_passes import quantize_embedding_tables
from edge_bert.quantize.tflite_passes.pack_constants import (
    Form,
    Values,
    is_matrix,
    unpack_constants,
)


def convert_float16(float_model: bytes, *, gathers_float16: bool) -> bytes:
    """`float_model` (float32 TFLite) with every matrix and table in float16.

    One with a value that float16 cannot hold stays float32. So do the positions, 0.4 % of the
    file: tflite-runtime 2.14.0 gives wrong sums where an ADD reads an unpacked constant (cosine
    0.82 at the worst sentence). `gathers_float16`: the runtime has a GATHER of float16 rows.
    """
    model = flatbuffer.read_model(float_model)
    if gathers_float16:
        quantize_embedding_tables.float16_tables(model)
    else:
        quantize_embedding_tables.float16_tables_as_int16(model)
    dtype = flatbuffer.load_schema().TensorType.FLOAT16
    form = Form(dtype=dtype, pack=_halved, dequantize_version=3)
    unpack_constants(model, _fits, form)
    return flatbuffer.write_model(model)


def _fits(builtin: int, position: int, value: Values) -> bool:
    return is_matrix(builtin, position, value) and quantize_embedding_tables.fits_float16(value)


def _halved(value: Values) -> tuple[npt.NDArray[np.float16], None]:
    return value.astype(np.float16), None
