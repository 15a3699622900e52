"""Profiles and models together: real builds of tiny models, whoever dies on the way."""

from __future__ import annotations

import collections
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from invoke.context import Context

from edge_bert import profiles
from edge_bert.bundle import manifest as manifests
from edge_bert.bundle.bundle import Bundle
from edge_bert.cli.tasks.matrix import FAILED
from edge_bert.cli.tasks.matrix import matrix as task
from edge_bert.errors import DataError, EdgeBertError, InputError, ProfileError
from edge_bert.pipeline.build.findings import measurements
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.matrix import matrix
from edge_bert.pipeline.matrix.cell import build_cell
from edge_bert.pipeline.matrix.matrix import MatrixRequest, build_matrix, request_matrix
from edge_bert.records.matrix import MatrixReport
from tests.one_line import refused
from tests.pipeline import matrix_jobs
from tests.pipeline import tiny_bundle as tiny
from tests.report.page import Page
from tests.search import jobs
from tests.search.conftest import cluster  # noqa: F401  its two workers

SIX = ("pixel-9", "pixel-3a", "galaxy-s21", "redmi-note-11", "redmi-4x", "wear-watch")
KILLER = 6  # the number of the cell whose process ends half-way


@pytest.fixture(autouse=True, scope="module")
def tests_cache() -> Iterator[Path]:
    """Conversions of all tests here are kept together."""
    with tiny.own_cache("matrix") as folder:
        yield folder


def requested(
    out: Path, names: tuple[str, ...] = ("pixel-9",), models: int = 1, **values: Any
) -> MatrixRequest:
    """Tiny models on these profiles, without emulation."""
    values = {"recipes": ("wi8_afp32",), "out": out} | values
    options = tiny.sizing_options(**values)
    return request_matrix(options, names, [str(tiny.model(seed=seed)) for seed in range(models)])


def profile_with(folder: Path, monkeypatch: pytest.MonkeyPatch, **limits: float) -> str:
    """A profile of the user's own: a phone with these limits and no others."""
    text = (profiles.PROFILE_FOLDER / "pixel-9.toml").read_text("utf-8")
    head, _, _ = text.partition("[budget]")
    lines = "\n".join(f"{name} = {value}" for name, value in limits.items())
    folder.mkdir()
    own = head.replace('name = "pixel-9"', 'name = "own"')
    (folder / "own.toml").write_text(f"{own}[budget]\n{lines}\n", "utf-8")
    monkeypatch.setenv(profiles.OWN_FOLDER, str(folder))
    return "own"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["processes", "dask"])
def test_one_worker_killed_half_way(
    kind: str, request: pytest.FixtureRequest, tests_cache: Path, tmp_path: Path
) -> None:
    """Six profiles, two models, real builds: nothing is lost, nothing is built twice."""
    scheduler = None
    if kind == "dask":
        scheduler = request.getfixturevalue("cluster").scheduler_address
    wanted = requested(tmp_path / "out", SIX, models=2, workers=2, scheduler=scheduler)
    cells = matrix_jobs.all_of(wanted, tests_cache, tmp_path, KILLER)
    pages = set()
    for _ in range(2):  # the second time there is nothing to do
        found = build_matrix(wanted, jobs=cells)
        check_whole(found, wanted)
        built = {f"{each.model_folder}/{each.options.profile}": 1 for each in wanted.cells.values()}
        assert jobs.ran(tmp_path) == built | {"died": 1}
        assert len(jobs.lines(wanted.folder / matrix.JOURNAL)) == 12
        pages.add((wanted.folder / matrix.INDEX).read_bytes())
    assert len(pages) == 1


