"""ONNX out, with real conversions of a tiny model and the real onnxruntime."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_bert.errors import InputError
from edge_bert.pipeline.export.export import export_model
from edge_bert.pipeline.export.options import ONNX_RECIPES, ExportOptions
from edge_bert.records.onnx_export import OnnxExport
from edge_bert.runtimes import onnxruntime
from tests.tiny import models

runtime = pytest.importorskip("onnxruntime", reason="pip install 'edge-bert[onnx]'")
pytest.importorskip("onnx", reason="pip install 'edge-bert[onnx]'")


def options_for(folder: Path, head: str = "mean-normalize", **options: Any) -> ExportOptions:
    model = models.write(folder / "model", "bert", head)
    return ExportOptions(
        model=str(model), lengths=(8, 24), calibration_count=32, out=folder / "onnx", **options
    )


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, OnnxExport]:
    folder = tmp_path_factory.mktemp("export")
    options = options_for(folder, to="ort", compare=True)
    return options.folder, export_model(options)


def test_the_folder_is_whole(exported: tuple[Path, OnnxExport]) -> None:
    """Every kept file is there with its hash, in both formats, with the tokenizer."""
    folder, export = exported
    assert msgspec.json.decode((folder / "manifest.json").read_bytes(), type=OnnxExport) == export
    files = [each for each in export.artifacts if each.file]
    assert {each.file for each in files} == {
        f"{form}.{kind}" for form in ONNX_RECIPES for kind in ("onnx", "ort")
    }
    for each in (*files, *export.files):
        assert hashlib.sha256((folder / str(each.file)).read_bytes()).hexdigest() == each.sha256


def test_float_is_the_float_encoder(exported: tuple[Path, OnnxExport]) -> None:
    """float32 is within 1e-5 of the encoder in numpy; the others are near it."""
    by_name = {each.name: each for each in exported[1].artifacts}
    assert by_name["float32"].difference is not None
    assert by_name["float32"].difference < 1e-5
    for name in (*ONNX_RECIPES, *(f"{form}.ort" for form in ONNX_RECIPES)):
        drift = by_name[name].scores.drift
        assert drift is not None
        # Without VNNI, this processor's sums overflow, and the file's entry says so.
        assert drift.cosine_min > (0.8 if by_name[name].warnings else 0.98)


@pytest.mark.parametrize(
    ("flags", "name", "saturates"),
    [
        ("flags: avx2", "m.ort", True),
        ("flags: avx2 avx_vnni", "m.ort", False),
        ("flags: avx512f avx512_vnni", "m.ort", False),
        ("flags: avx2", "m.onnx", False),
    ],
)
def test_processors_whose_sums_overflow(
    flags: str, name: str, saturates: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """x86 without VNNI, for files that no session option mends."""
    (tmp_path / "cpuinfo").write_text(flags, "utf-8")
    monkeypatch.setattr(onnxruntime, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(onnxruntime.platform, "machine", lambda: "x86_64")
    assert onnxruntime.saturates_int8(Path(name)) is saturates


def test_the_files_of_others_are_measured_and_not_kept(exported: tuple[Path, OnnxExport]) -> None:
    """onnxruntime's own quantizers are there to compare with, timed in the same run."""
    folder, export = exported
    peers = [each for each in export.artifacts if each.maker != "edge-bert"]
    names = ["dynamic int8", "static int8", "static int8 of matrices"]
    assert [each.name for each in peers] == names
    assert all(each.file is None and each.timings for each in peers)
    assert len(list(folder.glob("*.onnx"))) == len(ONNX_RECIPES)
    rounds = {len(timing.runs_ms) for each in export.artifacts for timing in each.timings}
    assert len(rounds) == 1


def test_an_ort_file_gives_what_the_onnx_file_gives(exported: tuple[Path, OnnxExport]) -> None:
    """Both are opened by onnxruntime and agree."""
    folder, _ = exported
    ids = np.arange(5, 14)[None]
    feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": 0 * ids}
    answers = [
        runtime.InferenceSession(str(folder / name)).run(None, feeds)[0]
        for name in ("float32.onnx", "float32.ort")
    ]
    np.testing.assert_allclose(*answers, atol=1e-6)


def test_a_classifier_is_exported(tmp_path: Path) -> None:
    """Logits stay logits, and their probabilities those of the float model."""
    export = export_model(options_for(tmp_path, "classification", recipes=("float32",)))
    (only,) = export.artifacts
    assert only.difference is not None
    assert only.difference < 1e-5


@pytest.mark.parametrize("head", ["token_classification", "question_answering"])
def test_heads_of_tokens_are_exported_and_scored(head: str, tmp_path: Path) -> None:
    """A row for each token of any length, near the float model, with a score of their task."""
    row = {"text": "Ann sat.", "entities": [[0, 3, "PER"]]}
    if head == "question_answering":
        row = {"question": "Who sat?", "context": "Ann sat.", "answers": ["Ann"]}
    data = tmp_path / "data.jsonl"
    data.write_text(json.dumps(row) + "\n", "utf-8")
    recipes = ("float32", "float16")
    export = export_model(options_for(tmp_path, head, recipes=recipes, data=(str(data),)))
    for artifact in export.artifacts:
        metrics = [score.metric for score in artifact.scores.labels]
        expected = {"token_classification": ["entity_f1"]}
        assert metrics == expected.get(head, ["exact_match", "answer_f1"])
        assert artifact.scores.drift is not None
        assert artifact.scores.drift.cosine_mean > 0.999
    assert export.artifacts[0].difference is not None
    assert export.artifacts[0].difference < 1e-5


def test_an_unknown_recipe_is_refused(tmp_path: Path) -> None:
    """The recipes that there are stand in the message, and nothing is written."""
    options = options_for(tmp_path, recipes=("float64",))
    with pytest.raises(InputError, match=r"float64.*float32, float16, wi8_ai8_afp32"):
        export_model(options)
    assert not options.folder.exists()
