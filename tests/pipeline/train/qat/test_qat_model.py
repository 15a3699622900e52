"""`invoke qat` as a job: a model and texts in, a folder whose file has the trained integers out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_bert.compress.train.qat.fake_quant_config import infer_config
from edge_bert.compress.train.qat.quantized_student import (
    GridWeights,
    read_grid_weights,
    round_tables,
    wrap_student,
)
from edge_bert.convert.keras_to_tflite import convert_to_tflite
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError, ModelError
from edge_bert.pipeline.build.artifacts import host_runtime
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.running.run_signatures import ModelUnderTest, run_texts
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.train.distill.choose_losses import SAME_LAYERS
from edge_bert.pipeline.train.folder.model_folder import write_model_folder
from edge_bert.pipeline.train.labels import tokenize_texts
from edge_bert.pipeline.train.options import QatOptions
from edge_bert.pipeline.train.qat import qat_model
from edge_bert.pipeline.train.qat.choose_stages import find_recipe
from edge_bert.pipeline.train.qat.qat_model import quantize_model
from edge_bert.quantize.hybrid import convert_hybrid
from edge_bert.records.checkpoint import Task
from edge_bert.records.recipe import RECIPES
from edge_bert.records.training import TrainingRun
from edge_bert.records.weight_bits import WeightBits
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.quantize.grids import stored_codes
from tests.tiny import models

WORDS = ("yes", "no", "cat", "mat", "keys", "report", "friday", "train", "city", "word")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny embedding model of one layer."""
    folder = tmp_path_factory.mktemp("model") / "m"
    return models.write(folder, "bert", "mean-normalize", num_hidden_layers=1)


