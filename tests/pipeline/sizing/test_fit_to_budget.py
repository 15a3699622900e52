"""Builds for a budget, with real searches over a tiny model; latency is not emulated here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.bundle.bundle import Bundle
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import DataError, InputError, RefusedError
from edge_bert.pipeline.build import build as building
from edge_bert.pipeline.build import session as build_session
from edge_bert.pipeline.build.build import BuiltBundle
from edge_bert.pipeline.build.findings import measurements
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.sizing import cost_bounds
from edge_bert.pipeline.sizing.fit_to_budget import (
    NothingFitsError,
    build_sized,
    fit_to_budget,
    fit_unpruned,
    unpruned_candidate,
)
from edge_bert.pipeline.sizing.search_candidates import search_candidates
from edge_bert.pipeline.sizing.session import SizingSession
from edge_bert.records.candidate import SearchResult
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.store import cache
from tests.one_line import refused
from tests.pipeline import tiny_bundle as tiny
from tests.test_profiles import PHONE
from tests.tiny.exits import add_exits

LIMIT = 60_000  # the whole tiny model takes some 93 kB


def options_with(**values: Any) -> BuildOptions:
    """A tiny model for the newest phone, without emulation."""
    defaults: dict[str, Any] = {"profile": "pixel", "lengths": (16, 32), "evaluations": 3}
    return tiny.sizing_options(**(defaults | values))


def open_options(**values: Any) -> BuildSession:
    """The build session with these options."""
    return BuildSession.open(options_with(**values))


def sizing_of(**values: Any) -> SizingSession:
    """A session with these options."""
    return SizingSession(open_options(**values))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltBundle:
    with tiny.own_cache("sizing"):
        out = tmp_path_factory.mktemp("sized") / "bundle"
        return build_sized(sizing_of(max_size=LIMIT, out=out))


def chosen(built: BuiltBundle) -> SearchResult:
    assert built.report.search is not None
    assert built.report.search.chosen is not None
    return built.report.search


def test_the_file_meets_the_budget_and_is_the_candidate(built: BuiltBundle) -> None:
    """What stands in the folder has the size that was allowed, and the score that was found."""
    found = chosen(built).chosen
    assert found is not None
    default = built.report.manifest.default.artifact
    (artifact,) = [each for each in built.report.manifest.artifacts if each.name == default]
    assert artifact.name == found.candidate.recipe
    assert artifact.size_bytes <= LIMIT
    assert built.report.manifest.default.reason.startswith("the best score, ")
    assert built.report.manifest.default.reason.endswith("that were built")
    assert artifact.scores.drift is not None
    assert artifact.scores.drift.cosine_mean == pytest.approx(found.score, abs=1e-4)


def test_the_bundle_works(built: BuiltBundle) -> None:
    """Its own tokenizer and file give embeddings for any text."""
    found = Bundle.open(built.folder).encode(["a man eats", "ein Mann ißt \N{PILE OF POO}"])
    assert found.shape[0] == 2
    assert np.isfinite(found).all()


def test_the_search_stays_with_the_bundle(built: BuiltBundle) -> None:
    """search.json is named in the manifest and shown when the report is written anew."""
    assert "search.json" in {each.file for each in built.report.manifest.files}
    again = measurements.complete_report(measurements.report_of(built.folder), built.folder)
    assert again.search == built.report.search
    assert again.profile.budget.size_bytes == LIMIT
    assert "Pareto front" in (built.folder / "report.html").read_text()


def test_every_candidate_has_its_verdict(built: BuiltBundle) -> None:
    """All of the space is accounted for: built, dropped with a reason, or left untried."""
    found = chosen(built)
    assert len(found.evaluated) == 3
    assert all(each.rejected for each in found.dropped)
    assert found.untried > 0


def test_the_same_search_builds_nothing_again(built: BuiltBundle, tmp_path: Path) -> None:
    """The journal in the cache has all that is asked for."""
    with tiny.own_cache("sizing"):
        said: list[str] = []
        again = search_candidates(sizing_of(max_size=LIMIT), said.append)
    assert again == built.report.search
    assert not [line for line in said if "score" in line]
    assert not list(tmp_path.iterdir())


def test_what_is_impossible_ends_at_once_with_the_nearest(tmp_path: Path) -> None:
    """No file can have a kilobyte; nothing is built and nothing is written."""
    with tiny.own_cache("sizing"), pytest.raises(NothingFitsError, match="No candidate") as caught:
        build_sized(sizing_of(max_size=1000, out=tmp_path / "out"))
    assert caught.value.exit_code == 7
    assert caught.value.search.evaluated == ()
    assert all(each.rejected for each in caught.value.search.nearest)
    assert caught.value.search.nearest
    assert not (tmp_path / "out" / tiny.PROFILE).exists()


def test_a_whole_model_that_fits_is_left_whole() -> None:
    """Only what the budget does not allow is made smaller, and what it misses is said."""
    with tiny.own_cache("sizing"):
        assert fit_unpruned(open_options(max_size=200_000)).exceeded is None
        why = fit_unpruned(open_options(max_size=LIMIT)).exceeded
    assert why is not None
    assert "a file of 9" in why
    assert "60.0 kB" in why


@pytest.mark.usefixtures("built")
def test_a_chosen_file_that_does_not_run_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """float32 does not take its place: that would not meet the budget."""

    def failing(_: object, path: Path, *__: object) -> Any:
        raise RefusedError(f"{path.stem} does not run")

    monkeypatch.setattr(building, "_verify", failing)
    with tiny.own_cache("sizing"), refused(RefusedError, "does not run"):
        build_sized(sizing_of(max_size=LIMIT, out=tmp_path / "out"))
    assert not (tmp_path / "out" / tiny.PROFILE).exists()


def profile_with(folder: Path, recipe: str) -> str:
    """The path of a profile that wants this recipe most."""
    path = folder / f"{recipe}.toml"
    path.write_text(PHONE.replace('"wi8_afp32", "float32"', f'"{recipe}"'), "utf-8")
    return str(path)


@pytest.mark.parametrize("recipe", ["float16", "wi8_afp32", "wi4_afp32"])
def test_the_whole_model_is_looked_at_in_the_recipe_that_becomes_the_default(
    recipe: str, tmp_path: Path
) -> None:
    """With the bits that it has there: what is computed is the size of the file that is built."""
    options = options_with(
        profile=profile_with(tmp_path, recipe), recipes=(recipe,), out=tmp_path / "out"
    )
    session = BuildSession.open(options)
    candidate = unpruned_candidate(session)
    assert candidate.recipe == recipe
    with tiny.own_cache("sizing"):
        made = fit_to_budget(options)
    (artifact,) = made.report.manifest.artifacts
    computed = cost_bounds.bound_cost(session, candidate).size_bytes
    assert computed == pytest.approx(artifact.size_bytes, rel=0.05)


def test_layers_that_share_weights_are_refused() -> None:
    """ALBERT is built whole; what the search takes apart it does not have."""
    with refused(RefusedError, "albert: its layers share their weights"):
        fit_unpruned(open_options(model=tiny.model("albert"), max_size=1000))


def test_a_model_with_exits_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused before anything is measured."""

    def read(checkpoint: Checkpoint) -> EncoderWeights:
        return add_exits(encoder_weights(checkpoint), (1,))

    monkeypatch.setattr(build_session, "encoder_weights", read)
    with refused(RefusedError, "has exits, which belong to its layers.*give it exits then"):
        fit_to_budget(options_with(max_size=LIMIT))


