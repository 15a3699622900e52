"""Every profile with every model: each cell a build of its own, recorded once."""

from __future__ import annotations

import collections
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bert import profiles
from edge_bert.bundle.open_bundle import OpenBundle
from edge_bert.data.sentence_files import read_sentences
from edge_bert.devices.emulator import host_tools
from edge_bert.errors import InputError
from edge_bert.pipeline.build.absolute_options import make_absolute
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession, find_recipes
from edge_bert.pipeline.matrix.cell import CellRequest, build_cell, failed_cell
from edge_bert.progress import Progress, no_progress
from edge_bert.records.matrix import FORMAT_VERSION, MatrixCell, MatrixReport
from edge_bert.records.profile import DeviceProfile
from edge_bert.report.matrix_html import render_matrix_page
from edge_bert.search import matrix_jobs
from edge_bert.search.executors.choose import open_executor
from edge_bert.search.executors.jobs import Job
from edge_bert.store import content_store
from edge_bert.store.cached import cache_key
from edge_bert.store.written import note_written

JOURNAL, REPORT, INDEX = "matrix.jsonl", "matrix.json", "index.html"
PROBLEM = "a matrix of profiles and models"  # the keys of its cells say the rest
ALL = "all"
LONGEST_NAME = 40


@dataclass(frozen=True)
class MatrixRequest:
    """What to build: the cells by their keys, in order. `options` are those of all of them."""

    options: BuildOptions
    cells: dict[str, CellRequest]

    @property
    def folder(self) -> Path:
        """The folder of the bundles, the journal and the page."""
        return Path(self.options.out)

    def jobs(self) -> list[Job]:
        """One job for each cell."""
        return [Job(key, build_cell, (cell,)) for key, cell in self.cells.items()]


@dataclass(frozen=True)
class _Model:
    """A model that was loaded and checked: its options, and what its cells depend on."""

    options: BuildOptions
    name: str
    sha256: str
    content: str

    @property
    def folder(self) -> str:
        return model_folder(self.name, self.sha256)


def request_matrix(
    options: BuildOptions, names: Sequence[str], models: Sequence[str | None] = (None,)
) -> MatrixRequest:
    """The profiles `names` with every one of `models`, which take the place of the options' own.

    A profile may be given as the path of its file; None is the default model. Every input is
    checked before any long work. Raises InputError (and its kinds).
    """
    find_recipes(options.recipes)
    options = make_absolute(msgspec.structs.replace(options, profile=names[0]))
    loaded = _load_models(options, models)
    name_counts = collections.Counter(model.name for model in loaded)
    cells = {}
    for name in names:
        device = profiles.load_profile(name)
        path = name if profiles.is_profile_path(name) else device.name
        for model in loaded:
            same_name = name_counts[model.name] > 1
            cells[_cell_key(model, device)] = CellRequest(
                options=_cell_options(model, path),
                profile=device.name,
                device=device.title,
                model=f"{model.name} ({model.sha256[:8]})" if same_name else model.name,
                model_sha256=model.sha256,
                model_folder=model.folder,
            )
    return MatrixRequest(options, cells)


def _cell_options(model: _Model, profile: str) -> BuildOptions:
    """Cells are built side by side, so that each one searches in its own process."""
    return msgspec.structs.replace(
        model.options,
        profile=profile,
        out=str(Path(model.options.out) / model.folder),
        workers=1,
        scheduler=None,
    )


def build_matrix(
    request: MatrixRequest, jobs: Sequence[Job] | None = None, progress: Progress = no_progress
) -> MatrixReport:
    """Build the cells that are not there yet, and write the report and the page of all.

    A cell that failed in a foreseen way is reported; the others go on. `jobs` are those of the
    request where they are not given.
    """
    options = request.options
    with open_executor(workers=options.workers, scheduler=options.scheduler) as executor:
        outcome = matrix_jobs.run_matrix_jobs(
            request.jobs() if jobs is None else jobs,
            MatrixCell,
            executor,
            request.folder / JOURNAL,
            problem=PROBLEM,
            progress=progress,
            is_current=lambda cell: cell_is_current(request.folder, cell),
        )
    cells = tuple(
        outcome.values.get(key) or failed_cell(cell, "failed", outcome.failed[key])
        for key, cell in request.cells.items()
    )
    report = MatrixReport(format_version=FORMAT_VERSION, cells=cells)
    content_store.write_atomic(request.folder / REPORT, content_store.encode_json(report))
    content_store.write_atomic(request.folder / INDEX, render_matrix_page(report).encode())
    note_written(request.folder / INDEX)
    return report


def find_profiles(references: Sequence[str]) -> tuple[str, ...]:
    """The names or absolute paths of these profiles, or of `all`, each once; an alias gives the
    profile that it points to.

    Raises ProfileError for an unknown name, InputError without any or for two of one name.
    """
    names = profiles.profile_names() if list(references) == [ALL] else references
    if not names:
        raise InputError("--profiles is missing: give names, such as pixel-9,wear-watch, or all.")
    by_name: dict[str, tuple[str, DeviceProfile]] = {}
    for name in names:
        device = profiles.load_profile(name)
        path = str(Path(name).resolve()) if profiles.is_profile_path(name) else device.name
        _, first = by_name.setdefault(device.name, (path, device))
        if first != device:
            raise InputError(f"Two of --profiles are called {device.name}; rename one of them.")
    return tuple(path for path, _ in by_name.values())


def model_folder(name: str, digest: str) -> str:
    """A folder for the bundles of a model: what is plain in its name, and its content."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:LONGEST_NAME].strip("-")
    return f"{plain or 'model'}-{digest[:8]}"


def cell_is_current(out: Path, cell: MatrixCell) -> bool:
    """Whether the folder of a cell still holds what the journal says."""
    if cell.built is None:
        return True
    folder = out / cell.built.folder
    try:
        bundle = OpenBundle.open(folder)
        digests = {artifact.file: artifact.sha256 for artifact in bundle.manifest.artifacts}
        if digests.get(cell.built.file) != cell.built.sha256:
            return False
        bundle.open_member(cell.built.file)
    except InputError:
        return False
    return (folder / "report.html").is_file()


def _load_models(options: BuildOptions, models: Sequence[str | None]) -> list[_Model]:
    """Each model, loaded once and reduced to what its cells need."""
    corpus = read_sentences(options.corpus) if options.corpus else None
    loaded: dict[str, _Model] = {}
    for name in models:
        session = BuildSession.open(make_absolute(msgspec.structs.replace(options, model=name)))
        inputs = [
            session.checkpoint.sha256,
            session.calibration.info,
            list(map(msgspec.json.encode, session.evaluation_sets)),
            (session.lengths, options.emulate and not host_tools.find_missing_tools(), corpus),
        ]
        content = cache_key("cell", inputs, code=build_cell)
        checkpoint = session.checkpoint
        model = _Model(session.options, checkpoint.name, checkpoint.sha256, content)
        if model.sha256 in loaded:
            raise InputError(
                f"{model.name} ({model.sha256[:8]}) is among the models twice; give it once."
            )
        loaded[model.sha256] = model
    return list(loaded.values())


def _cell_key(model: _Model, device: DeviceProfile) -> str:
    """The journal key of a cell: a readable label, then a digest of all that it depends on."""
    options = model.options
    digest = content_store.key_of(
        model.content,
        msgspec.json.encode(device),
        (options.recipes, options.unpruned),
        msgspec.json.encode(options.effort),
    )
    return f"{model.folder}/{device.name}/{digest[:32]}"
