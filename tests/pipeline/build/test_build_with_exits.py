"""A folder with exits becomes a bundle whose files have stages, verified like the whole path."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.bundle.bundle import Bundle
from edge_bert.formats.tflite.inspect import inspect_file
from edge_bert.pipeline.build.build import BuiltBundle
from edge_bert.pipeline.verify import VerifyOptions, verify_bundle
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


def test_stages_of_a_bundle_are_verified_again(built: BuiltBundle) -> None:
    options = VerifyOptions(profile=built.folder.name, out=built.folder.parent)
    with tiny.own_cache():
        verified = verify_bundle(options)
    assert verified.passed
    assert all("6 stages" in artifact.proof.detail for artifact in verified.artifacts)
