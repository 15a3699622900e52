"""Which of a LayerNorm's rows matrices read, on tiny encoders whose gammas vary."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge_bert.convert import keras_to_tflite
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.config import MatrixRole
from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.encoder.replace_arrays import replace_arrays
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.hybrid import convert_hybrid
from edge_bert.quantize.norm_rows import LayerNormRows, NormRows, RowMoments, collect_norm_rows
from edge_bert.quantize.tflite_passes.choose_norm_reads import choose_norm_reads
from edge_bert.quantize.tflite_passes.matrix_roles import find_matrices
from edge_bert.records.recipe import WI8_AFP32
from edge_bert.records.weight_bits import WeightBits
from edge_bert.runtimes import tflite
from tests.quantize import small_models as small
from tests.quantize.integer import encoders as tiny
from tests.tiny import models

FAMILIES = ("bert", "mpnet")
LENGTH, SPREAD = 32, 3.0
BITS = WeightBits(matrix_bits=(8, 8), embedding_bits=8)


@functools.cache
def encoder_of(family: str) -> tuple[EncoderWeights, bytes]:
    """A tiny encoder whose gammas vary, and its float32 file."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = models.checkpoint(Path(folder) / "m", family, "mean")
        weights = spread_gammas(encoder_weights(checkpoint))
        return weights, keras_to_tflite.convert_to_tflite(weights, (LENGTH,))


def spread_gammas(weights: EncoderWeights) -> EncoderWeights:
    """Gammas times factors from 1 / SPREAD to SPREAD; the matrices behind them stay."""
    arrays = {
        name: array * np.geomspace(1 / SPREAD, SPREAD, len(array), dtype=np.float32)
        for name, array in weights.arrays.items()
        if name.endswith("norm.gamma")
    }
    return replace_arrays(weights, {**weights.arrays, **arrays})


def embed(data: bytes, sentences: Sequence[Sentence], folder: Path) -> npt.NDArray[np.float32]:
    path = folder / "model.tflite"
    path.write_bytes(data)
    padded = [tiny.padded(sentence, LENGTH) for sentence in sentences]
    feeds = {name: np.concatenate([row[name] for row in padded]) for name in padded[0]}
    run = tflite.run_tflite_model(path, {f"length_{LENGTH}": feeds}, small.HOST)
    return run.real(f"length_{LENGTH}", "embedding")


def other_sentences(weights: EncoderWeights, seed: int) -> list[Sentence]:
    return tiny.sentences(weights, repeats=10, seed=seed)


def forced(weights: EncoderWeights, *, output: bool) -> list[LayerNormRows]:
    """Rows at which one form of every LayerNorm costs nothing."""
    hidden = weights.config.hidden
    free, dear = RowMoments(np.zeros(hidden)), RowMoments(np.full(hidden, 1e9), 1e9)
    rows = NormRows(unit=dear, output=free) if output else NormRows(unit=free, output=dear)
    return [LayerNormRows(rows, rows) for _ in weights.layers]


def read_forms(data: bytes) -> dict[tuple[int, str], str]:
    """The operator that gives the rows that each matrix behind a LayerNorm reads."""
    model = flatbuffer.read_model(data)
    graph = model.subgraphs[0]
    producers = {int(x.outputs[0]): flatbuffer.operator_name(model, x) for x in graph.operators}
    return {
        (matrix.layer, matrix.role.value): producers[int(matrix.operator.inputs[0])]
        for matrix in find_matrices(model, graph)
        if matrix.layer is not None and matrix.role is not None
    }


def test_reading_the_other_rows_changes_no_float_result(tmp_path: Path) -> None:
    """With gamma and beta taken off the matrices, all of which read the rows after both."""
    weights, data = encoder_of("bert")
    model = flatbuffer.read_model(data)
    choose_norm_reads(model, BITS, forced(weights, output=True))
    changed = flatbuffer.write_model(model)
    sentences = other_sentences(weights, 3)
    expected = embed(data, sentences, tmp_path)
    np.testing.assert_allclose(embed(changed, sentences, tmp_path), expected, rtol=1e-4, atol=1e-5)
    behind = {MatrixRole.QUERY, MatrixRole.KEY, MatrixRole.VALUE, MatrixRole.FFN_IN}
    after = {key: form for key, form in read_forms(changed).items() if MatrixRole(key[1]) in behind}
    assert len(after) == 8
    assert set(after.values()) == {"ADD"}
    assert {read_forms(data)[key] for key in after} == {"MUL"}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_choice_is_better_than_either_form_everywhere(family: str, tmp_path: Path) -> None:
    """On sentences that did not choose: each LayerNorm has the form that suits its gammas."""
    weights, data = encoder_of(family)
    sentences = other_sentences(weights, 9)
    exact = embed(data, sentences, tmp_path)

    def error(rows: list[LayerNormRows] | None) -> float:
        file = convert_hybrid(data, WI8_AFP32, None, rows)
        return float(np.square(embed(file, sentences, tmp_path) - exact).mean())

    chosen = error(collect_norm_rows(weights, tiny.sentences(weights, repeats=6)))
    assert chosen < 0.95 * min(error(None), error(forced(weights, output=True)))


def test_folded_rows_stay_where_they_are_better() -> None:
    """The bytes are those without a choice."""
    weights, data = encoder_of("bert")
    assert convert_hybrid(data, WI8_AFP32, None, forced(weights, output=False)) == convert_hybrid(
        data, WI8_AFP32
    )


def test_a_gamma_of_zero_stays_folded() -> None:
    """It cannot be divided out again."""
    weights, data = encoder_of("bert")
    model = flatbuffer.read_model(data)
    gamma = weights.layers[0].attention_norm.gamma
    holders = [x for x in model.buffers if x.data is not None and bytes(x.data) == gamma.tobytes()]
    assert len(holders) == 1
    zeroed = np.where(np.arange(len(gamma)) == 4, 0, gamma).astype(np.float32)
    holders[0].data = np.frombuffer(zeroed.tobytes(), np.uint8)
    choose_norm_reads(model, BITS, forced(weights, output=True))
    forms = read_forms(flatbuffer.write_model(model))
    assert (forms[0, "ffn_in"], forms[1, "ffn_in"]) == ("MUL", "ADD")
