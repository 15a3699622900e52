"""Budgets for a super-network: the search is among what was trained, and nothing is pruned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.compress.prune.subnetworks import cut_subnetwork
from edge_bert.errors import InputError, ModelError
from edge_bert.pipeline.build.build import BuiltBundle
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.sizing import search_candidates
from edge_bert.pipeline.sizing.cut_session import cut_session
from edge_bert.pipeline.sizing.fit_to_budget import fit_to_budget
from edge_bert.pipeline.sizing.session import SizingSession
from tests.one_line import refused
from tests.pipeline import tiny_bundle as tiny
from tests.pipeline.sizing.supernet_folder import GRID, write_supernet

LIMIT = 70_000  # bytes; the whole tiny model takes some 93 kB


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny super-network."""
    return write_supernet(tmp_path_factory.mktemp("trained") / "many")


def options_with(folder: Path, **values: Any) -> Any:
    """A search of a few candidates, without emulation."""
    given: dict[str, Any] = {
        "profile": "pixel",
        "lengths": (16,),
        "evaluations": 1,
        "model": folder,
        "max_size": LIMIT,
    }
    return tiny.sizing_options(**(given | values))


@pytest.fixture(scope="module")
def said() -> list[str]:
    """What the build said."""
    return []


@pytest.fixture(scope="module")
def built(folder: Path, said: list[str], tmp_path_factory: pytest.TempPathFactory) -> BuiltBundle:
    """The bundle of the sub-network that was chosen."""
    out = tmp_path_factory.mktemp("sized") / "bundle"
    with tiny.own_cache():
        return fit_to_budget(options_with(folder, out=out), said.append)


def test_the_search_is_among_what_was_trained(built: BuiltBundle, said: list[str]) -> None:
    """Every candidate that was looked at is one of the grid, and no importance is measured."""
    search = built.report.search
    assert search is not None
    assert search.chosen is not None
    trained = {
        GRID.pick_structure(layers, heads, ffn, 1)
        for layers in range(2)
        for heads in range(2)
        for ffn in range(2)
    }
    kept = {(x.layers, x.heads, x.ffn) for x in trained}
    looked_at = [x.candidate.structure for x in (*search.evaluated, *search.dropped)]
    assert {(x.layers, x.heads, x.ffn) for x in looked_at} <= kept
    assert len(search.evaluated) == 1
    assert any("sub-networks that were trained" in line for line in said)
    assert not any("importance" in line or "allocation" in line for line in said)


def test_the_chosen_one_is_cut_and_scored_as_it_is_built(built: BuiltBundle, folder: Path) -> None:
    """Its weights are the first of each layer, and the score is that of the built file."""
    search = built.report.search
    assert search is not None
    assert search.chosen is not None
    (artifact,) = (
        x for x in built.report.manifest.artifacts if x.name == search.chosen.candidate.recipe
    )
    assert artifact.size_bytes <= LIMIT
    assert artifact.scores.drift is not None
    assert artifact.scores.drift.cosine_mean == pytest.approx(search.chosen.score, abs=1e-4)
    with tiny.own_cache():
        sizing = SizingSession(BuildSession.open(options_with(folder)))
        session = sizing.for_candidate(search.chosen.candidate)
    structure = search.chosen.candidate.structure
    expected = cut_subnetwork(sizing.build.weights, structure).layers[0].ffn_out.kernel
    np.testing.assert_array_equal(session.weights.layers[0].ffn_out.kernel, expected)


def test_keys_tell_what_was_cut_from_what_was_pruned(folder: Path, tmp_path: Path) -> None:
    """The same model without its supernet.json has a journal and files of its own."""
    plain = write_supernet(tmp_path / "plain")
    (plain / "supernet.json").unlink()
    keys = []
    for model in (folder, plain):
        sizing = SizingSession(BuildSession.open(options_with(model)))
        keys.append(search_candidates._search_key(sizing))
    assert keys[0] != keys[1]


def test_a_named_structure_is_cut_and_others_are_refused(folder: Path, tmp_path: Path) -> None:
    """Between the fewest and all that were trained, any number; no layers that never stood alone,
    and no other model."""
    file = tmp_path / "structure.json"
    session = BuildSession.open(options_with(folder, max_size=None))

    def cut(text: str) -> BuildSession:
        file.write_text(text)
        return cut_session(session, str(file))

    config = cut('{"layers": [1], "heads": [3], "ffn": [48]}').weights.config
    assert (config.heads, config.ffn) == ((3,), (48,))
    with refused(InputError, "the layers 0 were not trained"):
        cut('{"layers": [0], "heads": [3], "ffn": [48]}')
    with refused(InputError, "heads has 1 at place 0, where 2 to 4 were trained"):
        cut('{"layers": [1], "heads": [1], "ffn": [48]}')
    session = BuildSession.open(tiny.make_options(lengths=(16,)))
    with refused(InputError, "has none; train them with `invoke supernet`"):
        cut('{"layers": [1], "heads": [3], "ffn": [48]}')
    with refused(InputError, "leave limits and --unpruned out"):
        fit_to_budget(options_with(folder, structure=str(file)))


def test_a_bad_file_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    """In one line that names it, also where the whole model would fit."""
    model = write_supernet(tmp_path / "bad")
    (model / "supernet.json").write_text("{}")
    for limit in (LIMIT, 10**9):
        with refused(ModelError, "supernet.json does not hold"):
            fit_to_budget(options_with(model, max_size=limit, out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()
