"""How a tensor is stored: scale, zero point and number format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class QuantParams:
    """How a tensor is stored: `scale` has one entry, or one per output channel (axis 0)."""

    scale: Array
    zero_point: int
    dtype: str
    value: Array | None = None


def float32_params(value: Array | None = None) -> QuantParams:
    """A tensor that is not quantized."""
    return QuantParams(
        np.zeros(0), 0, "float32", None if value is None else value.astype(np.float32)
    )
