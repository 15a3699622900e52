"""Going on with fewer tokens: the same in PyTorch, numpy, Keras and files, whatever the padding."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.keras_model import build_keras_model
from edge_bert.encoder.numpy_forward import run_sentences
from edge_bert.encoder.token_vectors import give_token_vectors
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import EdgeBertError, InputError, ModelError, RefusedError
from edge_bert.estimate.file_size import predict_size
from edge_bert.formats.tflite import flatbuffer
from edge_bert.pipeline.build.artifacts import host_runtime
from edge_bert.quantize.apply_recipe import apply_weight_recipe
from edge_bert.quantize.input_hessians import collect_hessians
from edge_bert.quantize.integer.calibrate.calibrate import calibrate_encoder
from edge_bert.quantize.norm_rows import collect_norm_rows
from edge_bert.quantize.onnx.convert import write_float_onnx
from edge_bert.records.recipe import FLOAT16, WI4C_AFP32, WI8_AFP32, Recipe, Scheme
from edge_bert.records.token_cuts import STEP, TokenCut
from edge_bert.sources.load import load_checkpoint
from tests.encoder.running import tflite_runner
from tests.one_line import refused
from tests.tiny import cuts, models

TOLERANCE = 1e-5
NEEDS_TORCH = "PyTorch is not installed; install the extra: pip install 'edge-bert[torch]'"


def run_numpy(weights: EncoderWeights) -> np.ndarray:
    """The outputs of the tiny texts, each at its own length."""
    return np.stack(run_sentences(weights, cuts.draw_texts(weights.input_names)))


def run_torch(folder: Path, texts: list[cuts.Inputs]) -> np.ndarray:
    """Transformers' own layers, with the rows between them chosen by the attention that its hooks
    show: in the order of the text, and without any padding."""
    torch = pytest.importorskip("torch", reason=NEEDS_TORCH)
    import transformers

    network: Any = transformers.BertModel.from_pretrained(folder, attn_implementation="eager")
    received: list[Any] = []
    for layer in network.encoder.layer:
        layer.attention.self.register_forward_hook(lambda *x: received.append(x[2][1]))
    outputs = []
    with torch.inference_mode():
        for text in texts:
            ids = torch.tensor(text["input_ids"]).long()
            rows = network.embeddings(input_ids=ids)
            for done, layer in enumerate(network.encoder.layer, start=1):
                given = layer(rows)
                rows = given if torch.is_tensor(given) else given[0]
                for cut in cuts.CUTS:
                    if cut.after == done:
                        scores = received[-1][0].sum((0, 1))
                        left = min(ids.shape[1], -(-ids.shape[1] * cut.percent // 400) * 4)
                        best = scores[1:].argsort(descending=True)[: left - 1] + 1
                        rows = rows[:, [0, *sorted(best.tolist())]]
            outputs.append(torch.nn.functional.normalize(rows[0].mean(0), dim=0).numpy())
    return np.stack(outputs)


def test_numpy_gives_what_transformers_layers_give(tmp_path: Path) -> None:
    """An independent computation with hooks on PyTorch's attention."""
    weights = encoder_weights(load_checkpoint(str(cuts.write(tmp_path / "m")), tmp_path))
    expected = run_torch(tmp_path / "m", cuts.draw_texts(weights.input_names))
    np.testing.assert_allclose(run_numpy(weights), expected, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("architecture", "head"),
    [("bert", "mean-normalize"), ("roberta", "cls"), ("albert", "classification")],
)
def test_keras_gives_what_numpy_gives(architecture: str, head: str) -> None:
    """In padded batches, whatever the padding."""
    weights = cuts.make_weights(cuts.CUTS, architecture, head)
    model, expected = build_keras_model(weights), run_numpy(weights)
    texts = cuts.draw_texts(weights.input_names)
    for length in (64, 72):
        outputs = np.asarray(model(**cuts.pad_texts(texts, length)))
        np.testing.assert_allclose(outputs, expected, atol=TOLERANCE)


def test_the_file_gives_what_numpy_gives() -> None:
    """In each signature that holds a text."""
    weights = cuts.make_weights()
    texts, expected = cuts.draw_texts(weights.input_names), run_numpy(weights)
    run = tflite_runner(cuts.make_file())
    for length in cuts.LENGTHS:
        fitting = [x for x in texts if x["input_ids"].shape[1] <= length]
        outputs = np.asarray(run(length, cuts.pad_texts(fitting, length)))
        np.testing.assert_allclose(outputs, expected[: len(fitting)], atol=TOLERANCE)


