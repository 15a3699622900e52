"""A checkpoint's arrays by the file's names, each checked against the size that is expected."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edge_bert.encoder.weights import DenseWeights, LayerNormWeights
from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import FloatArray, find_shape


class WeightReader:
    """Looks weights up with and without `prefix`, and under LayerNorm's two spellings.

    Every method raises ModelError for a weight that is missing or has another size.
    """

    def __init__(self, weights: Mapping[str, FloatArray], prefix: str) -> None:
        self._weights = weights
        self._prefix = prefix

    def array(self, size: tuple[int, ...], *names: str) -> FloatArray:
        """The array of this size under the first of `names` that the file has."""
        for name in names:
            for candidate in (name, self._prefix + name):
                if candidate in self._weights:
                    _check_size(name, find_shape(self._weights, candidate), size)
                    return self._weights[candidate]
        raise ModelError(f"The weights lack {names[0]}; the file is not a whole model.")

    def has_table(self, name: str) -> bool:
        """Whether the file has a torch.nn.Embedding of this name."""
        return not self._weights.keys().isdisjoint(
            (f"{name}.weight", f"{self._prefix}{name}.weight")
        )

    def table(self, name: str, rows: int, width: int) -> FloatArray:
        """A torch.nn.Embedding, [rows, width]."""
        return self.array((rows, width), f"{name}.weight")

    def dense(self, name: str, inputs: int, outputs: int, *, bias: bool = True) -> DenseWeights:
        """A torch.nn.Linear, which keeps its matrix as [out, in]; zeros where it has no `bias`."""
        kernel = self.array((outputs, inputs), f"{name}.weight").T
        zeros = np.zeros(outputs, np.float32)
        return DenseWeights(kernel, self.array((outputs,), f"{name}.bias") if bias else zeros)

    def norm(self, name: str, channels: int, *, bias: bool = True) -> LayerNormWeights:
        """A LayerNorm, without a `bias` one of zeros; old files call its arrays gamma and beta."""
        zeros = np.zeros(channels, np.float32)
        return LayerNormWeights(
            self.array((channels,), f"{name}.weight", f"{name}.gamma"),
            self.array((channels,), f"{name}.bias", f"{name}.beta") if bias else zeros,
        )


def _check_size(name: str, shape: tuple[int, ...] | None, size: tuple[int, ...]) -> None:
    """Before the array is read, which may be of any size."""
    if shape is not None and shape != size:
        raise ModelError(
            f"The weight {name} is {_format_size(shape)}; config.json asks for "
            f"{_format_size(size)}."
        )


def _format_size(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size)) or "a single number"
