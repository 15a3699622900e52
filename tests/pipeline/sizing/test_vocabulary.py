"""Vocabularies that a search chooses among: only those that the model's tokenizer can do with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge_bert.bundle.bundle import Bundle
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.options import BuildOptions, open_session
from edge_bert.pipeline.sizing import search_space
from edge_bert.pipeline.sizing.candidate_session import trimmed_sizes
from edge_bert.pipeline.sizing.fit_to_budget import build_sized
from edge_bert.pipeline.sizing.pruning_stats import pruning_stats
from edge_bert.pipeline.sizing.search_candidates import SearchConfig
from edge_bert.records.profile import Budget
from edge_bert.search.problem import SearchEffort
from tests.pipeline import tiny_bundle as tiny
from tests.tiny.tokenizer_files import write_unigram


def sizes_of(asked: BuildOptions) -> tuple[int, ...]:
    """The vocabularies of the candidates."""
    with tiny.own_cache("vocabularies"):
        return search_space.space_of(asked, pruning_stats(asked)).vocabulary


def test_only_what_the_tokenizer_can_do_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number below what must stay would end the search when it is built."""
    wanted = tiny.asked("wear-watch")
    least = trimmed_sizes(wanted)[0]
    rows = artifacts.session_weights(open_session(wanted)).config.vocabulary
    assert least < rows
    monkeypatch.setattr(
        search_space, "VOCABULARIES", (1, least - 1, least, rows - 1, rows, rows + 1)
    )
    assert sizes_of(wanted) == (least, rows - 1, rows)


def test_a_tokenizer_that_cannot_be_trimmed_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All the rest can still be made smaller."""
    folder = Path(shutil.copytree(tiny.model(), tmp_path / "model"))
    for path in (*folder.glob("vocab*"), *folder.glob("tokenizer*")):
        path.unlink()
    write_unigram(folder)
    wanted = tiny.asked("wear-watch", folder)
    rows = artifacts.session_weights(open_session(wanted)).config.vocabulary
    monkeypatch.setattr(search_space, "VOCABULARIES", (rows // 2, rows - 1))
    assert sizes_of(wanted) == (rows,)


@pytest.mark.slow
def test_a_bundle_with_a_trimmed_vocabulary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing else fits: its tokenizer and its table have the tokens that were kept."""
    wanted = tiny.asked("wear-watch")
    least = trimmed_sizes(wanted)[0]
    monkeypatch.setattr(search_space, "VOCABULARIES", (least,))
    with tiny.own_cache("vocabularies"):
        budget, means = Budget(size_bytes=34_000), SearchConfig(SearchEffort(evaluations=1))
        built = build_sized(wanted, budget, tmp_path / "out", means=means)
    assert built.report.search is not None
    assert built.report.search.chosen is not None
    assert built.report.search.chosen.candidate.structure.vocabulary == least
    assert len((built.folder / "vocab.txt").read_text("utf-8").splitlines()) == least
    found = Bundle.open(built.folder).encode(["a man eats", "ein Mann ißt"])
    assert found.shape[0] == 2
