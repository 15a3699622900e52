"""From a profile and a model to a proven bundle, with real conversions of a tiny model."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from pathlib import Path

import jsonschema
import pytest
from rich.console import Console

from edge_bert import profiles
from edge_bert.bundle import atomic_folder as folders
from edge_bert.bundle import manifest as manifests
from edge_bert.bundle.bundle import Bundle
from edge_bert.errors import BusyError, DataError, InputError, RefusedError
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.build import BuiltBundle, build_bundle
from edge_bert.records.bundle import Manifest
from edge_bert.records.profile import TFLITE_RUNTIME_2_14
from edge_bert.records.recipe import RECIPES, Scheme
from edge_bert.report.terminal.build import print_build
from edge_bert.runtimes import environments
from tests.one_line import refused
from tests.pipeline import tiny_bundle as tiny

needs_oldest = pytest.mark.skipif(
    environments.find_python_311() is None,
    reason=f"{TFLITE_RUNTIME_2_14} needs Python 3.11. {environments.GET_PYTHON_311}",
)
WEIGHTS = ["float32", "wi8_afp32"]


def manifest_of(head: str = "mean-normalize") -> Manifest:
    """What the bundle of tiny BERT says of itself."""
    return manifests.read_manifest(tiny.built("bert", head).folder)


def contents(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a bundle."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize("head", ["mean-normalize", "classification"])
def test_the_bundle_is_whole(head: str) -> None:
    """Every file that the manifest names is there with its hash and size, and no other."""
    folder, found = tiny.built("bert", head).folder, manifest_of(head)
    named = [*found.artifacts, *found.files]
    assert {each.file for each in named} | {"manifest.json", "report.html"} == {
        path.name for path in folder.iterdir()
    }
    for each in named:
        data = (folder / each.file).read_bytes()
        assert hashlib.sha256(data).hexdigest() == each.sha256
        assert len(data) == each.size_bytes
    assert {"tokenizer.json", "vocab.txt"} <= {each.file for each in found.files}


@pytest.mark.parametrize("head", ["mean-normalize", "classification"])
def test_the_manifest_keeps_its_schema(head: str) -> None:
    """As any JSON Schema validator reads the file in the repository."""
    schema = json.loads(Path(manifests.__file__).with_name("manifest.schema.json").read_bytes())
    document = json.loads((tiny.built("bert", head).folder / "manifest.json").read_bytes())
    jsonschema.validate(document, schema, jsonschema.Draft202012Validator)


def test_every_artifact_is_proven() -> None:
    """Run on the profile's runtime in every signature, with drift on held-out sentences."""
    found = manifest_of()
    assert {artifact.name for artifact in found.artifacts} >= {
        "float32", "float16", "wi8_afp32", "wi8_ai8", "wi8_ai8_afp32", "wi4_afp32",
    }  # fmt: skip
    for artifact in found.artifacts:
        assert artifact.runtime_check.status == "passed"
        assert artifact.runtime == artifact.runtime_check.runtime
        assert str(artifact.runtime) == artifact.min_runtime == "ai-edge-litert 2.3.0"
        lengths = [signature.length for signature in artifact.signatures.values()]
        assert lengths == list(tiny.LENGTHS)
        drift = artifact.scores.drift
        assert drift is not None
        assert drift.count == len(drift.cosines) == 64
        assert drift.cosine_mean > (0.97 if artifact.name == "wi4_afp32" else 0.99)
        assert artifact.integer_only is (RECIPES[artifact.name].scheme is Scheme.INTEGER)


def test_the_manifest_tells_where_all_came_from() -> None:
    """Model, calibration set and tools, each by version or hash."""
    found = manifest_of()
    assert found.profile == "pixel-9"
    assert (found.model.architecture, found.model.source) == ("bert", "folder")
    assert found.model.max_length == max(tiny.LENGTHS)
    assert (found.calibration.count, found.calibration.seed) == (256, 0)
    assert found.tool_versions == artifacts.tool_versions()


