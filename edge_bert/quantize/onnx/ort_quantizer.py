"""onnxruntime's own quantizers on our float file, to compare with: dynamic, and static QDQ."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Row = Mapping[str, npt.NDArray[Any]]


MATRICES = ("MatMul", "Gather")  # what ours rounds too: matrices, what they read, and the tables


def quantize_dynamic(source: Path, target: Path) -> None:
    """int8 weights per channel, activations quantized when the model runs."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _quietly():
        quantize_dynamic(source, target, weight_type=QuantType.QInt8, per_channel=True)


def quantize_static(
    source: Path, target: Path, sentences: Sequence[Row], operators: Sequence[str] = ()
) -> None:
    """QDQ with uint8 activations and int8 weights per channel, min-max over `sentences`.

    `operators` are the kinds that are quantized, by default all that onnxruntime can. Its other
    ways to choose ranges do not take sentences of several lengths.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    with _quietly():
        quantize_static(
            source,
            target,
            _SentenceReader(sentences),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(operators) or None,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Silence its warnings about LayerNorm: fusing first, as they advise, changes nothing."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


class _SentenceReader:
    """Sentences as the quantizer asks for them: one at a time, then None."""

    def __init__(self, sentences: Sequence[Row]) -> None:
        self._left: Iterator[Row] = iter(sentences)

    def get_next(self) -> dict[str, npt.NDArray[np.int64]] | None:
        """The inputs [1, n] of the next sentence."""
        sentence = next(self._left, None)
        if sentence is None:
            return None
        return {name: values.astype(np.int64) for name, values in sentence.items()}
