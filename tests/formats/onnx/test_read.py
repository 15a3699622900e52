"""ONNX files are hostile until checked: each fault is one line, and nothing else is opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.errors import ModelError
from edge_bert.formats.onnx import read as reading
from edge_bert.formats.onnx.evaluate import evaluate_node
from edge_bert.formats.onnx.graph import graph_of
from edge_bert.formats.onnx.read import list_files, read_onnx
from tests.one_line import refused
from tests.recordings.onnx.make import HERE

onnx = pytest.importorskip(
    "onnx", reason="onnx is not installed; install the extra: pip install 'edge-bert[onnx]'"
)
BERT = HERE / "bert-tokens-dynamo18-sdpa-dynamic.onnx"


@pytest.fixture
def model() -> Any:
    """A recorded model, to be spoilt."""
    return onnx.load_model(BERT)


def _saved(model: Any, folder: Path) -> Path:
    path = folder / "model.onnx"
    onnx.save_model(model, path)
    return path


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no usable ONNX model .the file is empty"),
        (b"\x00" * 100, "no usable ONNX model .not ONNX"),
        (b"not ONNX at all", "no usable ONNX model .not ONNX"),
        (b"PK\x03\x04", "no usable ONNX model .not ONNX"),
        (b"\x08", "no usable ONNX model .not ONNX"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"),
    ],
)
def test_what_is_not_onnx_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    """Empty files, text, archives, and what Git leaves where a large file is not fetched."""
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with refused(ModelError, reason):
        read_onnx(path)


@pytest.mark.parametrize("part", [0.01, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_short_is_refused(part: float, tmp_path: Path) -> None:
    """At any place."""
    data = BERT.read_bytes()
    path = tmp_path / "model.onnx"
    path.write_bytes(data[: int(len(data) * part)])
    with refused(ModelError, "no usable ONNX model .cut short"):
        read_onnx(path)


def test_an_old_opset_is_refused(model: Any, tmp_path: Path) -> None:
    """With the one it has and the one it needs."""
    model.opset_import[0].version = 9
    with refused(ModelError, "opset 9; edge-bert reads opset 11"):
        read_onnx(_saved(model, tmp_path))


def test_a_model_above_2_gb_is_refused(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the sizes of its files, before they are read; the limit is lowered for the test."""
    path = _saved(model, tmp_path)
    monkeypatch.setattr(reading, "MAX_BYTES", path.stat().st_size - 1)
    with refused(ModelError, "up to 2 GB"):
        read_onnx(path)


