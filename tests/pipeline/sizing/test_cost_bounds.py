"""Budgets that the model's numbers alone rule out: ended before anything is measured or built."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_bert.compress.prune.allocate_sparsity import ErrorCurves
from edge_bert.compress.prune.importance import Importance
from edge_bert.errors import MissingToolError
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.sizing import cost_bounds, fit_to_budget, search_candidates, search_space
from edge_bert.pipeline.sizing.pruning_stats import PruningStats
from edge_bert.pipeline.sizing.session import SizingSession
from edge_bert.records.candidate import Constraint
from edge_bert.search.space import Space
from edge_bert.store import cache
from tests.one_line import refused
from tests.pipeline import tiny_bundle as tiny
from tests.pipeline.sizing import test_fit_to_budget
from tests.test_profiles import PHONE
from tests.tiny import models

ROOT = Path(__file__).resolve().parents[3]
LAYERS, HEADS, FFN = 4, 4, 256
TIGHT = {"max_latency": 1e-5}


@pytest.fixture(scope="module")
def sizing(tmp_path_factory: pytest.TempPathFactory) -> SizingSession:
    """A tiny model whose layers are wide enough to be cut in steps."""
    folder = tmp_path_factory.mktemp("wide") / "model"
    sizes = {"num_hidden_layers": LAYERS, "intermediate_size": FFN, "hidden_size": 128}
    wide = models.write(folder, "bert", "mean-normalize", **sizes)
    return test_fit_to_budget.sizing_of(model=wide, emulate=True)


def with_options(sizing: SizingSession, **values: object) -> SizingSession:
    """The same model with other options."""
    options = msgspec.structs.replace(sizing.build.options, **values)
    return SizingSession(BuildSession.open(options))


def curve(count: int) -> st.SearchStrategy[tuple[float, ...]]:
    """Losses that never fall."""
    steps = st.lists(st.floats(0, 1), min_size=count, max_size=count)
    return steps.map(lambda each: tuple(sum(each[:n]) for n in range(len(each) + 1)))


@st.composite
def spaces(draw: st.DrawFn) -> PruningStats:
    """What could be measured of the model: any curves, any order of the layers."""
    order = draw(st.permutations(range(LAYERS)))
    coarse = draw(st.tuples(*[curve(FFN // 32)] * LAYERS))
    fine = tuple(tuple(each[at // 32] for at in range(FFN + 1)) for each in coarse)
    return PruningStats(
        importance=Importance((), ()),
        curves=ErrorCurves(draw(st.tuples(*[curve(HEADS)] * LAYERS)), fine),
        layers=tuple(tuple(sorted(order[: LAYERS - gone])) for gone in range(LAYERS)),
    )


def with_least_bits(found: Space, point: tuple[int, ...]) -> tuple[int, ...]:
    """The point, with 4 bits in all layers where it has them in some."""
    mixed = 4 in found.candidate(point).matrix_bits
    fours = found.matrix_bits.index((4,) * LAYERS)
    return (*point[:4], fours if mixed else point[4], *point[5:])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spaces())
def test_the_outline_is_no_dearer_than_any_measured_space(
    sizing: SizingSession, worth: PruningStats
) -> None:
    """Every candidate has one with the same choices in the outline, with the same least latency
    and energy, and a file that is no larger than `ROOM` times its own."""
    outline, measured = (
        search_space.outline_space(sizing),
        search_space.measured_space(sizing, worth),
    )
    assert outline is not None
    assert outline.sizes == measured.sizes
    for point, candidate in list(measured.candidates().items())[::7]:
        other = outline.candidate(with_least_bits(outline, point))
        found, least = (
            cost_bounds.bound_cost(sizing.build, candidate),
            cost_bounds.bound_cost(sizing.build, other),
        )
        assert least.latency_ms == found.latency_ms
        assert least.energy_mj == found.energy_mj
        assert least.size_bytes <= search_space.ROOM * found.size_bytes


def test_layers_of_different_sizes_have_no_outline(
    sizing: SizingSession,
) -> None:
    """Which of them stay decides what is left to multiply."""
    weights = sizing.build.weights
    config = dataclasses.replace(weights.config, ffn=(FFN, FFN, FFN, FFN // 2))
    uneven = dataclasses.replace(weights, config=config)
    session = dataclasses.replace(sizing.build, pruned=uneven)
    assert search_space.outline_space(SizingSession(session)) is None


def test_latency_and_energy_are_bounded_where_they_are_emulated(sizing: SizingSession) -> None:
    """Half the layers take half the time; without an emulated phone only the size is known."""
    whole = fit_to_budget.unpruned_candidate(sizing.build)
    kept = whole.structure
    half = msgspec.structs.replace(
        whole,
        structure=msgspec.structs.replace(
            kept, layers=kept.layers[:2], ffn=kept.ffn[:2], heads=kept.heads[:2]
        ),
        matrix_bits=whole.matrix_bits[:2],
    )
    found, less = (
        cost_bounds.bound_cost(sizing.build, whole),
        cost_bounds.bound_cost(sizing.build, half),
    )
    assert found.latency_ms is not None
    assert found.energy_mj is not None
    assert less.latency_ms == pytest.approx(found.latency_ms / 2)
    assert less.energy_mj == pytest.approx(found.energy_mj / 2)
    blind = cost_bounds.bound_cost(with_options(sizing, emulate=False).build, whole)
    assert (blind.latency_ms, blind.energy_mj) == (None, None)
    assert blind.size_bytes == found.size_bytes


def test_a_core_that_nobody_modelled_leaves_the_size(sizing: SizingSession, tmp_path: Path) -> None:
    """Such a profile builds: its latency and energy are not looked at, and that is said."""
    path = tmp_path / "phone.toml"
    path.write_text(PHONE.replace("cortex-a55", "unknown-41-d87"), "utf-8")
    unknown = with_options(sizing, profile=str(path)).build
    found = cost_bounds.bound_cost(unknown, fit_to_budget.unpruned_candidate(unknown))
    assert found.size_bytes
    assert (found.latency_ms, found.energy_mj) == (None, None)
    assert fit_to_budget.why_not_emulated(unknown.profile)


def test_the_bound_is_for_the_length_of_the_budget(sizing: SizingSession) -> None:
    """128 tokens are cut to the longest bucket; a shorter one is not what the budget means."""
    whole = fit_to_budget.unpruned_candidate(sizing.build)
    short = msgspec.structs.replace(whole, lengths=(16,))
    found, less = (
        cost_bounds.bound_cost(sizing.build, whole).latency_ms,
        cost_bounds.bound_cost(sizing.build, short).latency_ms,
    )
    assert found is not None
    assert less is not None
    assert less < found / 1.9


@pytest.mark.parametrize("limits", [TIGHT, {"max_energy": 1e-6}, {"max_size": 500}])
def test_the_impossible_is_told_without_measuring(
    sizing: SizingSession, limits: dict[str, float]
) -> None:
    """Every candidate has its reason; the nearest one is the best that could be had."""
    limited = with_options(sizing, **limits)
    with tiny.own_cache("bounds"):
        found = search_candidates.search_candidates(limited)
        entries = {each.name for each in cache.cache_folder(".").iterdir()}
        assert entries == {shared.partition("/")[0] for shared in tiny.FROM_USUAL_CACHE}
    assert found.chosen is None
    assert found.evaluated == ()
    assert found.untried == 0
    assert len(found.dropped) == len({each.candidate for each in found.dropped}) > 100
    gate = Constraint.SIZE if "max_size" in limits else Constraint.BOUND
    assert all(each.constraint is gate and each.rejected for each in found.dropped)
    (nearest,) = found.nearest
    assert nearest.rejected is not None
    assert nearest.rejected in found.reason


def test_what_may_be_possible_is_left_to_the_search(sizing: SizingSession) -> None:
    """A budget that one candidate's bounds meet is ruled out by nothing."""
    outline = search_space.outline_space(sizing)
    assert outline is not None
    least = min(
        cost_bounds.bound_cost(sizing.build, each).latency_ms or 0.0
        for each in outline.candidates().values()
    )
    loose, tight = (
        search_candidates.rule_out_budget(with_options(sizing, max_latency=limit))
        for limit in (least, least * 0.999)
    )
    assert loose is None
    assert tight is not None


