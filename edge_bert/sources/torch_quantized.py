"""Quantized layers of PyTorch in a weights file: as trained with fake quantization, or converted.

Three forms say exactly which values a layer multiplies by, and are read:

- PyTorch's eager and FX QAT: a float `weight`, `weight_fake_quant.scale` and `.zero_point`, and the
  range that its observer saw, from which the least and the largest integer follow.
- torchao's converted layers: an int8 `weight`, `scales` and `zeros` of groups of inputs (an
  embedding's are called `scale` and `zero_point`).

What leaves the integers open is refused by name, because a model that is built from the floats
behind it would not be the one that was trained. Ranges of activations are not taken over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import FloatArray
from edge_bert.sources.weights import INTEGERS, FolderWeights
from edge_bert.text import list_some, shorten

FAKE_QUANT = ".weight_fake_quant."
OBSERVER = f"{FAKE_QUANT}activation_post_process."
ACTIVATION = re.compile(r"(^|\.)activation_post_process(_\d+)?\.")
# What torchao calls scales and zero points of a converted layer.
CONVERTED = ((".scales", ".zeros"), (".scale", ".zero_point"))
# Parts of names, and what holds them: the integers cannot be told from these tensors.
OPEN = {
    "._packed_params": "PyTorch's converted integers, packed for one kind of processor",
    ".weight_fake_quantizer.": "torchao's learned scales without the range of their integers",
    ".weight_quant.": "brevitas's quantizers",
}
REMEDY = "save the model with its fake-quantized weights as floats in their place"
WIDTHS = range(2, 9)
NEAR = 1e-3  # of the number of integers: scales are float32
SMALLEST = 6.1e-5  # scale of PyTorch's fused operator

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ReadQuantized:
    """The weights as floats, and a line for each thing that is worth a word."""

    weights: FolderWeights
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Quantizer:
    """Scales above 0 and zero points of the layer `name`, each [1, 1], [rows, 1] or [rows, groups].

    `columns` of a row are dealt out to its groups in order.
    """

    name: str
    scale: FloatArray
    zero_point: Array
    columns: int

    def expand(self, parameters: Array) -> Array:
        """One of both for every value of a row, or one for all."""
        groups = parameters.shape[1]
        return parameters if groups == 1 else np.repeat(parameters, self.columns // groups, axis=1)


def read_quantized(weights: FolderWeights) -> ReadQuantized:
    """`weights` with the values that PyTorch's quantized layers multiply by.

    Raises ModelError, with the layer's name, where they cannot be told.
    """
    _refuse_open(weights)
    converted = _list_converted(weights)
    values: dict[str, FloatArray] = {}
    shifted = []
    for layer in (*_list_fake_quantized(weights), *converted):
        names = converted.get(layer, (f"{FAKE_QUANT}scale", f"{FAKE_QUANT}zero_point"))
        quantizer = _read_quantizer(weights, layer, names)
        steps = _read_steps(weights, quantizer)
        values[f"{layer}.weight"] = steps * quantizer.expand(quantizer.scale)
        shifted += [layer] if quantizer.zero_point.any() else []
    parts = _list_parts(weights, converted)
    if not values and not parts:
        return ReadQuantized(weights)
    return ReadQuantized(weights.replace(values, parts), _describe(parts, shifted))


def _refuse_open(weights: FolderWeights) -> None:
    for part, meaning in OPEN.items():
        names = sorted(name for name in weights if part in name)
        if names:
            raise ModelError(
                f"The weights hold {list_some([*map(shorten, names)])}: {meaning}, of which "
                f"edge-bert cannot tell the weights; {REMEDY}."
            )


def _list_fake_quantized(weights: FolderWeights) -> list[str]:
    """The layers with fake quantization that is turned on."""
    layers = {name.partition(FAKE_QUANT)[0] for name in weights if FAKE_QUANT in name}
    enabled = {
        layer: _read_switch(weights, f"{layer}{FAKE_QUANT}fake_quant_enabled")
        for layer in sorted(layers)
    }
    return [layer for layer, switch in enabled.items() if switch.any()]


def _read_switch(weights: FolderWeights, name: str) -> Array:
    """Whether a quantizer is turned on, which it is unless whole numbers say that it is not."""
    stored = name in weights and weights.kind(name) in INTEGERS
    return weights.numbers(name) if stored else np.ones(1)


def _list_converted(weights: FolderWeights) -> dict[str, tuple[str, str]]:
    """The layers with an int8 weight, and the names of its scales and zero points."""
    layers = {}
    for name in weights:
        layer = name.removesuffix(".weight")
        if layer == name or weights.kind(name) != "I8" or weights.axes(name) != 2:
            continue
        for scale, zero_point in CONVERTED:
            if layer + scale in weights and layer + zero_point in weights:
                layers[layer] = scale, zero_point
    return layers


def _list_parts(weights: FolderWeights, converted: dict[str, tuple[str, str]]) -> set[str]:
    """The names of the tensors that belong to quantizers."""
    parts = {name for name in weights if FAKE_QUANT in name or ACTIVATION.search(name)}
    return parts | {layer + part for layer, names in converted.items() for part in names}


def _read_quantizer(weights: FolderWeights, layer: str, names: tuple[str, str]) -> _Quantizer:
    """Scales and zero points, which fit the layer's weight; ModelError for others."""
    shape = _read_values(weights, f"{layer}.weight").shape
    scale, zero_point = (_read_values(weights, layer + name) for name in names)
    if not np.isfinite(scale).all() or (scale <= 0).any():
        raise ModelError(
            f"{shorten(layer + names[0])} holds a scale that is 0 or negative; {REMEDY}."
        )
    for name, values in zip(names, (scale, zero_point), strict=True):
        groups = values.shape[1] if values.ndim == 2 else 1
        fits = values.size == 1 or values.shape[:1] == shape[:1]
        if len(shape) != 2 or values.ndim > 2 or not fits or not groups or shape[1] % groups:
            raise ModelError(
                f"{shorten(layer + name)} has the shape {values.shape}, which does not fit a "
                f"weight of {shape}; {REMEDY}."
            )
    scale, zero_point = (
        x.reshape(1, 1) if x.size == 1 else x.reshape(shape[0], -1) for x in (scale, zero_point)
    )
    return _Quantizer(layer, scale.astype(np.float32), zero_point, shape[1])