def test_external_data_above_2_gb_is_refused(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is small, its weights are not."""
    path = _external(model, tmp_path)
    monkeypatch.setattr(reading, "MAX_BYTES", path.stat().st_size + 100)
    with refused(ModelError, "with its external data"):
        read_onnx(path)


def _external(model: Any, folder: Path) -> Path:
    path = folder / "model.onnx"
    onnx.save_model(
        model, path, save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    return path


def test_external_data_is_read(model: Any, tmp_path: Path) -> None:
    """Beside the model, and its file counts for the digest."""
    path = _external(model, tmp_path)
    assert list_files(path) == [path, tmp_path / "weights.bin"]
    found = {each.name: each for each in read_onnx(path).graph.initializer}
    for tensor in onnx.load_model(BERT).graph.initializer:
        wanted = onnx.numpy_helper.to_array(tensor)
        assert np.array_equal(onnx.numpy_helper.to_array(found[tensor.name]), wanted)


def test_external_data_in_the_hubs_cache(model: Any, tmp_path: Path) -> None:
    """The file and its data are links to blobs, side by side as they were published."""
    snapshot, blobs = tmp_path / "snapshots" / ("a" * 40) / "onnx", tmp_path / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, path in enumerate(list_files(_external(model, tmp_path))):
        path.rename(blobs / f"{number:064x}")
        (snapshot / path.name).symlink_to(f"../../../blobs/{number:064x}")
    found = {each.name: each for each in read_onnx(snapshot / "model.onnx").graph.initializer}
    for tensor in onnx.load_model(BERT).graph.initializer:
        wanted = onnx.numpy_helper.to_array(tensor)
        assert np.array_equal(onnx.numpy_helper.to_array(found[tensor.name]), wanted)
    assert list_files(snapshot / "model.onnx")[1] == snapshot / "weights.bin"


def test_missing_external_data_is_named(model: Any, tmp_path: Path) -> None:
    """The file that somebody forgot to copy."""
    path = _external(model, tmp_path)
    (tmp_path / "weights.bin").unlink()
    with refused(ModelError, "'weights.bin', which is missing"):
        read_onnx(path)


def test_external_data_that_is_cut_short_is_refused(model: Any, tmp_path: Path) -> None:
    """A weight would end beyond the end of the file."""
    path = _external(model, tmp_path)
    (tmp_path / "weights.bin").write_bytes((tmp_path / "weights.bin").read_bytes()[:-10])
    with refused(ModelError, "cut short"):
        read_onnx(path)


def test_external_data_that_git_did_not_fetch_is_named(model: Any, tmp_path: Path) -> None:
    """With what fetches it."""
    path = _external(model, tmp_path)
    data = next(other for other in list_files(path) if other != path)
    data.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n")
    with refused(ModelError, f"{data.name} is a Git LFS pointer.*git lfs pull"):
        read_onnx(path)


@pytest.mark.parametrize("name", ["LayerNormalization", "Gelu"])
def test_operators_before_their_opset_are_read(name: str, tmp_path: Path) -> None:
    """ONNX Runtime's optimizer writes them into the default domain of any file."""
    path = tmp_path / "model.onnx"
    inputs = ["x", "scale"] if name == "LayerNormalization" else ["x"]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(name, inputs, ["y"])],
        "early",
        [onnx.helper.make_tensor_value_info("x", 1, [1, 4])],
        [onnx.helper.make_tensor_value_info("y", 1, [1, 4])],
        [onnx.numpy_helper.from_array(np.full(4, 2, np.float32), "scale")],
    )
    opsets = [onnx.helper.make_opsetid("", 14)]
    onnx.save_model(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    read = graph_of(read_onnx(path))
    rows = np.array([[-1.0, 0.5, 1.0, 2.0]], np.float32)
    expected = (rows - rows.mean()) / rows.std() * 2
    if name == "Gelu":
        expected = np.array([[-0.158655, 0.345731, 0.841345, 1.954500]])
    assert np.allclose(evaluate_node(read, "y", {"x": rows}), expected, atol=1e-3)


def test_an_unknown_operator_of_the_default_domain_is_refused(tmp_path: Path, model: Any) -> None:
    """Only those of the optimizer are let through."""
    model.graph.node[-1].op_type = "NoSuchOperator"
    with refused(ModelError, "NoSuchOperator"):
        read_onnx(_saved(model, tmp_path))


@pytest.mark.parametrize("form", ["absolute", "above", "link", "empty"])
def test_external_data_outside_the_folder_is_not_read(
    form: str, model: Any, tmp_path: Path
) -> None:
    """However it is written, and also behind a link."""
    (tmp_path / "in").mkdir()
    path = _external(model, tmp_path / "in")
    secret = tmp_path / "secret"
    (tmp_path / "in" / "weights.bin").rename(secret)
    (tmp_path / "in" / "link").symlink_to(secret)
    locations = {"absolute": str(secret), "above": "../secret", "link": "link", "empty": ""}
    spoilt = onnx.load_model(path, load_external_data=False)
    for tensor in spoilt.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = locations[form]
    path.write_bytes(spoilt.SerializeToString())
    with refused(ModelError, "outside its folder|leads out of the model's folder"):
        read_onnx(path)


def test_external_data_at_a_negative_offset_is_refused(model: Any, tmp_path: Path) -> None:
    """No place in a file."""
    path = _external(model, tmp_path)
    spoilt = onnx.load_model(path, load_external_data=False)
    for entry in spoilt.graph.initializer[0].external_data:
        if entry.key == "offset":
            entry.value = "-8"
    path.write_bytes(spoilt.SerializeToString())
    with refused(ModelError, "no usable ONNX"):
        read_onnx(path)


def test_a_quantized_model_is_refused(model: Any, tmp_path: Path) -> None:
    """With the operator, and what to give instead."""
    node = next(each for each in model.graph.node if each.op_type == "MatMul")
    made = onnx.helper.make_node("DynamicQuantizeLinear", [node.input[0]], ["q", "s", "z"], "here")
    model.graph.node.insert(list(model.graph.node).index(node), made)
    with refused(ModelError, "DynamicQuantizeLinear at 'here'.*give the float model"):
        read_onnx(_saved(model, tmp_path))


def _without_maker(model: Any) -> None:
    del model.graph.node[3]


def _twice(model: Any) -> None:
    model.graph.node.append(model.graph.node[0])


def _too_few_bytes(model: Any) -> None:
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-4]


@pytest.mark.parametrize("spoil", [_without_maker, _twice, _too_few_bytes])
def test_a_graph_that_contradicts_itself_is_refused(
    spoil: Callable[[Any], None], model: Any, tmp_path: Path
) -> None:
    """Values that nobody makes or two make, weights that are shorter than they say."""
    spoil(model)
    with refused(ModelError, "no usable ONNX"):
        read_onnx(_saved(model, tmp_path))
