"""Where training starts: matrices rounded by GPTQ, and the word table in codebooks, as an
untrained file would have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_bert.compress.train.qat.fake_quant_config import WORD, FakeQuantConfig
from edge_bert.compress.train.snapshots import read_arrays, write_arrays
from edge_bert.encoder.config import MatrixRole
from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.encoder.replace_arrays import replace_arrays
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.progress import Progress, no_progress
from edge_bert.quantize.gptq import Hessian, quantize_gptq, quantize_gptq_channels
from edge_bert.quantize.input_hessians import collect_hessians
from edge_bert.quantize.product_quantization import quantize_table, restore_table
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.weight_bits import STEPS
from edge_bert.records.weight_grid import Granularity, WeightGrid

FILE = "start.safetensors"
KERNEL, SCALE = "kernel.", "scale."
NARROW = (4,)  # bits that start from GPTQ: of two, weights learn faster from where they were
Arrays = Mapping[str, FloatArray]


@dataclass(frozen=True)
class QatStart:
    """The encoder that training starts from, and the scales of those matrices that GPTQ rounded."""

    weights: EncoderWeights
    scales: Arrays


def start_by_gptq(
    weights: EncoderWeights,
    config: FakeQuantConfig,
    sentences: Sequence[Sentence],
    folder: Path,
    progress: Progress = no_progress,
) -> QatStart:
    """`weights` with their matrices of four bits rounded to the first stage's `config`.

    A word table for which that has no grid becomes one of codebooks, and stays so. `sentences` are
    inputs [1, n] by name. What was once computed is in `folder`. Raises InputError for a file there
    that is damaged.
    """
    if not (folder / FILE).is_file():
        kernels, scales = _round_matrices(weights, config, sentences, progress)
        if WORD not in config.tables:
            progress("start: codebooks of the word table")
            kernels[WORD] = restore_table(*quantize_table(weights.embeddings.word))
        named = {f"{KERNEL}{name}": kernel for name, kernel in kernels.items()}
        write_arrays(folder / FILE, named | {f"{SCALE}{x}": y for x, y in scales.items()}, {})
    arrays, _ = read_arrays(folder / FILE)
    return QatStart(replace_arrays(weights, _strip(arrays, KERNEL)), _strip(arrays, SCALE))


def _strip(arrays: Arrays, prefix: str) -> dict[str, FloatArray]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _round_matrices(
    weights: EncoderWeights,
    config: FakeQuantConfig,
    sentences: Sequence[Sentence],
    progress: Progress,
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    kernels, scales, arrays = dict[str, FloatArray](), dict[str, FloatArray](), weights.arrays
    rounded = [name for name, grid in config.matrices.items() if _bits_of(grid)]
    hessians = collect_hessians(weights, sentences) if rounded else []
    for number, name in enumerate(rounded, start=1):
        progress(f"start: GPTQ of matrix {number} of {len(rounded)}")
        _, layer, role, _ = name.split(".")
        hessian = hessians[int(layer)].of(MatrixRole(role), unit=False)
        kernels[name], scales[name] = _round_matrix(arrays[name], hessian, config.matrices[name])
    return kernels, scales


def _round_matrix(
    kernel: FloatArray, hessian: Hessian, grid: WeightGrid
) -> tuple[FloatArray, FloatArray]:
    """A kernel [inputs, outputs] on its grid, and the scales as training has them."""
    matrix = np.ascontiguousarray(kernel.T)
    if grid.granularity is Granularity.BLOCK:
        values, blocks = quantize_gptq(matrix, hessian, grid.block)
        scales = blocks.astype(np.float32)
    else:
        values, channels = quantize_gptq_channels(matrix, hessian, _bits_of(grid))
        scales = channels[:, None]
    size = matrix.shape[1] // scales.shape[1]
    rounded = (values * np.repeat(scales, size, axis=1)).astype(np.float32)
    shaped = scales.T if scales.shape[1] == 1 else scales.T[:, None, :]
    return np.ascontiguousarray(rounded.T), np.ascontiguousarray(shaped)


def _bits_of(grid: WeightGrid) -> int:
    """The bits that GPTQ rounds a grid to; 0 for one that it does not round to."""
    ends = (grid.low, grid.high)
    return next((bits for bits in NARROW if STEPS[bits] == ends), 0)