def check_whole(found: MatrixReport, wanted: MatrixRequest) -> None:
    """Every cell is built, in order, and what it says is what lies in its folder."""
    assert [(cell.profile, cell.status) for cell in found.cells] == [
        (name, "built") for name in SIX for _ in range(2)
    ]
    folders = collections.Counter(cell.built.folder for cell in found.cells if cell.built)
    assert set(folders.values()) == {1}
    for cell in found.cells:
        assert cell.built
        assert matrix.cell_is_current(wanted.folder, cell)
        manifest = manifests.read_manifest(wanted.folder / cell.built.folder)
        assert manifest.profile == cell.profile
        assert manifest.model.sha256 == cell.model_sha256
    left = [path.name for path in wanted.folder.rglob("*.new-*")]
    assert left == []


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[MatrixRequest, MatrixReport]:
    """A matrix of one model on two devices, built here."""
    wanted = requested(tmp_path_factory.mktemp("made") / "out", ("pixel-9", "wear-watch"))
    return wanted, build_matrix(wanted)


def copied(made: tuple[MatrixRequest, MatrixReport], out: Path) -> MatrixRequest:
    """The matrix in a folder of its own, to be damaged."""
    shutil.copytree(made[0].folder, out)
    return requested(out, ("pixel-9", "wear-watch"))


def test_the_page_links_to_reports_that_are_there(
    made: tuple[MatrixRequest, MatrixReport],
) -> None:
    """And matrix.json is what was returned."""
    wanted, found = made
    page = Page((wanted.folder / matrix.INDEX).read_text("utf-8"))
    links = [href for one in page.all("a") if (href := one.attributes["href"]).startswith(".")]
    assert len(links) == 2
    assert all((wanted.folder / link).is_file() for link in links)
    read = msgspec.json.decode((wanted.folder / matrix.REPORT).read_bytes(), type=MatrixReport)
    assert read == found


def test_what_a_cell_says(made: tuple[MatrixRequest, MatrixReport]) -> None:
    """The default artifact, a cosine without labels, and no latency without emulation."""
    for cell in made[1].cells:
        assert cell.built
        assert (cell.built.artifact, cell.built.score_of) == ("wi8_afp32", "cosine to float32")
        assert cell.built.score is not None
        assert 0.99 < cell.built.score <= 1
        unknown = (cell.built.latency_ms, cell.built.energy_mj, cell.built.evidence)
        assert unknown == (None, None, None)
        assert any("Latency" in each for each in cell.built.not_measured)
        assert not cell.built.missed


def test_what_was_damaged_is_built_again(
    made: tuple[MatrixRequest, MatrixReport], tests_cache: Path, tmp_path: Path
) -> None:
    """A bundle that is gone or changed, and no other; a moved matrix is still the same one."""
    wanted = copied(made, tmp_path / "out")
    first, second = (cell.built for cell in made[1].cells)
    assert first
    assert second
    shutil.rmtree(wanted.folder / first.folder)
    found = build_matrix(wanted, jobs=matrix_jobs.all_of(wanted, tests_cache, tmp_path))
    assert jobs.ran(tmp_path) == {first.folder: 1}
    (wanted.folder / second.folder / second.file).write_bytes(b"changed")
    again = build_matrix(wanted, jobs=matrix_jobs.all_of(wanted, tests_cache, tmp_path))
    assert jobs.ran(tmp_path) == {first.folder: 1, second.folder: 1}
    assert again == found == made[1]


def test_a_cell_that_fails(made: tuple[MatrixRequest, MatrixReport], tmp_path: Path) -> None:
    """Is told of on the page with its reason, the others stay, and it is tried the next time."""
    wanted = copied(made, tmp_path / "out")
    first = made[1].cells[0].built
    assert first
    bundle = wanted.folder / first.folder
    shutil.rmtree(bundle)
    bundle.mkdir()
    (bundle / "mine.txt").write_text("a file of the user's own", "utf-8")
    found = build_matrix(wanted)
    assert [cell.status for cell in found.cells] == ["failed", "built"]
    assert "holds no bundle" in found.cells[0].reason
    assert "holds no bundle" in (wanted.folder / matrix.INDEX).read_text("utf-8")
    shutil.rmtree(bundle)
    assert [cell.status for cell in build_matrix(wanted).cells] == ["built", "built"]


