"""A zip that measures a bundle on a phone which is not at hand: files, runner, and a script."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

from edge_bert import profiles
from edge_bert.bundle.bundle import TOKENIZER
from edge_bert.bundle.open_bundle import OpenBundle
from edge_bert.devices.runner.runner_files import LIBRARY, RUNNER, choose_runner_files
from edge_bert.devices.runner.static_bundle import START
from edge_bert.errors import InputError
from edge_bert.installation import shipped_folder
from edge_bert.pipeline.bench.energy_session import SCRIPT as ENERGY_SCRIPT
from edge_bert.pipeline.bench.energy_session import plan_session
from edge_bert.pipeline.bench.push import PushOptions
from edge_bert.pipeline.bench.subjects import ensure_bundle, list_files, select_subjects
from edge_bert.pipeline.bench.text_job import MAX_TEXTS, ROUNDS, TextJob, check_texts
from edge_bert.pipeline.bench.text_jobs import list_text_jobs
from edge_bert.pipeline.bench.token_inputs import write_token_inputs
from edge_bert.progress import Progress, no_progress
from edge_bert.records.base import Record
from edge_bert.records.bundle import Artifact
from edge_bert.store.content_store import write_atomic
from edge_bert.store.digest import sha256_hex
from edge_bert.store.scratch import scratch_folder

SCRIPT = shipped_folder("android_harness") / "script" / "run.sh"
PHONE_ABI = "arm64-v8a"
# Unzipped files have the day on which nothing was built: equal contents give equal bytes.
DATE = (2020, 1, 1, 0, 0, 0)
MOST_SOURCE = 100  # characters of a data set's name


class WrittenScript(Record, frozen=True):
    """The zip, its size, and the files that it will measure."""

    file: str
    size_bytes: int
    jobs: tuple[str, ...]


def write_device_script(
    options: PushOptions, file: Path, progress: Progress = no_progress
) -> WrittenScript:
    """Write the zip with what `invoke bench --import` then reads the results of.

    Builds the bundle if there is none. Raises InputError for a profile of a board, an unknown
    artifact, length or exit, or a file that is there already.
    """
    profile = profiles.load_profile(options.profile)
    if profile.abi != PHONE_ABI:
        raise InputError(f"{profile.name} is no phone; reach a board with --target ssh.")
    check_texts(options.data, options.exits, options.texts, options.lengths)
    if file.exists():
        raise InputError(f"{file} exists and is not overwritten; remove it or choose another.")
    bundle = ensure_bundle(options.profile, options.folder, progress)
    chosen = choose_runner_files(profile.abi, own_c_library=True, user=options.user_files)
    command = f"sh ./{START}" if chosen.own_loader else f"./{RUNNER} --library ./{LIBRARY}"
    members = {name: path.read_bytes() for name, path in chosen.files.items()}
    members["command"] = f"{command}\n".encode()
    subjects = _list_subjects(options, bundle)
    wanted = list_files(bundle, subjects)
    with scratch_folder("script") as scratch, bundle.copy_members(wanted) as files:
        jobs = [_write_job(files, artifact, job, scratch) for artifact, job in subjects]
        members |= {artifact.file: (files / artifact.file).read_bytes() for artifact, _ in subjects}
        members |= {path.name: path.read_bytes() for path in scratch.iterdir()}
    members |= {"run.sh": SCRIPT.read_bytes(), "jobs": "".join(f"{x}\n" for x in jobs).encode()}
    if options.energy:
        order = " ".join(plan_session(()).order)
        members |= {"session.sh": ENERGY_SCRIPT.read_bytes(), "energy-order": f"{order}\n".encode()}
    progress(f"writing {file}")
    _write_zip(members, file)
    return WrittenScript(str(file), file.stat().st_size, tuple(jobs))


def _list_subjects(
    options: PushOptions, bundle: OpenBundle
) -> Sequence[tuple[Artifact, str | TextJob]]:
    names = options.artifacts or (bundle.manifest.default.artifact,)
    if options.data is None:
        return select_subjects(bundle.manifest, names, options.lengths)
    return list_text_jobs(bundle, names, options.data, options.exits, options.texts or MAX_TEXTS)


def _write_job(files: Path, artifact: Artifact, job: str | TextJob, folder: Path) -> str:
    """Write what an artifact is fed into `folder`; the line of run.sh's `jobs` that names it."""
    if isinstance(job, str):
        inputs = folder / f"{artifact.name}-{job}.inputs"
        write_token_inputs(files / TOKENIZER, artifact, job, inputs)
        return f"{artifact.name} {job} {artifact.file} {inputs.name}"
    plan, texts = job.write_files(folder, artifact.name)
    about = f"{sha256_hex(job.plan.encode())} {_name_source(job.source)}"
    played = f"{texts.name} {plan.name} {ROUNDS * job.count} {about}"
    return f"{artifact.name} {job.signature} {artifact.file} {played}"


def _name_source(source: str) -> str:
    """A data set's name as one line of a shell's script takes it."""
    plain = "".join(char if char.isprintable() and char != "\\" else "_" for char in source)
    return " ".join(plain.split())[:MOST_SOURCE]


def _write_zip(members: dict[str, bytes], file: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(members.items()):
            entry = zipfile.ZipInfo(f"edge-bert/{name}", DATE)
            entry.external_attr = 0o100755 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    try:
        write_atomic(file, packed.getvalue())
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}.") from error