def test_the_default_is_what_the_profile_wants() -> None:
    """With the profile's reason; the next one where that was not built."""
    assert manifest_of().default.artifact == "wi8_ai8_afp32"
    assert manifest_of().default.reason == profiles.load_profile(tiny.PROFILE).default_reason


def test_the_next_best_is_the_default(tmp_path: Path) -> None:
    """A bundle without what the profile prefers takes what it has, and says so."""
    only = tiny.build_in(tmp_path, recipes=["float16"]).report.manifest
    assert only.default.artifact == "float16"
    assert "none of the recipes" in only.default.reason
    both = tiny.build_in(tmp_path, recipes=["float16", "float32"]).report.manifest
    assert both.default.artifact == "float32"
    assert both.default.reason == "wi8_ai8_afp32, which the profile prefers, is not here"


@functools.cache
def built_again() -> BuiltBundle:
    """The bundle of `tiny.built`, in a cache and a folder of this process alone."""
    return tiny.build_in(tiny.workplace() / "again", cache_name="another")


def test_two_builds_give_equal_bytes() -> None:
    """In another cache and another folder: every file of the bundle, the report too."""
    first = contents(tiny.built().folder)
    second = contents(built_again().folder)
    assert second.pop("manifest.json") == first.pop("manifest.json")
    assert second == first


def test_nothing_changed_makes_nothing(tmp_path: Path) -> None:
    """What was converted and run before is neither converted nor run again."""
    built_again()
    said: list[str] = []
    with tiny.own_cache("another") as kept:
        before = made_in(kept)
        asked = tiny.open_session(model=str(tiny.model()), lengths=tiny.LENGTHS, out=tmp_path)
        build_bundle(asked, said.append)
        assert made_in(kept) == before
    assert not any("building the graph" in line for line in said)


def made_in(kept: Path) -> dict[str, int]:
    """When each entry of the cache was written; making one again would write it again."""
    folders = [each for each in kept.iterdir() if not each.is_symlink()]
    found = [path for each in folders for path in each.rglob("*") if path.is_file()]
    return {str(path): path.stat().st_mtime_ns for path in found if path.suffix != ".lock"}


def test_recipes_and_lengths_are_those_asked_for(tmp_path: Path) -> None:
    """No others, in the order given."""
    made = tiny.build_in(tmp_path, recipes=["wi8_afp32", "float32"], lengths=[8, 24, 40])
    found = made.report.manifest
    assert [artifact.name for artifact in found.artifacts] == ["wi8_afp32", "float32"]
    for artifact in found.artifacts:
        assert list(artifact.signatures) == ["length_8", "length_24", "length_40"]
    assert found.skipped == ()


def test_a_bundle_without_mediapipe_says_why(tmp_path: Path) -> None:
    """A full-integer file alone, and a model without WordPiece, have no file for MediaPipe."""
    integers = tiny.build_in(tmp_path / "a", recipes=["wi8_ai8"], lengths=[16])
    roberta = tiny.build_in(
        tmp_path / "b", recipes=["float32"], lengths=[16], source=tiny.model("roberta")
    )
    for made, reason in ((integers, "float outputs"), (roberta, "is not WordPiece")):
        (left_out,) = made.report.manifest.skipped
        assert left_out.name == "mediapipe"
        assert reason in left_out.reason
        assert not list(made.folder.glob("mediapipe*"))


def test_another_seed_is_another_calibration_set(tmp_path: Path) -> None:
    """It changes full-integer files and no others."""
    first = {a.name: a.sha256 for a in manifest_of().artifacts}
    made = tiny.build_in(tmp_path, recipes=[*WEIGHTS, "wi8_ai8"], seed=1)
    second = {a.name: a.sha256 for a in made.report.manifest.artifacts}
    assert {name for name in second if second[name] != first[name]} == {"wi8_ai8"}