def test_nothing_fits_is_a_result(
    tests_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has its reason, it is recorded, and it is not searched for again."""
    name = profile_with(tmp_path / "profiles", monkeypatch, size_bytes=2000)
    wanted = requested(tmp_path / "out", (name,), recipes=(), evaluations=1)
    for _ in range(2):
        found = build_matrix(wanted, jobs=matrix_jobs.all_of(wanted, tests_cache, tmp_path))
        assert [cell.status for cell in found.cells] == ["nothing fits"]
        assert "2.00 kB" in found.cells[0].reason
        assert "NOTHING FITS" in (wanted.folder / matrix.INDEX).read_text("utf-8")
    assert jobs.ran(tmp_path).total() == 1


def test_a_cell_whose_model_does_not_fit_is_made_smaller(
    tests_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search within the cell: its bundle meets the budget, the page says what was made smaller,
    and nothing is searched for again."""
    limit = 55_000  # the whole tiny model takes some 85 kB
    name = profile_with(tmp_path / "profiles", monkeypatch, size_bytes=limit)
    wanted = requested(tmp_path / "out", (name,), recipes=(), evaluations=2)
    found = build_matrix(wanted, jobs=matrix_jobs.all_of(wanted, tests_cache, tmp_path))
    (sized,) = (cell.built for cell in found.cells)
    assert sized
    assert sized.size_bytes <= limit
    assert (sized.limits, sized.missed, sized.not_measured) == (1, (), ())
    assert "tokens" in sized.made_smaller
    check_sized(wanted.folder / sized.folder, limit)
    assert sized.made_smaller in (wanted.folder / matrix.INDEX).read_text("utf-8")
    again = build_matrix(wanted, jobs=matrix_jobs.all_of(wanted, tests_cache, tmp_path))
    assert again == found
    assert jobs.ran(tmp_path) == {sized.folder: 1}


def check_sized(folder: Path, limit: int) -> None:
    """The bundle is the candidate that its search chose, and its report tells of the search."""
    report = measurements.complete_report(measurements.report_of(folder), folder)
    assert report.search
    assert report.search.chosen
    assert len(report.search.evaluated) == 2
    assert report.profile.budget.size_bytes == limit
    default = report.default_artifact
    assert default.name == report.search.chosen.candidate.recipe
    assert default.size_bytes == report.search.chosen.cost.size_bytes
    assert "Pareto front" in (folder / "report.html").read_text("utf-8")
    assert Bundle.open(folder).encode(["a man eats"]).shape[0] == 1


def test_other_options_are_other_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Model, options, data and the profile's content are in the key; where it lies is not."""
    keys = [*requested(tmp_path / "a").cells, *requested(tmp_path / "b").cells]
    assert len(set(keys)) == 1
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(f"sentence number {n}" for n in range(400)), "utf-8")
    other = request_matrix(requested(tmp_path).options, ["pixel-9"], [str(tiny.model(seed=1))])
    changes: list[dict[str, Any]] = [
        {"lengths": (32,)},
        {"calibration_count": 33},
        {"corpus": corpus},
        {"recipes": ("float32",)},
        {"recipes": (), "unpruned": True},
        {"seed": 1},
        {"evaluations": 1},
    ]
    variants = [other, *(requested(tmp_path, **change) for change in changes)]
    for limit in (50_000_000, 60_000_000):
        name = profile_with(tmp_path / str(limit), monkeypatch, size_bytes=limit)
        variants.append(requested(tmp_path, (name,)))
    keys += [key for each in variants for key in each.cells]
    assert len(set(keys)) == 1 + len(variants)


