"""The recipe float16: constants in float16, unpacked when the model runs.

ai-edge-quantizer makes such a file too, with a DEQUANTIZE of each complete table. It takes 10 s,
since it writes and reads the model again, and warns once for each buffer that subgraphs share.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.tflite_passes.pack_constants import (
    PackedForm,
    Values,
    is_matrix,
    pack_constants,
)
from edge_bert.quantize.tflite_passes.quantize_embedding_tables import (
    fits_float16,
    store_tables_float16,
)


def convert_float16(float_model: bytes, *, gathers_float16: bool) -> bytes:
    """`float_model` (float32 TFLite) with every matrix and table in float16.

    A constant that float16 cannot hold stays float32. So do the positions, 0.4 % of the file:
    tflite-runtime 2.14.0 gives wrong sums where an ADD reads an unpacked constant (cosine 0.82 at
    the worst sentence). `gathers_float16` says that the runtime has a GATHER of float16 rows.
    """
    model = flatbuffer.read_model(float_model)
    store_tables_float16(model, gathers_float16=gathers_float16)
    dtype = flatbuffer.load_schema().TensorType.FLOAT16
    form = PackedForm(dtype=dtype, pack=_to_float16, dequantize_version=3)
    pack_constants(model, _is_float16_matrix, form)
    return flatbuffer.write_model(model)


def _is_float16_matrix(builtin: int, position: int, value: Values) -> bool:
    return is_matrix(builtin, position, value) and fits_float16(value)


def _to_float16(value: Values) -> tuple[npt.NDArray[np.float16], None]:
    return value.astype(np.float16), None
