"""`invoke qat` for recipes whose activations are integers: trained, built, and run the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from edge_bert.data.buckets import encode_unpadded
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.errors import InputError
from edge_bert.formats.tflite import flatbuffer
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.train.options import QatOptions
from edge_bert.pipeline.train.qat import calibration, train_integers
from edge_bert.pipeline.train.qat.compare_codes import compare_codes
from edge_bert.pipeline.train.qat.integer_start import start_encoder
from edge_bert.pipeline.train.qat.qat_model import quantize_model
from edge_bert.pipeline.train.trained_model import TrainedModel
from edge_bert.progress import no_progress
from edge_bert.quantize.channelwise import unpack_steps
from edge_bert.quantize.integer.calibrate.learned_encoder import LearnedEncoder
from edge_bert.quantize.integer.calibrate.learned_file import FILE
from edge_bert.quantize.integer.lower.dense_parts import list_dense, name_kernel
from edge_bert.records.recipe import RECIPES, Recipe
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.tiny import models

WORDS = ("yes", "no", "cat", "mat", "keys", "report", "friday", "train", "city", "word")
RECIPE = RECIPES["wi4c_ai8"]  # its int4 leaves most to learn; outlier neurons keep 8 bits
# Rounding of the kernels: fixed-point multipliers, tables of 256 entries.
MOST_STEPS = 1
COUNT = 32


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> QatOptions:
    """Options of a short run on a tiny embedding model of one layer."""
    folder = tmp_path_factory.mktemp("qat")
    models.write(folder / "m", "bert", "mean-normalize", num_hidden_layers=1)
    random = np.random.default_rng(0)
    lines = [" ".join(random.choice(WORDS, 5)) for _ in range(320)]
    (folder / "texts.txt").write_text("\n".join(lines), "utf-8")
    return QatOptions(
        name="small",
        model=str(folder / "m"),
        recipe=RECIPE.name,
        text=(str(folder / "texts.txt"),),
        out=str(folder / "checkpoints"),
        epochs=8,
        patience=8,
        batch_size=16,
        learning_rate=3e-4,
        held_out=0.2,
    )


@pytest.fixture(scope="module")
def trained(options: QatOptions, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    """The trained model, calibrated with few sentences, in a folder of its own."""
    work = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "DEFAULT_COUNT", COUNT)
        patch.setattr(train_integers, "choose_work_folder", lambda _: work / "run")
        return quantize_model(options)


@pytest.fixture(scope="module")
def session(trained: TrainedModel) -> BuildSession:
    """A build of the trained model."""
    return BuildSession.open(
        BuildOptions("pixel", model=str(trained.folder), recipes=(RECIPE.name,), lengths=(16,))
    )


def learned_of(session: BuildSession, recipe: Recipe = RECIPE) -> LearnedEncoder:
    """What training found."""
    learned = session.learned_for(recipe)
    assert learned is not None
    return learned


def unpack(data: npt.NDArray[Any], count: int) -> npt.NDArray[np.int8]:
    """The integers of a constant: one of 8 bits to a byte, or two of 4, the lower half first."""
    return data.view(np.int8) if data.size == count else unpack_steps(data, 4)


@pytest.fixture(scope="module")
def built(session: BuildSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that is built."""
    path = tmp_path_factory.mktemp("built") / f"{RECIPE.name}.tflite"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_BERT_CACHE", str(path.parent / "cache"))
        path.write_bytes(artifacts.build_artifact(session, RECIPE, no_progress))
    return path


def test_training_comes_nearer_to_the_float_model(trained: TrainedModel) -> None:
    """And its record says for what."""
    curve, quantization = trained.run.curve, trained.run.quantization
    assert curve.start_score is not None
    assert curve.best_score > curve.start_score
    assert quantization is not None
    assert quantization.recipe == RECIPE.name


def test_the_file_has_the_trained_integers_bit_for_bit(session: BuildSession, built: Path) -> None:
    """Every matrix of the graph that training changed."""
    learned = learned_of(session)
    model = flatbuffer.read_model(built.read_bytes())
    tensors = {tensor.name.decode(): tensor for tensor in model.subgraphs[0].tensors}
    matrices = list_dense(learned.codes)
    assert len(matrices) == 4 + 2 * len(learned.codes.layers[0].ffn)
    for name, dense in matrices.items():
        tensor = tensors[name_kernel(name)]
        stored = unpack(np.asarray(model.buffers[tensor.buffer].data), dense.kernel.size)
        np.testing.assert_array_equal(stored.reshape(dense.kernel.T.shape), dense.kernel.T)
        np.testing.assert_array_equal(tensor.quantization.scale, learned.scales[name])


def test_training_moved_integers_and_ranges(session: BuildSession, options: QatOptions) -> None:
    """They are not those that a build of the untrained model has."""
    plain = BuildSession.open(
        BuildOptions(
            "pixel",
            model=options.model,
            recipes=(RECIPE.name,),
            lengths=(16,),
            calibration_count=COUNT,
        )
    )
    learned = learned_of(session)
    histogram = plain.calibrated.ranges.histograms["layer.0.context"]
    low, high = learned.ranges["layer.0.context"]
    assert abs(high - histogram.high) + abs(low - histogram.low) > 0.01 * histogram.high
    start = start_encoder(plain.calibrated, RECIPE).constants[name_kernel("layer.0.query")].value
    assert (start != list_dense(learned.codes)["layer.0.query"].kernel.T).any()


def test_training_computes_what_the_runtime_computes(session: BuildSession, built: Path) -> None:
    """Within one step for every operator that has the runtime's inputs."""
    sentences = ["yes no cat", "report friday train city word", "mat"]
    rows = encode_unpadded(session.tokenizer, session.weights.input_names, sentences)
    inputs = {name: np.zeros((len(rows), 16), np.int32) for name in session.weights.input_names}
    for index, row in enumerate(rows):
        for name, values in row.items():
            inputs[name][index, : values.shape[1]] = values[0]
    calibrated = learned_of(session).complete(session.weights)
    agreements = compare_codes(calibrated, RECIPE, built, inputs)
    assert {"FULLY_CONNECTED", "SOFTMAX", "GELU", "RSQRT"} <= {a.operator for a in agreements}
    assert max(agreement.largest for agreement in agreements) <= MOST_STEPS


def test_the_float_weights_of_the_folder_are_trained_too(
    trained: TrainedModel, options: QatOptions
) -> None:
    """Other recipes start from them; transformers opens them as ever."""
    assert (trained.folder / FILE).is_file()
    after = encoder_weights(load_checkpoint(str(trained.folder), trained.folder.parent))
    before = encoder_weights(load_checkpoint(options.model, trained.folder.parent))
    change = after.layers[0].query.kernel - before.layers[0].query.kernel
    assert 0 < np.abs(change).max() < np.abs(before.layers[0].query.kernel).max()


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("recipe", "wi8_ai16", "is not trained here"),
        ("width", "3", "--width"),
        ("hidden", 1.0, "--hidden"),
        ("epochs", 1, "give 2 or more"),
        ("freeze", "nothing", "--freeze"),
    ],
)
def test_what_cannot_be_trained_is_refused_by_name(
    options: QatOptions, field: str, value: object, says: str
) -> None:
    """Before anything is computed."""
    wrong = msgspec.structs.replace(options, name="never", **{field: value})
    with refused(InputError, says):
        quantize_model(wrong)
    assert not (Path(options.out) / "never").exists()