def test_a_calibration_file_of_the_users(tmp_path: Path) -> None:
    """The manifest has its name, count, seed and hash; drift is measured on the rest of it."""
    path = tmp_path / "mine.txt"
    path.write_text("".join(f"The {n} cats sat on {n} mats.\n" for n in range(50)), "utf-8")
    options = {"calibration": path, "calibration_count": 30, "seed": 4}
    made = tiny.build_in(tmp_path / "out", recipes=["float32", "wi8_ai8"], **options)
    found = made.report.manifest
    assert (found.calibration.source, found.calibration.count) == ("mine.txt", 30)
    assert found.calibration.seed == 4
    assert found.calibration.sha256 != manifest_of().calibration.sha256
    assert found.artifacts[1].scores.drift is not None
    assert found.artifacts[1].scores.drift.count == 10
    assert manifest_of().calibration.warnings == ()


def test_a_set_too_small_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the manifest, on the page and on the terminal, with the figure, even from the cache."""
    path = tmp_path / "few.txt"
    words = ("one", "two", "the cat", "a dog sat", "we go on and on", "yes", "no", "a", "the", "of")
    path.write_text("".join(f"{word}\n" for word in words), "utf-8")
    options = {"calibration": path, "recipes": ["float32", "wi8_ai8"]}
    for out in (tmp_path / "first", tmp_path / "second"):
        made = tiny.build_in(out, **options)
        (warning,) = made.report.manifest.calibration.warnings
        assert re.search(r"an eighth of the 8 calibration sentences misses [\d.]+ % of a", warning)
        assert "have not settled" in (made.folder / "report.html").read_text("utf-8")
        print_build(made.report, Console())
        assert f"warning: calibration: {warning}" in capsys.readouterr().out


def test_a_classifier_is_scored_by_accuracy(tmp_path: Path) -> None:
    """`--data FILE.csv` with named columns; the count is that of the rows."""
    path = tmp_path / "reviews.csv"
    rows = [f"the cat number {n},{('negative', 'neutral', 'positive')[n % 3]}" for n in range(9)]
    path.write_text("body,mood\n" + "\n".join(rows) + "\n", "utf-8")
    made = tiny.build_in(
        tmp_path / "out",
        source=tiny.model("bert", "classification"),
        recipes=WEIGHTS,
        data=[f"{path}:text=body,label=mood"],
    )
    for artifact in made.report.manifest.artifacts:
        (score,) = artifact.scores.labels
        assert (score.metric, score.count, score.dataset) == ("accuracy", 9, "reviews.csv")
        assert score.value * 9 == pytest.approx(round(score.value * 9))


def test_an_embedding_is_scored_by_rank(tmp_path: Path) -> None:
    """Pairs with scores that are the model's own cosines give a Spearman of 1."""
    bundle = Bundle.open(tiny.built().folder)
    firsts = [f"the cat sat on mat {n} {'x' * n}" for n in range(8)]
    seconds = [f"train {n * n} leaves the city {'y ' * n}" for n in range(8)]
    one, two = (bundle.encode(each, artifact="float32") for each in (firsts, seconds))
    path = tmp_path / "pairs.csv"
    lines = [
        f"{a},{b},{float(s):.9f}"
        for a, b, s in zip(firsts, seconds, (one * two).sum(1), strict=True)
    ]
    path.write_text("sentence1,sentence2,score\n" + "\n".join(lines) + "\n", "utf-8")
    made = tiny.build_in(tmp_path / "out", recipes=["float32", "wi4_afp32"], data=[str(path)])
    exact, coarse = (artifact.scores.labels[0] for artifact in made.report.manifest.artifacts)
    assert (exact.metric, exact.count, exact.value) == ("spearman", 8, 1.0)
    assert -1 <= coarse.value <= 1