def _read_values(weights: FolderWeights, name: str) -> Array:
    """A tensor of floats or whole numbers; ModelError where it is missing or not finite."""
    if name not in weights:
        raise ModelError(f"The weights hold a quantizer without {shorten(name)}; {REMEDY}.")
    return weights.numbers(name)


def _read_steps(weights: FolderWeights, quantizer: _Quantizer) -> FloatArray:
    """The integers of a layer less their zero points, as float32."""
    weight = _read_values(weights, f"{quantizer.name}.weight")
    zero_point = quantizer.expand(quantizer.zero_point)
    if weight.dtype == np.int8:
        return weight.astype(np.float32) - zero_point.astype(np.float32)
    steps = weight * (np.float32(1) / quantizer.expand(quantizer.scale))
    if zero_point.dtype.kind == "f":  # an embedding's: added before rounding, as PyTorch does
        steps = np.rint(steps + zero_point)
    else:
        steps = np.rint(steps) + zero_point
    clipped = [np.clip(steps, *ends) for ends in _find_ranges(weights, quantizer)]
    if not clipped or any((x != clipped[0]).any() for x in clipped):
        raise ModelError(
            f"The range of the integers of {shorten(quantizer.name)} does not follow from its "
            f"observer ({shorten(OBSERVER.strip('.'))}); {REMEDY}."
        )
    return np.asarray(clipped[0] - zero_point, np.float32)


def _find_ranges(weights: FolderWeights, quantizer: _Quantizer) -> list[tuple[int, int]]:
    """The least and the largest integer that a layer with fake quantization may have been given.

    PyTorch writes neither, but it takes the scale from the range of the weights that its observer
    saw, so that the scale says how many integers there are.
    """
    low, high = (
        _read_values(weights, f"{quantizer.name}{OBSERVER}{end}_val").reshape(-1, 1)
        for end in ("min", "max")
    )
    eps_name = f"{quantizer.name}{OBSERVER}eps"
    eps = float(weights[eps_name].max()) if weights.shape(eps_name) is not None else 0.0
    live = quantizer.scale > 1.01 * max(eps, SMALLEST)  # a row of zeros says nothing
    if not low.shape == high.shape == live.shape or not live.any():
        return []
    low, high = np.maximum(-low, 0)[live], np.maximum(high, 0)[live]
    scale, zero_point = quantizer.scale[live], quantizer.zero_point[live]
    if not zero_point.any():
        return _find_symmetric_ranges(low / scale, high / scale)
    for most in (2**bits - 1 for bits in WIDTHS):
        if _is_near((low + high) / scale, most):
            least = int(np.median(np.rint(zero_point - low / scale)))
            return [(least, least + most)]
    return []


def _find_symmetric_ranges(low: Array, high: Array) -> list[tuple[int, int]]:
    """The ranges with which rows reach `low` steps below 0 and `high` above it.

    PyTorch's observers put the farther end on half of the number of integers. Its fused operator
    first puts either end on the last integer of its side, of which it reckons with one more below 0
    whether the range has it or not, and then deals out the whole to the range's own.
    """
    ranges = []
    for half in (2 ** (bits - 1) for bits in WIDTHS):
        fused = np.maximum(low / half, high / (half - 1)) * (2 * half - 1)
        for least, count in ((-half, 2 * half - 1), (1 - half, 2 * half - 2)):
            if _is_near(fused, count) or _is_near(np.maximum(low, high), count / 2):
                ranges.append((least, half - 1))
    return ranges


def _is_near(steps: Array, wanted: float) -> bool:
    return bool((np.abs(steps - wanted) <= NEAR * wanted).all())


def _describe(parts: set[str], shifted: list[str]) -> tuple[str, ...]:
    lines = []
    matches = [ACTIVATION.search(name) for name in parts if FAKE_QUANT not in name]
    activations = {match.string[: match.end() - 1] for match in matches if match}
    if activations:
        lines.append(
            "PyTorch's ranges of activations are not taken over, edge-bert calibrates its own: "
            f"{list_some([*map(shorten, sorted(activations))], 2)}"
        )
    if shifted:
        lines.append(
            "weights with zero points, which the runtime's do not have, are rounded again: "
            f"{list_some([*map(shorten, sorted(shifted))])}"
        )
    return tuple(lines)