def test_a_process_that_lives_on_sees_a_changed_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Dask worker keeps what it has loaded; equal words may mean another file by then."""
    seen = []
    for limit in (50_000_000, 60_000_000):
        name = profile_with(tmp_path / str(limit), monkeypatch, size_bytes=limit)
        (cell,) = requested(tmp_path, (name,)).cells.values()
        seen.append(BuildSession.open(cell.options).profile.budget.size_bytes)
    assert seen == [50_000_000, 60_000_000]


def test_models_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """By their content, in the folder and in words."""
    twins = []
    for seed in (0, 1):
        folder = tmp_path / str(seed) / "model"
        shutil.copytree(tiny.model(seed=seed), folder)
        twins.append(str(folder))
    options = tiny.sizing_options(out=tmp_path)
    found = request_matrix(options, ["pixel-9"], twins).cells.values()
    assert len({cell.model_folder for cell in found}) == len({cell.model for cell in found}) == 2


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("all-MiniLM-L6-v2", "all-MiniLM-L6-v2-01234567"),
        ("../../etc", "etc-01234567"),
        ("..", "model-01234567"),
        ("-rf $(x)\n", "rf-x-01234567"),
        ("模型", "model-01234567"),
        ("a" * 300, f"{'a' * 40}-01234567"),
    ],
)
def test_folders_have_plain_names(name: str, place: str) -> None:
    """Whatever a model is called, its folder is below the matrix's."""
    assert matrix.model_folder(name, "0123456789abcdef") == place


def test_bad_input_is_told_before_anything_is_built(tmp_path: Path) -> None:
    """One line each, and no folder."""
    out = tmp_path / "out"
    model = str(tiny.model())
    faults: list[tuple[type[EdgeBertError], list[str], dict[str, Any]]] = [
        (InputError, [model, model], {}),
        (InputError, [model], {"recipes": ("int3",)}),
        (DataError, [model], {"corpus": tmp_path / "none.txt"}),
    ]
    for kind, models, values in faults:
        with refused(kind):
            request_matrix(tiny.sizing_options(out=out, **values), ["pixel-9"], models)
    assert not out.exists()


def test_profile_names() -> None:
    """`all` is every profile once; an alias is what it points to."""
    every = matrix.find_profiles(["all"])
    assert set(SIX) <= set(every)
    assert "pixel" not in every
    assert len(set(every)) == len(every) >= 14
    assert matrix.find_profiles(["pixel", "pixel-9", "wear-watch"]) == ("pixel-9", "wear-watch")
    with refused(ProfileError, "Did you mean"):
        matrix.find_profiles(["pixel9"])
    with refused(InputError, "--profiles"):
        matrix.find_profiles([])


def test_a_cell_is_what_its_bundle_is(made: tuple[MatrixRequest, MatrixReport]) -> None:
    """Built once more by itself, it is the same to the byte."""
    wanted, found = made
    (first, *_) = wanted.cells.values()
    assert build_cell(first) == found.cells[0]
    assert json.loads((wanted.folder / matrix.REPORT).read_bytes())["format_version"] == 1


def test_the_task(
    made: tuple[MatrixRequest, MatrixReport],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`invoke matrix` takes up what is there, prints it as JSON, and fails where a cell does."""
    wanted = copied(made, tmp_path / "out")
    options: dict[str, Any] = {
        "profiles": "pixel-9,wear-watch",
        "models": str(tiny.model()),
        "out": str(wanted.folder),
        "recipes": "wi8_afp32",
        "lengths": "16",
        "calibration_count": 32,
        "emulate": False,
        "json": True,
    }
    task(Context(), **options)
    assert msgspec.json.decode(capsys.readouterr().out, type=MatrixReport) == made[1]
    first = made[1].cells[0].built
    assert first
    shutil.rmtree(wanted.folder / first.folder)
    (wanted.folder / first.folder).write_text("in the way", "utf-8")
    with pytest.raises(SystemExit) as caught:
        task(Context(), **options)
    assert caught.value.code == FAILED
    assert '"failed"' in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        task(Context(), **options | {"models": str(tmp_path / "none")})
    assert caught.value.code == InputError.exit_code
    assert capsys.readouterr().err.count("\n") >= 1