def test_data_of_the_wrong_kind(tmp_path: Path) -> None:
    """Classes for an embedding model: refused, and nothing is written."""
    path = tmp_path / "classes.csv"
    path.write_text("text,label\none thing,a\nanother,b\n", "utf-8")
    with refused(DataError, "classes"):
        tiny.build_in(tmp_path / "out", recipes=["float32"], data=[str(path)])
    assert not list((tmp_path / "out").glob("[!.]*"))


@needs_oldest
def test_the_oldest_runtime(tmp_path: Path) -> None:
    """A bundle for tflite-runtime 2.14.0 is proven there; what it cannot run is left out."""
    made = tiny.build_in(tmp_path, profile="raspberry-pi-4").report.manifest
    assert made.artifacts
    for artifact in made.artifacts:
        assert artifact.runtime_check.status == "passed"
        assert artifact.runtime == TFLITE_RUNTIME_2_14
    assert "wi4_afp32" in {each.name for each in made.skipped}
    assert all(each.reason for each in made.skipped)
    assert made.default.artifact == "wi8_ai8_afp32"


@needs_oldest
@pytest.mark.parametrize("recipe", ["wi4_afp32", "wi2c_afp32", "wi4c_ai8_afp32"])
def test_a_recipe_that_was_asked_for_is_not_left_out(recipe: str, tmp_path: Path) -> None:
    """Named by the user it fails the build, with the runtime's reason, and nothing is written."""
    with refused(RefusedError, f"{recipe} is not made for"):
        tiny.build_in(tmp_path, profile="raspberry-pi-4", recipes=[recipe])
    assert not list(tmp_path.glob("[!.]*"))


def test_without_the_runtime_nothing_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without Python 3.11: the bundle is there, its proof was not run, and says why."""
    monkeypatch.setattr(environments, "find_python_311", lambda: None)
    monkeypatch.setattr(environments, "is_complete", lambda _: False)
    made = tiny.build_in(
        tmp_path, profile="raspberry-pi-4", recipes=WEIGHTS, cache_name="no-runtime"
    )
    for artifact in made.report.manifest.artifacts:
        assert artifact.runtime_check.status == "not run"
        assert "Python 3.11" in artifact.runtime_check.detail
        assert artifact.runtime is None
        assert artifact.scores.drift is None
    page = (made.folder / "report.html").read_text("utf-8")
    assert "not run" in page


def test_the_old_bundle_stays_until_the_new_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build that dies in its last step leaves the old bundle whole and nothing beside it."""
    old = tiny.build_in(tmp_path, recipes=["float32"]).folder
    before = contents(old)

    def interrupted(*_: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr("edge_bert.pipeline.build.build.render_report_page", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tiny.build_in(tmp_path, recipes=WEIGHTS)
    assert contents(old) == before
    assert {path.name for path in tmp_path.iterdir()} <= {old.name, f".{old.name}.lock"}


def test_a_folder_that_cannot_be_written_is_told_early(tmp_path: Path) -> None:
    """A file stands where the folder should be: one line, before anything is converted."""
    (tmp_path / "out").write_text("in the way")
    with refused(InputError, "cannot be written"):
        tiny.build_in(tmp_path / "out", cache_name="untouched")
    with tiny.own_cache("untouched") as untouched:
        assert not (untouched / "entries" / "artifacts").exists()


def test_a_second_build_of_a_profile_is_refused(tmp_path: Path) -> None:
    """While another holds the folder; it says so at once."""
    with folders.replace_folder(tmp_path / tiny.PROFILE), refused(BusyError, "Another build"):
        tiny.build_in(tmp_path, recipes=["float32"])


def test_every_recipe_has_a_title_and_a_name_by_its_bits() -> None:
    """wi8_ai8: integer weights of 8 bits, integer activations of 8."""
    for name, recipe in RECIPES.items():
        assert recipe.name == name
        if name.startswith("wi"):
            per_channel = "c" if recipe.weight_bits < 8 and not recipe.matrix_block else ""
            assert name.startswith(f"wi{recipe.weight_bits}{per_channel}_a")
            assert name.endswith(str(recipe.activation_bits))
