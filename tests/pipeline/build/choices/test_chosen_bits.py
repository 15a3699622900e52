"""Bits that the user chose for hybrid files."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_bert.bundle.bundle import Bundle
from edge_bert.errors import InputError, ModelError, RefusedError
from edge_bert.formats.tflite import flatbuffer
from edge_bert.pipeline.build.choices.chosen_bits import check_chosen_bits, choose_bits
from edge_bert.pipeline.export.options import ExportOptions, choose_recipes
from edge_bert.records.recipe import WI2C_AFP32, WI4C_AFP32, WI8_AFP32, WI8_AI8
from edge_bert.records.trained_bits import FORMAT_VERSION, TrainedBits
from edge_bert.records.weight_bits import WeightBits
from edge_bert.report.weight_words import describe_bits
from edge_bert.sources.trained_bits import FILE
from tests.formats.mediapipe.mediapipe_models import mediapipe_text
from tests.one_line import refused
from tests.pipeline import tiny_bundle as tiny

TEXT = "the cat sat on the mat"


def test_layers_and_matrices_keep_four_bits() -> None:
    """By number from either end, or by name; the table has bits of its own."""
    options = tiny.make_options(table_bits=2, wide=("0", "-1", "value"))
    bits = choose_bits(options, WI2C_AFP32, 4)
    assert bits is not None
    assert bits.matrix_bits == (4, 2, 2, 4)
    words = "matrices in 2 bits, in 4 those of layers 0 3, in 4 value of every layer; "
    assert describe_bits(bits) == f"{words}the word table in codebooks"
    four = choose_bits(options, WI4C_AFP32, 4)
    assert four is not None
    assert describe_bits(four) == "matrices in 4 bits; the word table in codebooks"
    eight = choose_bits(tiny.make_options(table_bits=4), WI8_AFP32, 4)
    assert eight is not None
    assert describe_bits(eight) == "matrices in 8 bits; the word table in 4 bits"
    assert choose_bits(options, WI8_AI8, 4) is None
    assert choose_bits(tiny.make_options(), WI2C_AFP32, 4) is None


def test_what_cannot_be_chosen_is_refused() -> None:
    """Each in one line that says what to give."""
    with refused(InputError, "--table-bits 3: give 2"):
        check_chosen_bits(tiny.make_options(table_bits=3), (WI4C_AFP32,))
    with refused(InputError, "--table-bits is for hybrid files: --recipes wi8_afp32"):
        check_chosen_bits(tiny.make_options(table_bits=4), (WI8_AI8,))
    with refused(InputError, "--wide is for files with 2-bit weights: --recipes wi2c_afp32"):
        check_chosen_bits(tiny.make_options(wide=("0",)), (WI4C_AFP32,))
    for wrong in ("4", "-5", "values", "1.5"):
        with refused(InputError, f"--wide {wrong}: give layers from 0 to 3"):
            choose_bits(tiny.make_options(wide=(wrong,)), WI2C_AFP32, 4)


def trained_model(folder: Path, layers: int) -> str:
    """The tiny model, which says that it was trained for `wi4c_afp32` with so many layers."""
    shutil.copytree(tiny.model(), folder)
    bits = WeightBits.of_recipe(WI4C_AFP32, layers)
    trained = TrainedBits(FORMAT_VERSION, WI4C_AFP32.name, bits)
    (folder / FILE).write_bytes(msgspec.json.encode(trained))
    return str(folder)


def test_other_bits_than_the_trained_ones_are_refused(tmp_path: Path) -> None:
    """The weights are the integers of one file; for another recipe the user may choose."""
    session = tiny.open_session(
        model=trained_model(tmp_path / "model", 2), recipes=("wi4c_afp32",), table_bits=8
    )
    with refused(RefusedError, "was trained for wi4c_afp32 with bits of its own; leave"):
        session.bits_for(WI4C_AFP32)
    other = session.bits_for(WI2C_AFP32)
    assert other is not None
    assert other.embedding_bits == 8


def test_trained_bits_of_another_encoder_are_refused(tmp_path: Path) -> None:
    """Beside weights that it was not written for."""
    session = tiny.open_session(model=trained_model(tmp_path / "model", 3))
    with refused(ModelError, "quantization.json is of 3 layers and the model has 2; delete it"):
        session.bits_for(WI4C_AFP32)


@pytest.mark.parametrize("recipe", ["wi4c_afp32", "wi2c_afp32", "wi4c_ai8_afp32"])
def test_no_export_of_narrow_weights(recipe: str) -> None:
    """ONNX gets the recipes that it has."""
    with refused(InputError, f"{recipe} is not exported"):
        choose_recipes(ExportOptions(recipes=(recipe,)))


def test_a_bundle_of_two_bits_runs_here_and_in_mediapipe(tmp_path: Path) -> None:
    """Built as chosen and proven on the runtime; MediaPipe's own runtime gives the same vector."""
    made = tiny.build_in(tmp_path, recipes=["wi2c_afp32"], lengths=[16], wide=["-1"], table_bits=8)
    (artifact,) = made.report.manifest.artifacts
    assert artifact.runtime_check.status == "passed"
    model = flatbuffer.read_model((made.folder / artifact.file).read_bytes())
    types = flatbuffer.load_schema().TensorType
    found = [tensor.type for tensor in model.subgraphs[0].tensors]
    assert (found.count(types.INT2), found.count(types.INT4)) == (6, 6)
    (packaged,) = made.folder.glob("mediapipe*")
    with mediapipe_text().TextEmbedder.create_from_model_path(str(packaged)) as embedder:
        theirs = np.asarray(embedder.embed(TEXT).embeddings[0].embedding)
    ours = Bundle.open(made.folder).encode([TEXT])[0]
    np.testing.assert_allclose(theirs / np.linalg.norm(theirs), ours, atol=1e-5)