def test_without_an_emulated_phone(sizing: SizingSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """The impossible is told all the same; for the rest the emulator is asked for."""
    monkeypatch.setattr(fit_to_budget.host_tools, "find_missing_tools", lambda: ("qemu",))
    with tiny.own_cache("no-phone"):
        with refused(fit_to_budget.NothingFitsError, "a latency of at least"):
            fit_to_budget.fit_to_budget(with_options(sizing, **TIGHT).build.options)
        with refused(MissingToolError, "invoke emulator setup"):
            fit_to_budget.fit_to_budget(with_options(sizing, max_latency=1.0).build.options)


# What is known of the model's own files, and of ours: small, and there before any work begins.
READINGS = ("code", "tokenizers", "vocabularies")
ENTRIES = ("config_classes", "resolved_tokenizers", "tokenizer_trials")


def test_at_the_command_line(sizing: SizingSession, tmp_path: Path) -> None:
    """Exit code 7 within seconds, nothing in the cache or the output, TensorFlow never loaded."""
    model = str(sizing.build.options.model)
    words = ["build", "--profile", "pixel", "--model", model, "--lengths", "16,32"]
    words += ["--max-latency", "0.00001ms", "--out", str(tmp_path / "out")]
    environment = os.environ | {
        "EDGE_BERT_CACHE": str(tmp_path / "cache"), "COLUMNS": "200",
        "PYTHONPROFILEIMPORTTIME": "1",
    }  # fmt: skip

    def invoke(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "invoke", *words, *more]
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip

    done = invoke()
    assert done.returncode == 7, done.stderr
    assert "No candidate can meet the budget: the best has a latency of at least" in done.stderr
    assert "by a computed lower bound" in done.stdout
    assert "edge_bert.pipeline.sizing.fit_to_budget" in done.stderr
    assert not re.search(r"\| +tensorflow$", done.stderr, re.MULTILINE)
    written = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    rooms = {path.relative_to("cache").parent for path in written}
    allowed = [*map(Path, READINGS), *(Path("entries", name) for name in ENTRIES)]
    assert all(any(room.is_relative_to(known) for known in allowed) for room in rooms), rooms
    told = json.loads(invoke("--json").stdout)
    assert told["exit_code"] == 7
    assert all(each["rejected"] for each in told["search"]["dropped"])
    assert told["search"]["nearest"][0]["rejected"] in told["error"]
