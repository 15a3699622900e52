"""The outputs of an artifact on a runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.records.profile import Runtime

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class RuntimeResult:
    """Outputs by signature and output name, as the runtime gave them: `[rows, ...]`.

    Integer outputs stay integers; `quantization` holds their (scale, zero point). `latencies_us`
    holds, per signature, one wall-clock time per timed run, in microseconds; empty if not asked.
    """

    outputs: Mapping[str, Mapping[str, Array]]
    runtime: Runtime
    quantization: Mapping[str, Mapping[str, tuple[float, int]]]
    latencies_us: Mapping[str, tuple[float, ...]]

    def real(self, signature: str, output: str) -> npt.NDArray[np.float32]:
        """One output as float32 `[rows, ...]`: dequantized where it has a scale."""
        raw = self.outputs[signature][output]
        quantization = self.quantization.get(signature, {}).get(output)
        if quantization is None:
            return raw.astype(np.float32)
        scale, zero_point = quantization
        return ((raw.astype(np.float32) - zero_point) * np.float32(scale)).astype(np.float32)