@pytest.fixture
def options(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> QatOptions:
    """Options of a short run, with a cache of its own."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))
    random = np.random.default_rng(0)
    lines = [" ".join(random.choice(WORDS, 5)) for _ in range(96)]
    (tmp_path / "texts.txt").write_text("\n".join(lines), "utf-8")
    return QatOptions(
        name="small",
        model=str(model),
        recipe="wi4c_afp32",
        width="3",
        chain=("4",),
        text=(str(tmp_path / "texts.txt"),),
        out=str(tmp_path / "checkpoints"),
        epochs=3,
        chain_epochs=2,
        batch_size=16,
        learning_rate=3e-3,
        held_out=0.2,
    )


def build_codes(weights: EncoderWeights, bits: WeightBits) -> dict[tuple[int, str], Any]:
    """The integers of the layers in the file that is built of the weights."""
    return stored_codes(convert_hybrid(convert_to_tflite(weights, [16]), bits))


def assert_same_integers(folder: Path, grid: GridWeights, bits: WeightBits) -> None:
    """The file of the folder has the trained integers, bit for bit."""
    codes = build_codes(encoder_weights(load_checkpoint(str(folder), folder.parent)), bits)
    assert len(codes) == 6 * len(bits.matrix_bits)
    for (layer, role), stored in codes.items():
        trained = grid.integers[f"layer.{layer}.{role}.kernel"]
        np.testing.assert_array_equal(stored, trained.T, err_msg=f"{layer} {role}")


def assert_same_answers(folder: Path, grid: GridWeights, bits: WeightBits, scratch: Path) -> None:
    """The file gives on the real runtime what training computed with; in float it is far off."""
    from edge_bert.compress.train.forward import ForwardPass
    from edge_bert.compress.train.keras_student import build_student

    checkpoint = load_checkpoint(str(folder), folder.parent)
    weights = encoder_weights(checkpoint)
    tokenizer = Tokenizer.open_file(checkpoint.tokenizer, 16)
    texts = [" ".join(WORDS[first : first + 6]) for first in range(4)]
    path = scratch / "built.tflite"
    path.write_bytes(convert_hybrid(convert_to_tflite(weights, [16]), bits))
    subject = ModelUnderTest.of(path, checkpoint.head)
    built = run_texts(subject, tokenizer, texts, host_runtime())

    def compute(*, rounds: bool) -> Any:
        student = build_student(weights)
        if rounds:
            wrap_student(student, infer_config(RECIPES["wi4c_afp32"], bits, weights), grid.scales)
        tokens = tokenize_texts(tokenizer, texts)
        return ForwardPass(student, weights.input_names).run(tokens)["output"]

    distance = np.abs(compute(rounds=True) - built).mean()
    assert distance < 0.01 * np.abs(compute(rounds=False) - built).mean()


def test_a_trained_model_is_built_with_its_very_integers(
    options: QatOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes nearer to the float model in each stage, says so, and `build` takes its bits; the
    same command again trains nothing."""
    trained, train_stages = [], qat_model.train_stages

    def keep(*arguments: Any) -> Any:
        trained.append(train_stages(*arguments))
        return trained[-1]

    monkeypatch.setattr(qat_model, "train_stages", keep)
    quantized = quantize_model(options)
    quantization = quantized.run.quantization
    assert quantization is not None
    assert [stage.width for stage in quantization.stages] == ["4", "3"]
    assert quantized.run.losses.hidden == SAME_LAYERS[Task.EMBEDDING].hidden
    for stage in quantization.stages:
        assert stage.score_after > (stage.score_before or 1)
    written = (quantized.folder / "training.json").read_bytes()
    assert msgspec.json.decode(written, type=TrainingRun).quantization == quantization
    for name in ("README.md", "report.html"):
        text = (quantized.folder / name).read_text("utf-8")
        assert "Stage 2: 3 bits; held-out" in text
        assert "A file holds 3 bits in the form of 4 bits" in text
    session = BuildSession.open(BuildOptions("pixel", model=str(quantized.folder)))
    bits = session.bits_for(RECIPES[options.recipe])
    assert bits == quantization.bits == WeightBits((4,), 4, matrix_block=0)
    assert_same_integers(quantized.folder, trained[0][0].grid, bits)
    assert_same_answers(quantized.folder, trained[0][0].grid, bits, options.folder.parent)
    again = quantize_model(options)
    assert again.run.curve == quantized.run.curve
    np.testing.assert_array_equal(
        encoder_weights(load_checkpoint(str(again.folder), again.folder)).layers[0].query.kernel,
        trained[0][0].grid.weights.layers[0].query.kernel,
    )


@pytest.mark.parametrize("recipe", ["wi8_afp32", "wi4_afp32", "wi4c_afp32", "wi2c_afp32"])
def test_each_recipe_keeps_the_integers_of_its_grid(
    recipe: str, model: Path, tmp_path: Path
) -> None:
    """Where the scales are none that rounding would choose."""
    from edge_bert.compress.train.keras_student import build_student
    from edge_bert.encoder.keras_bert import find_variable

    checkpoint = load_checkpoint(str(model), tmp_path)
    weights, chosen = encoder_weights(checkpoint), find_recipe(recipe)
    bits = WeightBits.of_recipe(chosen, 1)
    config = infer_config(chosen, bits, weights)
    start = round_tables(weights, config)
    student = build_student(start)
    wrap_student(student, config)
    random = np.random.default_rng(2)
    for name in config.matrices:
        logs = find_variable(student, name.replace("kernel", "log_scale"))
        logs.assign(logs.value + random.normal(0, 0.1, logs.shape))
    grid = read_grid_weights(student, start, config)
    folder = tmp_path / "written"
    folder.mkdir()
    write_model_folder(grid.weights, checkpoint, folder)
    assert_same_integers(folder, grid, bits)


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"recipe": "float16"}, "float16"),
        ({"recipe": "wi8_ai16"}, "wi8_ai16"),
        ({"recipe": "wi3"}, "wi3"),
        ({"width": "8"}, "--width 8"),
        ({"width": "5"}, "'5' is no width"),
        ({"chain": ("3",)}, "--chain"),
        ({"table_bits": 3}, "--table-bits 3"),
        ({"recipe": "wi2c_afp32", "wide": ("9",), "width": None}, "--wide 9"),
        ({"freeze": "nothing"}, "--freeze nothing"),
        ({"wide_layers": 1}, "--wide-layers 1"),
        ({"epochs": -1}, "--epochs"),
        ({"most_texts": -1}, "--most-texts -1"),
    ],
)
def test_options_that_cannot_be_are_refused(
    changed: dict[str, Any], match: str, options: QatOptions
) -> None:
    """Before anything trains, in one line with the option."""
    with refused(InputError, match):
        quantize_model(msgspec.structs.replace(options, **changed))
    assert not options.folder.exists()


def test_a_build_takes_the_bits_of_the_recipe_that_was_trained(model: Path, tmp_path: Path) -> None:
    """By default it builds that recipe beside its own; others have their own bits."""
    copied = Path(shutil.copytree(model, tmp_path / "m"))
    bits = WeightBits((4,), 8, matrix_block=0)
    trained = {"format_version": 1, "recipe": "wi2c_afp32", "bits": msgspec.to_builtins(bits)}
    (copied / "quantization.json").write_text(json.dumps(trained), "utf-8")
    session = BuildSession.open(BuildOptions("pixel", model=str(copied)))
    assert session.bits_for(RECIPES["wi2c_afp32"]) == bits
    assert session.bits_for(RECIPES["wi4_afp32"]) is None
    assert session.recipes[-1].name == "wi2c_afp32"
    (copied / "quantization.json").write_text(json.dumps(trained | {"format_version": 2}), "utf-8")
    with refused(ModelError, "format version 2"):
        BuildSession.open(BuildOptions("pixel", model=str(copied)))