def test_a_text_that_is_no_longer_than_what_stays_loses_nothing() -> None:
    """The others do: what they give differs by far more than rounding."""
    moved = np.abs(run_numpy(cuts.make_weights()) - run_numpy(cuts.make_weights(()))).max(1)
    short = np.array(cuts.COUNTS) <= STEP
    assert moved[short].max() < 1e-6
    assert moved[~short].min() > 1e-2


def test_what_stays_is_a_multiple_of_four_and_follows_from_the_text() -> None:
    """Never less than the share, never more than the text."""
    cut = TokenCut(1, 50)
    assert [cut.count_kept(x) for x in (1, 4, 5, 8, 9, 17, 128)] == [1, 4, 4, 4, 8, 12, 64]


def test_the_file_computes_the_layers_attention_once() -> None:
    """Choosing rows adds no product of matrices to those of the layers and of pooling."""
    model = flatbuffer.read_model(cuts.make_file())
    builtin = flatbuffer.load_schema().BuiltinOperator
    kinds = [flatbuffer.builtin_of(model, x) for x in model.subgraphs[0].operators]
    assert kinds.count(builtin.BATCH_MATMUL) == 2 * cuts.LAYERS + 1
    assert kinds.count(builtin.TOPK_V2) == kinds.count(builtin.GATHER) - 2 == len(cuts.CUTS)


@pytest.mark.parametrize(
    ("recipe", "least"), [(FLOAT16, 0.9999), (WI8_AFP32, 0.999), (WI4C_AFP32, 0.9)]
)
def test_recipes_of_weights_keep_the_cuts(recipe: Recipe, least: float) -> None:
    """Calibrated rounding too; and their size is the computed one."""
    weights = cuts.make_weights()
    texts = cuts.draw_texts(weights.input_names)
    hybrid = recipe.scheme is Scheme.HYBRID
    data = apply_weight_recipe(
        cuts.make_file(),
        recipe,
        host_runtime(),
        hessians=collect_hessians(weights, texts) if recipe.weight_bits == 4 else None,
        norm_rows=collect_norm_rows(weights, texts) if hybrid else None,
    )
    outputs = np.asarray(tflite_runner(data)(64, cuts.pad_texts(texts, 64)))
    assert (outputs * run_numpy(weights)).sum(1).min() > least
    assert abs(predict_size(weights.config, recipe, cuts.LENGTHS) / len(data) - 1) < 0.02


def test_gradients_reach_the_layers_before_a_cut() -> None:
    """The choice has none, but what is chosen has."""
    import tensorflow as tf

    model = build_keras_model(cuts.make_weights())
    batch = cuts.pad_texts(cuts.draw_texts(cuts.make_weights().input_names), 64)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(**batch)[:, 0])
    kernel = model.blocks[0].ffn_out.kernel
    assert np.abs(tape.gradient(loss, kernel.value).numpy()).max() > 0


@pytest.mark.parametrize(
    ("architecture", "head", "kind", "match"),
    [
        ("bert", "token_classification", ModelError, "answers for every token"),
        ("mpnet", "mean", ModelError, r"distance of two tokens \(mpnet\)"),
        ("nomic_bert", "mean", ModelError, "nomic_bert cannot go on with fewer tokens"),
    ],
)
def test_models_that_need_all_tokens_are_refused(
    tmp_path: Path, architecture: str, head: str, kind: type[EdgeBertError], match: str
) -> None:
    """By name, in one line."""
    checkpoint = models.checkpoint(tmp_path / "m", architecture, head, num_hidden_layers=3)
    with refused(kind, match):
        build_keras_model(dataclasses.replace(checkpoint, cuts=cuts.CUTS))


def test_what_has_no_form_of_it_is_refused(tmp_path: Path) -> None:
    """Calibrated integers, ONNX and the vectors of all tokens."""
    weights = cuts.make_weights()
    with refused(RefusedError, "take wi8_afp32"):
        calibrate_encoder(weights, cuts.draw_texts(weights.input_names))
    with refused(RefusedError, "export the one that `invoke tokens` began with"):
        write_float_onnx(weights)
    with refused(InputError, "leave --token-vectors out"):
        give_token_vectors(load_checkpoint(str(cuts.write(tmp_path / "m")), tmp_path))
