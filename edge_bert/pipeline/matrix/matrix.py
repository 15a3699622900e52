"""Every profile with every model: each cell a build of its own, recorded once."""

from __future__ import annotations

import collections
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edge_bert import profiles
from edge_bert.bundle.members import file_matches
from edge_bert.data import calibration
from edge_bert.devices.emulator import host_tools
from edge_bert.errors import InputError
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.options import BuildOptions, open_session
from edge_bert.pipeline.build.session import recipes_named
from edge_bert.pipeline.matrix.cell import CellRequest, build_cell, failed_cell
from edge_bert.pipeline.sizing.search_candidates import EVALUATIONS
from edge_bert.progress import Progress, no_progress
from edge_bert.records.matrix import FORMAT_VERSION, MatrixCell, MatrixReport
from edge_bert.records.profile import DeviceProfile
from edge_bert.report.matrix_html import render_matrix_page
from edge_bert.search import matrix_jobs
from edge_bert.search.executors.choose import open_executor
from edge_bert.search.executors.jobs import Job
from edge_bert.search.problem import SearchEffort
from edge_bert.store import content_store

DEFAULT_OUT = Path("build") / "matrix"
JOURNAL, REPORT, INDEX = "matrix.jsonl", "matrix.json", "index.html"
PROBLEM = "a matrix of profiles and models"  # the keys of its cells say the rest
ALL = "all"
LONGEST_NAME = 40


@dataclass(frozen=True)
class MatrixConfig:
    """What all cells have in common beside the model's own options."""

    recipes: tuple[str, ...] = ()
    whole: bool = False
    effort: SearchEffort = field(default_factory=lambda: SearchEffort(evaluations=EVALUATIONS))


DEFAULT_CONFIG = MatrixConfig()


@dataclass(frozen=True)
class MatrixRequest:
    """What to build: a job for each cell by its key, in order, below the folder `out`."""

    cells: dict[str, CellRequest]
    out: Path

    def jobs(self) -> list[Job]:
        """One job for each cell."""
        return [Job(key, build_cell, (cell,)) for key, cell in self.cells.items()]


@dataclass(frozen=True)
class _Model:
    """A model that was loaded and checked: its options, and what its cells depend on."""

    asked: BuildOptions
    name: str
    sha256: str
    content: str

    @property
    def place(self) -> str:
        return model_folder(self.name, self.sha256)


def request_matrix(
    models: Sequence[BuildOptions],
    names: Sequence[str],
    *,
    out: Path = DEFAULT_OUT,
    how: MatrixConfig = DEFAULT_CONFIG,
) -> MatrixRequest:
    """The profiles `names` with every one of `models`, whose own profile does not count.

    A profile may be given as the path of its file. Every input is checked before any long work.
    Raises InputError (and its kinds).
    """
    recipes_named(how.recipes)
    found = _loaded([msgspec.structs.replace(each, profile=names[0]) for each in models])
    known_as = collections.Counter(each.name for each in found)
    cells = {}
    for name in names:
        device = profiles.load_profile(name)
        where = name if profiles.is_path(name) else device.name
        for each in found:
            twins = known_as[each.name] > 1
            key = _key(each, device, how)
            cells[key] = CellRequest(
                asked=msgspec.structs.replace(each.asked, profile=where, content=key),
                profile=device.name,
                device=device.title,
                model=f"{each.name} ({each.sha256[:8]})" if twins else each.name,
                model_sha256=each.sha256,
                out=str(out.resolve()),
                place=each.place,
                recipes=how.recipes,
                whole=how.whole,
                effort=how.effort,
            )
    return MatrixRequest(cells, out.resolve())


def build_matrix(
    request: MatrixRequest,
    *,
    jobs: Sequence[Job] | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Progress = no_progress,
) -> MatrixReport:
    """Build the cells that are not there yet, and write the report and the page of all.

    A cell that failed in a foreseen way is told of; the others go on. `jobs` are those of the
    request where they are not given.
    """
    with open_executor(workers=workers, scheduler=scheduler) as opened:
        found = matrix_jobs.run_matrix_jobs(
            request.jobs() if jobs is None else jobs,
            MatrixCell,
            opened,
            request.out / JOURNAL,
            problem=PROBLEM,
            progress=progress,
            stands=lambda cell: cell_is_current(request.out, cell),
        )
    cells = tuple(
        found.done.get(key) or failed_cell(cell, "failed", found.failed[key])
        for key, cell in request.cells.items()
    )
    report = MatrixReport(format_version=FORMAT_VERSION, cells=cells)
    content_store.write_atomic(request.out / REPORT, content_store.encode_json(report))
    content_store.write_atomic(request.out / INDEX, render_matrix_page(report).encode())
    return report


def profile_names(words: Sequence[str]) -> tuple[str, ...]:
    """The profiles of these names and paths, or of `all`, each once; an alias gives the profile
    that it points to, a path is whole.

    Raises ProfileError for an unknown name, InputError without any or for two of one name.
    """
    wanted = profiles.profile_names() if list(words) == [ALL] else words
    if not wanted:
        raise InputError("--profiles is missing: give names, such as pixel-9,wear-watch, or all.")
    found: dict[str, tuple[str, DeviceProfile]] = {}
    for word in wanted:
        device = profiles.load_profile(word)
        path = str(Path(word).resolve()) if profiles.is_path(word) else device.name
        _, known = found.setdefault(device.name, (path, device))
        if known != device:
            raise InputError(f"Two of --profiles are called {device.name}; rename one of them.")
    return tuple(path for path, _ in found.values())


def model_folder(name: str, digest: str) -> str:
    """A folder for the bundles of a model: what is plain in its name, and its content."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:LONGEST_NAME].strip("-")
    return f"{plain or 'model'}-{digest[:8]}"


def cell_is_current(out: Path, cell: MatrixCell) -> bool:
    """Whether what the journal says of a cell is still true of its folder."""
    if cell.built is None:
        return True
    folder = out / cell.built.folder
    unchanged = file_matches(folder / cell.built.file, cell.built.sha256)
    return unchanged and (folder / "report.html").is_file()


def _loaded(models: Sequence[BuildOptions]) -> list[_Model]:
    """Each model, loaded once; only what its cells need of it is kept."""
    code = content_store.source_digest(artifacts.PACKAGE)
    found: dict[str, _Model] = {}
    for asked in models:
        request = open_session(asked)
        emulates = asked.emulates and not host_tools.find_missing_tools()
        corpus = calibration.load_sentences(Path(asked.corpus)) if asked.corpus else None
        content = content_store.key_of(
            request.checkpoint.sha256,
            request.calibration.info,
            [msgspec.json.encode(each) for each in request.data],
            (request.lengths, emulates, corpus),
            code,
            artifacts.tool_versions(),
        )
        model = _Model(asked, request.checkpoint.name, request.checkpoint.sha256, content)
        if model.sha256 in found:
            raise InputError(
                f"{model.name} ({model.sha256[:8]}) is among the models twice; give it once."
            )
        found[model.sha256] = model
    return list(found.values())


def _key(model: _Model, device: DeviceProfile, how: MatrixConfig) -> str:
    """All that a cell depends on, after words that a log can show."""
    digest = content_store.key_of(
        model.content,
        msgspec.json.encode(device),
        (how.recipes, how.whole),
        msgspec.json.encode(how.effort),
    )
    return f"{model.place}/{device.name}/{digest[:32]}"
