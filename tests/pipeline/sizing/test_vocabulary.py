"""Vocabularies that a search chooses among: only those that the model's tokenizer can do with."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from edge_bert.bundle.bundle import Bundle
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.sizing import search_space
from edge_bert.pipeline.sizing.fit_to_budget import build_sized
from edge_bert.pipeline.sizing.session import SizingSession
from tests.pipeline import tiny_bundle as tiny
from tests.tiny.tokenizer_files import write_unigram


def sizing_of(**values: Any) -> SizingSession:
    """The sizing of a tiny model for a watch."""
    options = tiny.sizing_options("wear-watch", **values)
    return SizingSession(BuildSession.open(options))


def sizes_of(sizing: SizingSession) -> tuple[int, ...]:
    """The vocabularies of the candidates."""
    with tiny.own_cache("vocabularies"):
        return search_space.measured_space(sizing, sizing.pruning_stats()).vocabulary


def test_only_what_the_tokenizer_can_do_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number below what must stay would end the search when it is built."""
    sizing = sizing_of()
    least = sizing.trimmed_sizes[0]
    rows = sizing.build.weights.config.vocabulary
    assert least < rows
    monkeypatch.setattr(
        search_space, "VOCABULARIES", (1, least - 1, least, rows - 1, rows, rows + 1)
    )
    assert sizes_of(sizing) == (least, rows - 1, rows)


def test_a_tokenizer_that_cannot_be_trimmed_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All the rest can still be made smaller."""
    folder = Path(shutil.copytree(tiny.model(), tmp_path / "model"))
    for path in (*folder.glob("vocab*"), *folder.glob("tokenizer*")):
        path.unlink()
    write_unigram(folder)
    sizing = sizing_of(source=folder)
    rows = sizing.build.weights.config.vocabulary
    monkeypatch.setattr(search_space, "VOCABULARIES", (rows // 2, rows - 1))
    assert sizes_of(sizing) == (rows,)


@pytest.mark.slow
def test_a_bundle_with_a_trimmed_vocabulary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing else fits: its tokenizer and its table have the tokens that were kept."""
    sizing = sizing_of(max_size=32_000, evaluations=1, out=tmp_path / "out")
    least = sizing.trimmed_sizes[0]
    monkeypatch.setattr(search_space, "VOCABULARIES", (least,))
    with tiny.own_cache("vocabularies"):
        built = build_sized(sizing)
    assert built.report.search is not None
    assert built.report.search.chosen is not None
    assert built.report.search.chosen.candidate.structure.vocabulary == least
    assert len((built.folder / "vocab.txt").read_text("utf-8").splitlines()) == least
    found = Bundle.open(built.folder).encode(["a man eats", "ein Mann ißt"])
    assert found.shape[0] == 2