def test_a_corpus_that_is_not_there_is_told_first() -> None:
    """Not by a search, after minutes, and not by a traceback."""
    with refused(DataError, "none.txt"):
        fit_to_budget(options_with(corpus="/nowhere/none.txt", max_size=LIMIT))


def test_options_of_the_file_reach_the_candidates(built: BuiltBundle) -> None:
    """What a candidate is evaluated as is what is built in the end."""
    with tiny.own_cache("sizing"):
        found = chosen(built).chosen
        assert found is not None
        for float_output in (True, False):
            session = sizing_of(float_output=float_output).for_candidate(found.candidate)
            assert session.options.float_output is float_output


def test_limits_beside_recipes_are_refused() -> None:
    """A named recipe means the whole model."""
    with pytest.raises(InputError, match="leave the limits out"):
        fit_to_budget(options_with(max_size=LIMIT, recipes=("float32",)))


def test_worth_is_read_as_it_was_written() -> None:
    """From the cache comes what was measured."""
    with tiny.own_cache("sizing"):
        first = sizing_of().pruning_stats()
        assert len(list((cache.cache_folder("entries") / "pruning_stats").iterdir())) == 1
        second = sizing_of().pruning_stats()
    assert second.layers == first.layers
    assert second.curves == first.curves
    for one, other in zip(first.importance.neurons, second.importance.neurons, strict=True):
        np.testing.assert_array_equal(one.covariance, other.covariance)
        assert one.removals == other.removals


def test_a_request_has_no_smaller_encoder_by_itself() -> None:
    """Only a sizing puts one in."""
    assert tiny.open_session().pruned is None
