"""A folder with exits becomes a bundle whose files have stages, verified like the whole path."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from edge_bert.bundle.bundle import Bundle
from edge_bert.errors import ModelError
from edge_bert.formats.tflite.inspect import inspect_file
from edge_bert.pipeline.build.build import BuiltBundle
from edge_bert.pipeline.explain import explain
from edge_bert.pipeline.export.export import export_model
from edge_bert.pipeline.export.options import ExportOptions
from edge_bert.pipeline.verify import BundleVerification, VerifyOptions, verify_bundle
from edge_bert.quantize.integer.analyze import select_int16
from edge_bert.report.exit_words import exit_title
from edge_bert.report.terminal.explanation import print_explanation
from edge_bert.report.terminal.model_file import print_model_file
from edge_bert.report.terminal.verification import print_verification
from tests.one_line import refused
from tests.pipeline import tiny_bundle as tiny
from tests.pipeline.staged_model import RULE, write_folder
from tests.tiny import exits

RECIPES = ("float32", "wi8_ai8")
TEXTS = ["a cat", "the dog sat on the mat"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltBundle:
    out = tmp_path_factory.mktemp("staged")
    source = write_folder()
    return tiny.build_in(
        out, source=source, lengths=exits.LENGTHS, recipes=RECIPES, calibration_count=32
    )


def test_every_file_has_stages_that_ran(built: BuiltBundle) -> None:
    manifest = built.report.manifest
    assert [artifact.name for artifact in manifest.artifacts] == list(RECIPES)
    assert manifest.exits == RULE
    for artifact in manifest.artifacts:
        assert list(artifact.signatures) == ["length_8", "length_16"]
        assert list(artifact.stages) == [*exits.list_names(8), *exits.list_names(16)]
        assert artifact.runtime_check.status == "passed"
        assert "2 signatures, 6 stages" in artifact.runtime_check.detail


@pytest.mark.parametrize("recipe", RECIPES)
def test_texts_that_pass_all_stages_have_the_whole_models_vectors(
    built: BuiltBundle, recipe: str
) -> None:
    bundle = Bundle.open(built.folder)
    staged = bundle.encode(TEXTS, recipe, exit=exits.LAYERS)
    np.testing.assert_allclose(staged, bundle.encode(TEXTS, recipe), rtol=0, atol=1e-6)
    early = bundle.encode(TEXTS, recipe, exit=1)
    assert early.shape == staged.shape
    assert np.abs(early - staged).max() > 0.01


def test_mediapipe_gets_the_whole_path(built: BuiltBundle) -> None:
    (packaged,) = (x for x in built.report.manifest.files if x.file.startswith("mediapipe"))
    contents = inspect_file(built.folder / packaged.file)
    assert not contents.stages
    assert len(contents.signatures) == 1


@pytest.fixture(scope="module")
def verified(built: BuiltBundle, tmp_path_factory: pytest.TempPathFactory) -> BundleVerification:
    path = tmp_path_factory.mktemp("data") / "pairs.tsv"
    path.write_text(
        "sentence1\tsentence2\tscore\na cat\tthe cat\t5\na dog\tthe mat\t1\nthe mat\ta cat\t2\n"
    )
    options = VerifyOptions(profile=built.folder.name, out=built.folder.parent, data=(str(path),))
    with tiny.own_cache():
        return verify_bundle(options)


def test_stages_of_a_bundle_are_verified_again(verified: BundleVerification) -> None:
    assert verified.passed
    assert all("6 stages" in artifact.proof.detail for artifact in verified.artifacts)


def test_verify_scores_each_exit_and_shows_it(verified: BundleVerification) -> None:
    """As the build does with `--data`: by exit, and by the bundle's rule."""
    stream = io.StringIO()
    print_verification(verified, Console(file=stream, width=200))
    for artifact in verified.artifacts:
        (scores,) = artifact.scores.exits
        assert [scored.layers for scored in scores.exits] == [1, 2, 3]
        assert f"Exits, {exit_title(artifact.name, scores)}" in stream.getvalue()


def test_inspect_shows_the_stages(built: BuiltBundle) -> None:
    """What each is handed and gives; a folder is told from a file."""
    stream = io.StringIO()
    path = built.folder / "wi8_ai8.tflite"
    print_model_file(path.name, inspect_file(path), Console(file=stream, width=200))
    (line,) = (x for x in stream.getvalue().splitlines() if "continue_8_1_2\tin" in x)
    assert "rows int8" in line
    with refused(ModelError, "of it: float32.tflite, "):
        inspect_file(built.folder)


def test_explain_says_that_exits_are_not_in_it(
    built: BuiltBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its graphs are those of the whole path."""
    monkeypatch.setattr(select_int16, "SENTENCES", 2)
    monkeypatch.setattr(explain, "measure_sensitivity", lambda *_: ())
    inputs = explain.BuildInputs(str(write_folder()))
    with tiny.own_cache():
        explanation = explain.explain_artifact(built.folder, "wi8_ai8", inputs, sentences=2)
    assert explanation.exits == exits.AFTER
    stream = io.StringIO()
    print_explanation(explanation, Console(file=stream, width=200))
    assert "without the heads of the exits after layers 1, 2" in stream.getvalue()


def test_onnx_files_are_said_to_lack_exits(tmp_path: Path) -> None:
    options = ExportOptions(
        model=str(write_folder()), recipes=("float32",), calibration_count=32, out=tmp_path / "onnx"
    )
    with tiny.own_cache():
        (warning,) = export_model(options).model.warnings
    assert "has exits (after 1, 2 of its layers), which ONNX files lack" in warning
