"""From an ONNX file to a proven bundle, by both ways in."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from edge_bert.bundle import manifest as manifests
from edge_bert.errors import InputError, ModelError, RefusedError, VerificationError
from edge_bert.pipeline.build.build import build_bundle
from tests.one_line import refused
from tests.pipeline import tiny_bundle as tiny
from tests.recordings.onnx.running import BERT, LENGTH, NEEDED, OTHERS, WITH_HEADS, placed
from tests.sources.onnx.graphs import CLS, TOKENS, dense, write_graph
from tests.tiny.models import write_json

for package in ("onnx", "onnxruntime"):
    pytest.importorskip(package, reason=NEEDED.format(package))
PROFILE = "pixel"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that an earlier test made."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", [BERT[0], WITH_HEADS[2]])
def test_a_recognised_encoder_becomes_a_bundle(name: str, tmp_path: Path) -> None:
    """Tokens or logits: with integers too, as from any checkpoint."""
    path = placed(tmp_path / "model", name)
    said: list[str] = []
    session = tiny.open_session(
        model=str(path),
        recipes=["float32", "wi8_ai8"],
        lengths=[LENGTH],
        out=tmp_path / "out",
    )
    built = build_bundle(session, said.append)
    found = manifests.read_manifest(built.folder)
    assert [each.name for each in found.artifacts] == ["float32", "wi8_ai8"]
    assert all(each.runtime_check.status == "passed" for each in found.artifacts)
    assert found.model.source.startswith("onnx: model.onnx")
    assert any("of onnxruntime on" in line for line in said)


def _write_head(folder: Path, kind: str) -> Path:
    """A recorded encoder with logits for tokens, for spans, or for the text after a softmax."""
    if kind == "classifier":
        nodes, arrays = dense("h/cls", 3, "h/logits")
        nodes = (*CLS, *nodes, ("Softmax", ("h/logits",), "logits"))
        return write_graph(folder, nodes, {"logits": 2}, arrays)
    nodes, arrays = dense(TOKENS, 2 if kind == "span" else 3, "logits")
    path = write_graph(folder, nodes, {"logits": 3}, arrays, tokens=False)
    task = "QuestionAnswering" if kind == "span" else "TokenClassification"
    write_json(folder / "config.json", {"architectures": [f"BertFor{task}"]})
    return path


@pytest.mark.parametrize("kind", ["classifier", "tokens", "span"])
def test_logits_of_every_kind_become_a_bundle(kind: str, tmp_path: Path) -> None:
    """Held to onnxruntime before and after the conversion, whose softmax ours is not."""
    said: list[str] = []
    session = tiny.open_session(
        model=str(_write_head(tmp_path / "model", kind)),
        recipes=["float32"],
        lengths=[LENGTH],
        out=tmp_path / "out",
    )
    assert session.checkpoint.head.activation == ("identity" if kind == "span" else "softmax")
    build_bundle(session, said.append)
    assert any("of onnxruntime on" in line for line in said)


def test_other_numbers_than_onnxruntime_fail_the_build(tmp_path: Path) -> None:
    """The file is exchanged between reading and checking, as a wrong reading would look."""
    path = placed(tmp_path / "model", BERT[0])
    session = tiny.open_session(
        model=str(path), recipes=["float32"], lengths=[LENGTH], out=tmp_path / "out"
    )
    onnx = pytest.importorskip("onnx")
    model = onnx.load_model(path)
    bias = next(t for t in model.graph.initializer if t.name.endswith("output.dense.bias"))
    values = onnx.numpy_helper.to_array(bias) * 1.1
    bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
    onnx.save_model(model, path)
    with refused(VerificationError, "differs from model.onnx on onnxruntime"):
        build_bundle(session)
    assert not (tmp_path / "out" / PROFILE).exists()


def test_a_file_that_onnxruntime_cannot_run_fails_the_build(tmp_path: Path) -> None:
    """With what it says."""
    path = placed(tmp_path / "model", BERT[0])
    session = tiny.open_session(
        model=str(path), recipes=["float32"], lengths=[LENGTH], out=tmp_path / "out"
    )
    path.write_bytes(b"gone")
    with refused(VerificationError, " on onnxruntime: "):
        build_bundle(session)


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    """It gives ids that the table in the graph has no rows for."""
    path = placed(tmp_path / "model", BERT[0])
    onnx = pytest.importorskip("onnx")
    model = onnx.load_model(path)
    table = next(t for t in model.graph.initializer if "word_embeddings" in t.name)
    rows = onnx.numpy_helper.to_array(table)[:300]
    table.CopyFrom(onnx.numpy_helper.from_array(rows, table.name))
    onnx.save_model(model, path)
    for via in (None, "onnx2tf"):
        with refused(ModelError, "the model has 300 embeddings"):
            tiny.open_session(model=str(path), via=via)


def test_fixed_shapes_allow_one_length(tmp_path: Path) -> None:
    """By the second way in; the first takes any up to what the positions allow."""
    path = placed(tmp_path / "model", "bert-tokens-script13-eager-static")
    assert tiny.open_session(model=str(path), lengths=[8, LENGTH]).lengths == (8, LENGTH)
    assert tiny.open_session(model=str(path), via="onnx2tf").lengths == (LENGTH,)
    with refused(InputError, "fixed shapes for 16 tokens: give --lengths 16"):
        tiny.open_session(model=str(path), via="onnx2tf", lengths=[8])


def test_a_graph_without_a_mask_is_refused_by_onnx2tf(tmp_path: Path) -> None:
    """Padding would count as text."""
    path = placed(tmp_path / "model", BERT[0])
    onnx = pytest.importorskip("onnx")
    model = onnx.load_model(path)
    for each in list(model.graph.input):
        if each.name == "attention_mask":
            model.graph.input.remove(each)
    ones = onnx.numpy_helper.from_array(np.ones((1, 1), np.int64), "attention_mask")
    model.graph.initializer.append(ones)
    onnx.save_model(model, path)
    with refused(ModelError, "takes no attention mask"):
        tiny.open_session(model=str(path), via="onnx2tf")


@pytest.mark.slow
def test_an_unknown_encoder_becomes_a_bundle_by_onnx2tf(tmp_path: Path) -> None:
    """With the recipes of weights; those that need an encoder of ours are left out with a reason,
    and refused where they are asked for."""
    # Importing it here would lift the recursion limit of every test that follows.
    if importlib.util.find_spec("onnx2tf") is None:
        pytest.skip(NEEDED.format("onnx2tf"))
    path = placed(tmp_path / "model", OTHERS[2])
    write_json(tmp_path / "model" / "config.json", {"max_position_embeddings": 64})
    given = {"via": "onnx2tf", "lengths": [LENGTH], "out": tmp_path / "out"}
    session = tiny.open_session(model=str(path), **given)
    found = manifests.read_manifest(build_bundle(session).folder)
    assert {"float32", "float16", "wi8_afp32"} <= {each.name for each in found.artifacts}
    assert {"wi8_ai8"} <= {each.name for each in found.skipped}
    assert all(each.runtime_check.status == "passed" for each in found.artifacts)
    asked = tiny.open_session(model=str(path), recipes=["wi8_ai8"], **given)
    with refused(RefusedError, "wi8_ai8 is built from an encoder that edge-bert recognises"):
        build_bundle(asked)
