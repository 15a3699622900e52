"""A matrix of profiles and models: done once, whoever dies on the way."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import pytest

from edge_bert.errors import InputError
from edge_bert.records.candidate import CandidateCost
from edge_bert.search import matrix_jobs
from edge_bert.search.executors.choose import open_executor
from edge_bert.search.executors.in_process import InProcess
from edge_bert.search.executors.jobs import Executor, Job
from edge_bert.store import content_store
from tests.one_line import refused
from tests.search import jobs

PROFILES = ("pixel-9", "pixel-3a", "raspberry-pi-4", "android-low-end", "watch", "s21")
MODELS = ("minilm", "bert-base")


def build(folder: Path, profile: str, model: str, journal: Path, kills: bool) -> CandidateCost:
    """Make a file in the content-addressed store; kill the process once where `kills`."""
    if kills and not (folder / "killed").exists():
        jobs.wait_until_recorded(folder, journal)
        (folder / "killed").touch()
        jobs.die(folder)

    def make() -> bytes:
        return hashlib.sha256(f"{profile} {model}".encode()).digest() * 1000

    data = content_store.fetch_bytes(folder, content_store.key_of(profile, model), make)
    jobs.note(folder, f"{profile}/{model}")
    return CandidateCost(size_bytes=len(data), latency_ms=float(len(profile)))


def asked(folder: Path) -> list[Job]:
    """All profiles with all models; the seventh job kills."""
    pairs = list(itertools.product(PROFILES, MODELS))
    journal = folder / "matrix.jsonl"
    return [
        Job(f"{profile}/{model}", build, (folder, profile, model, journal, number == 6))
        for number, (profile, model) in enumerate(pairs)
    ]


@pytest.mark.parametrize("kind", ["processes", "dask"])
def test_one_worker_killed_half_way(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Nothing is lost, nothing is built twice; running it again builds nothing."""
    scheduler = None
    if kind == "dask":
        scheduler = request.getfixturevalue("cluster").scheduler_address
    for _ in range(2):
        with open_executor(workers=2, scheduler=scheduler) as opened:
            path = tmp_path / "matrix.jsonl"
            found = matrix_jobs.run_matrix_jobs(
                asked(tmp_path), CandidateCost, opened, path, problem="all"
            )
        assert list(found.values) == [job.key for job in asked(tmp_path)]
        assert found.values["watch/minilm"] == CandidateCost(size_bytes=32000, latency_ms=5.0)
        assert found.failed == {}
        expected = {job.key: 1 for job in asked(tmp_path)}
        assert jobs.ran(tmp_path) == expected | {"died": 1}
        assert len(jobs.lines(path)) == 12


def test_what_failed_is_told_and_tried_again(any_executor: Executor, tmp_path: Path) -> None:
    """The others are done, and only what failed is run the next time."""
    path, said = tmp_path / "matrix.jsonl", list[str]()
    bad = Job("bad", jobs.refuses, (tmp_path,))
    all_jobs = [bad, *jobs.squares(tmp_path, 2)]
    found = matrix_jobs.run_matrix_jobs(
        all_jobs, int, any_executor, path, problem="p", progress=said.append
    )
    assert found.values == {"square-0": 0, "square-1": 1}
    assert found.failed == {"bad": f"nothing fits in {tmp_path.name}"}
    assert len(said) == 3
    assert f"bad failed: nothing fits in {tmp_path.name}" in " ".join(said)
    mended = [Job("bad", jobs.square, (tmp_path, 5)), *all_jobs[1:]]
    again = matrix_jobs.run_matrix_jobs(mended, int, any_executor, path, problem="p")
    assert again.values == {"bad": 25, "square-0": 0, "square-1": 1}
    assert jobs.ran(tmp_path) == {"0": 1, "1": 1, "5": 1}


def test_a_fault_of_ours_is_raised(tmp_path: Path) -> None:
    """After the others are recorded."""
    path = tmp_path / "matrix.jsonl"
    with pytest.raises(jobs.UnpicklableError):
        matrix_jobs.run_matrix_jobs(
            [Job("bad", jobs.breaks, ()), *jobs.squares(tmp_path, 2)],
            int,
            InProcess(),
            path,
            problem="p",
        )
    assert len(jobs.lines(path)) == 2


def test_another_matrix(tmp_path: Path) -> None:
    """Its journal is not taken for this one's."""
    path = tmp_path / "matrix.jsonl"
    matrix_jobs.run_matrix_jobs(jobs.squares(tmp_path, 1), int, InProcess(), path, problem="one")
    with refused(InputError, "another search"):
        matrix_jobs.run_matrix_jobs(
            jobs.squares(tmp_path, 1), int, InProcess(), path, problem="two"
        )
