"""Encoders in ONNX files are recognised, whatever an exporter made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_bert.encoder.checkpoint import input_names
from edge_bert.encoder.keras_model import build_keras_model
from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import Checkpoint, Pooling, Task
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.recordings.onnx.make import FFN, HEADS, HIDDEN, LAYERS, POSITIONS, WORDS
from tests.recordings.onnx.running import (
    BERT,
    OTHERS,
    WITH_BIAS,
    WITH_HEADS,
    WITH_NARROW_TABLES,
    mean_of,
    onnxruntime_outputs,
    placed,
    sentences,
)
from tests.tiny.models import change_json, write_json

TOLERANCE = 1e-4


def _loaded(path: Path) -> Checkpoint:
    return load_checkpoint(str(path), path.parent)


def _outputs(checkpoint: Checkpoint) -> np.ndarray:
    inputs = sentences()
    named = {name: inputs[name].astype(np.int32) for name in input_names(checkpoint)}
    return np.asarray(build_keras_model(checkpoint)(**named))


@pytest.mark.parametrize("name", [*BERT, *WITH_NARROW_TABLES, *WITH_BIAS])
def test_tokens_are_those_of_onnxruntime(name: str, tmp_path: Path) -> None:
    """Both exporters, fused or not, fixed or free sizes: the mean of the tokens is the same."""
    path = placed(tmp_path, name)
    checkpoint = _loaded(path)
    assert checkpoint.head.poolings == (Pooling.MEAN,)
    expected = mean_of(onnxruntime_outputs(path, sentences()), sentences())
    assert np.abs(_outputs(checkpoint) - expected).max() <= TOLERANCE


@pytest.mark.parametrize("name", WITH_HEADS)
def test_heads_are_those_of_onnxruntime(name: str, tmp_path: Path) -> None:
    """Pooling, unit length and classifiers are found in the graph."""
    path = placed(tmp_path, name)
    checkpoint = _loaded(path)
    wanted = Task.CLASSIFICATION if "logits" in name else Task.EMBEDDING
    assert checkpoint.head.task is wanted
    assert checkpoint.head.normalize == ("mean" in name)
    expected = onnxruntime_outputs(path, sentences())
    assert np.abs(_outputs(checkpoint) - expected).max() <= TOLERANCE


@pytest.mark.parametrize("name", BERT)
def test_sizes_come_from_the_graph(name: str, tmp_path: Path) -> None:
    """No config.json is needed; a graph of fixed shapes has the positions that it was made with."""
    config = _loaded(placed(tmp_path, name)).config
    sizes = {config.get(key, config.get(short)) for key, short in (("hidden_size", "dim"),)}
    assert sizes == {HIDDEN}
    assert config.get("num_attention_heads", config.get("n_heads")) == HEADS
    assert config.get("num_hidden_layers", config.get("n_layers")) == LAYERS
    assert config.get("intermediate_size", config.get("hidden_dim")) == FFN
    assert config["vocab_size"] == WORDS
    rows = config["max_position_embeddings"] - (2 if config["model_type"] == "roberta" else 0)
    assert rows == (16 if "static" in name else POSITIONS)


@pytest.mark.parametrize(
    ("family", "name"),
    [(name.partition("-")[0], name) for name in (*BERT, *WITH_NARROW_TABLES, *WITH_BIAS)],
)
def test_the_architecture_is_the_one_that_fits(family: str, name: str, tmp_path: Path) -> None:
    """So that the manifest says what the model is."""
    assert _loaded(placed(tmp_path, name)).architecture == family


@pytest.mark.parametrize("name", OTHERS[2:])
def test_an_unknown_encoder_says_the_other_way_in(name: str, tmp_path: Path) -> None:
    """What differs from an encoder that we know, and --via onnx2tf."""
    with refused(ModelError, "Try invoke build --via onnx2tf"):
        _loaded(placed(tmp_path, name))


def test_no_name_in_the_file_matters(tmp_path: Path) -> None:
    """Weights and values may be called anything: data flow decides."""
    onnx = pytest.importorskip("onnx")
    path = placed(tmp_path, BERT[0])
    before = _outputs(_loaded(path))
    model = onnx.load_model(path)
    kept = {each.name for each in (*model.graph.input, *model.graph.output)}
    names = {each.name for each in model.graph.initializer}
    names |= {name for node in model.graph.node for name in node.output}
    new = {name: f"v{index}" for index, name in enumerate(sorted(names - kept))}
    for tensor in model.graph.initializer:
        tensor.name = new.get(tensor.name, tensor.name)
    for node in model.graph.node:
        node.name = ""
        for values in (node.input, node.output):
            values[:] = [new.get(name, name) for name in values]
    del model.graph.value_info[:]
    onnx.save_model(model, path)
    assert np.array_equal(_outputs(_loaded(path)), before)


def test_inputs_of_other_names_are_recognised(tmp_path: Path) -> None:
    """By the tables that they look up; the one that is left is the mask."""
    onnx = pytest.importorskip("onnx")
    path = placed(tmp_path, BERT[0])
    model = onnx.load_model(path)
    new = {"input_ids": "a", "attention_mask": "b", "token_type_ids": "c"}
    _rename_inputs(model, new)
    onnx.save_model(model, path)
    checkpoint = _loaded(path)
    assert checkpoint.onnx is not None
    assert checkpoint.onnx.inputs == {theirs: ours for ours, theirs in new.items()}


def test_inputs_that_nobody_can_name_are_refused(tmp_path: Path) -> None:
    """Two inputs besides the tokens, of which neither looks up a table."""
    onnx = pytest.importorskip("onnx")
    path = placed(tmp_path, BERT[0])
    model = onnx.load_model(path)
    _rename_inputs(model, {"attention_mask": "b"})
    model.graph.input.append(onnx.helper.make_tensor_value_info("d", 1, [1, 4]))
    onnx.save_model(model, path)
    with refused(ModelError, "cannot all be named"):
        _loaded(path)


def _rename_inputs(model: object, new: dict[str, str]) -> None:
    graph = model.graph  # type: ignore[attr-defined]
    for each in graph.input:
        each.name = new.get(each.name, each.name)
    for node in graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]


def test_float16_weights_are_read_as_float32(tmp_path: Path) -> None:
    """A file of half the size: weights cast back, or computed with as they are."""
    onnx = pytest.importorskip("onnx")
    path = placed(tmp_path, BERT[0])
    exact = _outputs(_loaded(path))
    model = onnx.load_model(path)
    nodes = []
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.dtype != np.float32:
            continue
        half = onnx.numpy_helper.from_array(array.astype(np.float16), f"{tensor.name}/half")
        nodes.append(onnx.helper.make_node("Cast", [half.name], [tensor.name], to=1))
        tensor.CopyFrom(half)
    for node in reversed(nodes):
        model.graph.node.insert(0, node)
    onnx.save_model(model, path)
    checkpoint = _loaded(path)
    assert all(array.dtype == np.float32 for array in checkpoint.weights.values())
    assert checkpoint.onnx is not None
    assert np.abs(_outputs(checkpoint) - exact).max() < 0.05


def test_config_that_contradicts_the_graph_is_refused(tmp_path: Path) -> None:
    """A config.json of another model beside the file."""
    path = placed(tmp_path, BERT[0])
    write_json(tmp_path / "config.json", {"model_type": "bert", "num_hidden_layers": LAYERS + 1})
    with refused(ModelError, "contradict each other: num_hidden_layers"):
        _loaded(path)
    change_json(tmp_path / "config.json", num_hidden_layers=LAYERS)
    assert _loaded(path).architecture == "bert"


def test_labels_come_from_config(tmp_path: Path) -> None:
    """And must be as many as the logits; without config.json they are numbered."""
    path = placed(tmp_path, "bert-logits-dynamo18-eager-dynamic")
    assert _loaded(path).head.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    write_json(tmp_path / "config.json", {"id2label": {"0": "no", "1": "so", "2": "yes"}})
    assert _loaded(path).head.labels == ("no", "so", "yes")
    write_json(tmp_path / "config.json", {"id2label": {"0": "no", "1": "yes"}})
    with refused(ModelError, "2 labels, the graph gives 3 logits"):
        _loaded(path)


def test_pooling_of_tokens_comes_from_sentence_transformers_files(tmp_path: Path) -> None:
    """The folder of the tokenizer says what to do with tokens, else their mean is noted."""
    path = placed(tmp_path, BERT[0])
    assert "mean" in _loaded(path).origin
    kinds = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}
    modules = [{"type": f"sentence_transformers.models.{k}", "path": p} for k, p in kinds.items()]
    write_json(tmp_path / "modules.json", modules)
    write_json(tmp_path / "1_Pooling" / "config.json", {"pooling_mode_cls_token": True})
    head = _loaded(path).head
    assert (head.poolings, head.normalize) == ((Pooling.CLS,), True)


def test_the_tokenizer_may_be_elsewhere(tmp_path: Path) -> None:
    """--tokenizer FOLDER, or the folder above one that is called onnx, as on the hub."""
    path = placed(tmp_path / "tokenizer", BERT[0])
    moved = tmp_path / "elsewhere" / "model.onnx"
    moved.parent.mkdir()
    path.rename(moved)
    with refused(ModelError, "tokenizer.json is missing; name the folder .* with --tokenizer"):
        load_checkpoint(str(moved), tmp_path)
    assert load_checkpoint(str(moved), tmp_path, tmp_path / "tokenizer").name == "tokenizer"
    above = placed(tmp_path / "hub", BERT[0])
    (tmp_path / "hub" / "onnx").mkdir()
    above.rename(tmp_path / "hub" / "onnx" / "model.onnx")
    assert load_checkpoint(str(tmp_path / "hub" / "onnx" / "model.onnx"), tmp_path).name == "hub"


@pytest.mark.parametrize(
    ("model", "tokenizer", "via", "match"),
    [
        ("missing.onnx", None, None, "no such file"),
        (None, "somewhere", None, "--tokenizer"),
        (".", None, "onnx2tf", "--via"),
        ("missing.onnx", None, "another", "no such file"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    model: str | None, tokenizer: str | None, via: str | None, match: str, tmp_path: Path
) -> None:
    """One line that names the option."""
    with refused(ModelError, match):
        load_checkpoint(model, tmp_path, Path(tokenizer) if tokenizer else None, via)


def test_a_folder_with_nothing_but_onnx_names_the_file(tmp_path: Path) -> None:
    """As users give the folder that an exporter wrote, or that the hub keeps."""
    path = placed(tmp_path / "model" / "onnx", BERT[0])
    for folder in (path.parent, path.parents[1]):
        with refused(ModelError, f"but ONNX; give the file: --model {path}"):
            load_checkpoint(str(folder), tmp_path)


def test_the_operator_in_the_place_of_softmax_is_named(tmp_path: Path) -> None:
    """With where it is: one of ONNX's own, and one of a stranger's that no way in takes."""
    onnx = pytest.importorskip("onnx")
    path = placed(tmp_path, BERT[0])
    model = onnx.load_model(path)
    node = next(each for each in model.graph.node if each.op_type == "Softmax")
    node.op_type, node.name = "Hardmax", "layer.0/weights"
    onnx.save_model(model, path)
    with refused(ModelError, "but Hardmax at 'layer.0/weights'. Try invoke build --via onnx2tf"):
        _loaded(path)
    node.op_type, node.domain = "Sparsemax", "acme"
    del node.attribute[:]
    model.opset_import.append(onnx.helper.make_opsetid("acme", 1))
    onnx.save_model(model, path)
    with refused(ModelError, "but Sparsemax at 'layer.0/weights'.*'acme', .* export the model"):
        _loaded(path)


def test_two_ways_in_have_different_identities(tmp_path: Path) -> None:
    """The file, its tokenizer and what lies beside it are in the sha256."""
    path = placed(tmp_path, BERT[0])
    first = _loaded(path).sha256
    write_json(tmp_path / "config.json", {"model_type": "bert"})
    assert _loaded(path).sha256 != first
