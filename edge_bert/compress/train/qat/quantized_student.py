"""A Keras encoder that computes with the numbers of its file, and the weights that it then has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_bert.compress.train.qat.fake_quant_config import Activations, FakeQuantConfig
from edge_bert.compress.train.qat.scales import (
    Integers,
    fit_scales,
    reduce_integers,
    restore_values,
    round_table,
    round_to_integers,
    scale_shape,
    store_scales,
)
from edge_bert.encoder.replace_arrays import replace_arrays
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import TrainingError
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.weight_grid import WeightGrid

LOG_SCALE = "log_scale"


@dataclass(frozen=True)
class GridWeights:
    """Weights that lie on their grids, and the integers and scales of each matrix by its name."""

    weights: EncoderWeights
    integers: Mapping[str, Integers]
    scales: Mapping[str, FloatArray]


@dataclass(frozen=True)
class FakeQuant:
    """What a Dense computes with in place of its rows and kernel."""

    grid: WeightGrid
    activations: Activations

    def __call__(self, dense: Any, rows: Any) -> tuple[Any, Any]:
        """The rows and the kernel as the file has them."""
        from edge_bert.compress.train.qat.lsq import fake_quantize, round_rows

        dynamic = self.activations is Activations.DYNAMIC_INT8
        kernel = fake_quantize(dense.kernel, getattr(dense, LOG_SCALE), self.grid)
        return round_rows(rows) if dynamic else rows, kernel


def round_tables(weights: EncoderWeights, config: FakeQuantConfig) -> EncoderWeights:
    """The weights with every table that the configuration names on its grid."""
    arrays = weights.arrays
    rounded = {name: round_table(arrays[name], grid) for name, grid in config.tables.items()}
    return replace_arrays(weights, rounded)


def wrap_student(
    model: Any, config: FakeQuantConfig, scales: Mapping[str, FloatArray] | None = None
) -> None:
    """Have the matrices of a Keras encoder, not called yet, compute on their grids from now on.

    `scales` are those to start from, by the names of kernels; without one, it is that of the least
    squared error. Biases, LayerNorms and tables stay as they are.
    """
    from edge_bert.compress.train.keras_student import read_variable
    from edge_bert.encoder.keras_bert import find_variable

    for name, grid in config.matrices.items():
        dense = find_variable(model, name.removesuffix(".kernel"))
        given = (scales or {}).get(name)
        start = fit_scales(read_variable(dense.kernel), grid) if given is None else given
        shape = scale_shape(tuple(dense.kernel.shape), grid)
        variable = dense.add_weight(shape=shape, name=LOG_SCALE, trainable=dense.kernel.trainable)
        setattr(dense, LOG_SCALE, variable)
        variable.assign(np.log(check_scales(name, start)).reshape(shape))
        dense.fake_quant = FakeQuant(grid, config.activations)


def read_grid_weights(model: Any, weights: EncoderWeights, config: FakeQuantConfig) -> GridWeights:
    """`weights` with what the wrapped encoder computes with now, every matrix on its grid.

    Raises TrainingError for a scale that is 0 or no number.
    """
    from edge_bert.compress.train.keras_student import read_variable, read_weights
    from edge_bert.encoder.keras_bert import find_variable

    latent = read_weights(model, weights)
    arrays = latent.arrays
    integers, scales = dict[str, Integers](), dict[str, FloatArray]()
    for name, grid in config.matrices.items():
        path = f"{name.removesuffix('.kernel')}.{LOG_SCALE}"
        learned = np.exp(read_variable(find_variable(model, path)))
        scales[name] = store_scales(check_scales(name, learned), grid)
        rounded = round_to_integers(arrays[name], scales[name], grid)
        integers[name], scales[name] = reduce_integers(rounded, scales[name], grid)
    values = {
        name: restore_values(integers[name], scales[name], grid)
        for name, grid in config.matrices.items()
    }
    return GridWeights(replace_arrays(latent, values), integers, scales)


def check_scales(name: str, scales: FloatArray) -> FloatArray:
    """The scales of a matrix; TrainingError where one is 0, below it or no number."""
    wrong = ~(np.isfinite(scales) & (scales > 0))
    if wrong.any():
        raise TrainingError(
            f"{name}: {int(wrong.sum())} of {wrong.size} scales are 0 or no number; give a lower "
            "--learning-rate, or a model whose weights are numbers."
        )
    return scales
