"""`invoke build --model bad.onnx` as a user types it: one line, exit code 2, nothing written."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.recordings.onnx.running import BERT, NEEDED, OTHERS, placed
from tests.test_command_line import invoke, leftovers, wrong

onnx = pytest.importorskip("onnx", reason=NEEDED.format("onnx"))
ABOVE_2_GB = 2 * 1024**3 + 1


def _build(model: Path, out: Path, *arguments: str) -> Any:
    return invoke("build", "--profile", "pixel", "--model", model, "--out", out, *arguments)


def _changed(path: Path, change: Callable[[Any], None]) -> None:
    model = onnx.load_model(path)
    change(model)
    onnx.save_model(model, path)


def _no_onnx(path: Path) -> None:
    path.write_text("A letter, not a model.\n")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _large(path: Path) -> None:
    """A file that is all hole: no bytes on the disk."""
    with path.open("r+b") as file:
        file.truncate(ABOVE_2_GB)


def _outside(path: Path) -> Path:
    """The weights go to a file of their own."""
    model = onnx.load_model(path)
    onnx.save_model(
        model, path, save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    return path.with_name("weights.bin")


def _lost(path: Path) -> None:
    _outside(path).unlink()


def _large_outside(path: Path) -> None:
    with _outside(path).open("r+b") as file:
        file.truncate(ABOVE_2_GB)

    def claims_all(tensor: Any) -> None:
        location = [entry for entry in tensor.external_data if entry.key == "location"]
        del tensor.external_data[:]
        tensor.external_data.extend(location)

    model = onnx.load_model(path, load_external_data=False)
    claims_all(model.graph.initializer[0])
    path.write_bytes(model.SerializeToString())


def _nameless(path: Path) -> None:
    def change(model: Any) -> None:
        for value in model.graph.input:
            value.name = f"in_{value.name[0]}"
        for node in model.graph.node:
            names = ("input_ids", "attention_mask", "token_type_ids")
            node.input[:] = [f"in_{name[0]}" if name in names else name for name in node.input]
        model.graph.input.append(onnx.helper.make_tensor_value_info("more", 1, [1, 4]))

    _changed(path, change)


def _unsupported(path: Path) -> None:
    def change(model: Any) -> None:
        node = next(node for node in model.graph.node if node.op_type == "Softmax")
        node.op_type, node.domain, node.name = "Sparsemax", "acme", "layer.0/weights"
        model.opset_import.append(onnx.helper.make_opsetid("acme", 1))
        del node.attribute[:]

    _changed(path, change)


def _old(path: Path) -> None:
    def change(model: Any) -> None:
        model.opset_import[0].version = 9

    _changed(path, change)


def _few_words(path: Path) -> None:
    def change(model: Any) -> None:
        table = next(item for item in model.graph.initializer if "word_embeddings" in item.name)
        rows = onnx.numpy_helper.to_array(table)[:300]
        table.CopyFrom(onnx.numpy_helper.from_array(rows, table.name))

    _changed(path, change)


def _without_tokenizer(path: Path) -> None:
    for name in ("tokenizer.json", "vocab.txt"):
        (path.parent / name).unlink()


Spoil = Callable[[Path], None]
BAD: dict[str, tuple[Spoil, list[str], list[str]]] = {
    "not ONNX": (_no_onnx, [], ["model.onnx", "(not ONNX)"]),
    "cut short": (_cut, [], ["model.onnx", "cut short"]),
    "external data missing": (_lost, [], ["'weights.bin', which is missing"]),
    "inputs": (_nameless, [], ["in_i, in_a, in_t, more", "call them input_ids"]),
    "inputs, onnx2tf": (_nameless, ["--via", "onnx2tf"], ["in_i, in_a, in_t, more"]),
    "operator": (_unsupported, [], ["Sparsemax at 'layer.0/weights'"]),
    "operator, onnx2tf": (_unsupported, ["--via", "onnx2tf"], ["Sparsemax at 'layer.0/weights'"]),
    "opset": (_old, [], ["opset 9", "opset 11"]),
    "words": (_few_words, [], ["tokenizer.json", "300 embeddings"]),
    "positions": (lambda _: None, ["--lengths", "16,128"], ["128", "64"]),
    "above 2 GB": (_large, [], ["2.1 GB", "up to 2 GB"]),
    "external data above 2 GB": (_large_outside, [], ["2.1 GB", "up to 2 GB"]),
    "no tokenizer": (_without_tokenizer, [], ["--tokenizer"]),
    "via something else": (lambda _: None, ["--via", "tf2onnx"], ["onnx2tf"]),
    "tokenizer that is none": (lambda _: None, ["--tokenizer", "nowhere"], ["nowhere"]),
}


@pytest.mark.parametrize("name", list(BAD))
def test_bad_onnx(name: str, tmp_path: Path) -> None:
    """Each fault has a line of its own, which says what to do; no file is left."""
    spoil, arguments, fragments = BAD[name]
    path = placed(tmp_path / "model", BERT[0])
    spoil(path)
    wrong(_build(path, tmp_path / "out", *arguments), 2, *fragments)
    assert leftovers(tmp_path / "out") == []


@pytest.mark.slow
def test_an_unknown_encoder_is_built_without_another_word(tmp_path: Path) -> None:
    """The budget of the profile is looked at first, and a model that cannot be made smaller is
    built whole, in the recipes that it has; JSON is the manifest."""
    if importlib.util.find_spec("onnx2tf") is None:
        pytest.skip(NEEDED.format("onnx2tf"))
    path = placed(tmp_path / "model", OTHERS[2])
    arguments = ("--via", "onnx2tf", "--lengths", "16", "--json")
    completed = _build(path, tmp_path / "out", *arguments)
    assert completed.returncode == 0, completed.stderr
    manifest = json.loads(completed.stdout)
    assert manifest == json.loads((tmp_path / "out/pixel/manifest.json").read_bytes())
    assert manifest["model"]["source"].startswith("onnx: model.onnx, by onnx2tf")
    assert {"wi8_ai8"} <= {recipe["name"] for recipe in manifest["skipped"]}


def test_an_encoder_that_is_not_recognised(tmp_path: Path) -> None:
    """The line says where it differs, and the other way in."""
    path = placed(tmp_path / "model", OTHERS[2])
    wrong(_build(path, tmp_path / "out"), 2, "recognises", "Try invoke build --via onnx2tf")
    assert leftovers(tmp_path / "out") == []
