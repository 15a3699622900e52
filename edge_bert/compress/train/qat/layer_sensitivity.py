"""Which layers lose most by narrow weights: each rounded by itself, its effect on the output."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_bert.compress.prune.output_error import output_error
from edge_bert.compress.train.qat.fake_quant_config import FakeQuantConfig
from edge_bert.compress.train.qat.scales import fit_scales, restore_values, round_to_integers
from edge_bert.encoder import numpy_forward
from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.encoder.replace_arrays import replace_arrays
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.progress import Progress, no_progress


def rank_sensitive_layers(
    weights: EncoderWeights,
    config: FakeQuantConfig,
    sentences: Sequence[Sentence],
    progress: Progress = no_progress,
) -> tuple[int, ...]:
    """The layers, the one whose grids change the outputs most first.

    `sentences` are inputs [1, n] by name. Training makes up for much of what is measured here, but
    what a layer loses by rounding is where it has to start.
    """
    expected = numpy_forward.run_encoder(weights, sentences)
    errors = []
    for layer in range(len(weights.layers)):
        rounded = _round_layer(weights, config, layer)
        outputs = numpy_forward.run_encoder(rounded, sentences)
        errors.append(output_error(outputs, expected))
        progress(f"sensitivity: layer {layer} of {len(weights.layers)} by itself {errors[-1]:.4f}")
    return tuple(int(layer) for layer in np.argsort(errors, kind="stable")[::-1])


def _round_layer(weights: EncoderWeights, config: FakeQuantConfig, layer: int) -> EncoderWeights:
    arrays, rounded = weights.arrays, {}
    for name, grid in config.matrices.items():
        if name.startswith(f"layer.{layer}."):
            scales = fit_scales(arrays[name], grid)
            integers = round_to_integers(arrays[name], scales, grid)
            rounded[name] = restore_values(integers, scales, grid)
    return replace_arrays(weights, rounded)
