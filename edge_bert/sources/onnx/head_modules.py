"""The layers of a head as a checkpoint lists them, with their arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_bert.encoder.weights import HeadDense, HeadLayer, HeadNorm
from edge_bert.records.checkpoint import FloatArray, HeadModule, HeadModuleKind


def list_modules(
    layers: Sequence[HeadLayer],
) -> tuple[tuple[HeadModule, ...], dict[str, FloatArray]]:
    """The modules of a head, and their arrays under the names that the modules give."""
    modules: list[HeadModule] = []
    arrays: dict[str, FloatArray] = {}
    for index, layer in enumerate(layers):
        name = f"head.{index}"
        modules.append(_describe_layer(layer, name))
        arrays |= _name_arrays(layer, name)
    return tuple(modules), arrays


def _describe_layer(layer: HeadLayer, name: str) -> HeadModule:
    if isinstance(layer, HeadDense):
        width = layer.kernel.shape[1]
        return HeadModule(HeadModuleKind.DENSE, name, width, layer.activation)
    if isinstance(layer, HeadNorm):
        return HeadModule(HeadModuleKind.LAYER_NORM, name, epsilon=layer.epsilon)
    return HeadModule(HeadModuleKind.UNIT_LENGTH)


def _name_arrays(layer: HeadLayer, name: str) -> dict[str, FloatArray]:
    """Under the names of torch.nn.Linear, which keeps its matrix as [out, in], and LayerNorm."""
    if isinstance(layer, HeadDense):
        kernel = np.ascontiguousarray(layer.kernel.T, np.float32)
        return {f"{name}.weight": kernel, f"{name}.bias": layer.bias}
    if isinstance(layer, HeadNorm):
        return {f"{name}.weight": layer.gamma, f"{name}.bias": layer.beta}
    return {}
