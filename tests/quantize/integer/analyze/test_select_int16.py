"""The search for the groups that a mixed recipe gives 16 bits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from edge_bert.quantize.integer.analyze import select_int16
from edge_bert.quantize.integer.analyze.select_int16 import select_int16_groups
from edge_bert.quantize.integer.calibrate.calibrate import (
    CalibratedEncoder,
    calibrate_encoder,
    convert_integer,
)
from edge_bert.quantize.integer.lower.insert_casts import insert_casts
from edge_bert.quantize.integer.lower.int16_groups import (
    CANDIDATES,
    FIXED,
    candidate_groups,
    int16_outputs,
)
from edge_bert.quantize.integer.lower.operator_cost import (
    PER_UNIT,
    GraphCost,
    graph_cost,
    int16_cost,
)
from edge_bert.records.int16_selection import Int16Selection
from tests.quantize.integer import encoders as tiny
from tests.quantize.integer.running import Running


@pytest.fixture(scope="module", autouse=True)
def _few_sentences() -> Iterator[None]:
    """A third of the sentences: the search is the same, and much faster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(select_int16, "SENTENCES", 8)
        yield


@pytest.fixture(scope="module")
def calibrated() -> CalibratedEncoder:
    """A tiny BERT with outliers."""
    weights = tiny.weights_of("bert", outliers=True)
    return calibrate_encoder(weights, tiny.sentences(weights))


@pytest.fixture(scope="module")
def found(calibrated: CalibratedEncoder) -> Int16Selection:
    """What the search chooses for it."""
    return select_int16_groups(calibrated)


def test_the_choice_is_within_the_limit(found: Int16Selection) -> None:
    """It does no more harm than allowed, and 16 bits everywhere do less than none."""
    assert found.all_groups.output_error < found.no_groups.output_error
    assert found.chosen.output_error <= found.limit
    assert found.limit >= min(select_int16.TARGET_ERROR, found.fixed_groups.output_error)
    assert found.chosen.groups == tuple(sorted(e.group for e in found.groups if e.chosen))
    assert {each.group for each in found.groups} == set(found.all_groups.groups) == set(CANDIDATES)


def test_the_same_calibration_gives_the_same_choice(
    calibrated: CalibratedEncoder, found: Int16Selection
) -> None:
    """Figure for figure."""
    assert select_int16_groups(calibrated) == found


def test_the_fixed_list_is_told_of_whole_where_it_stands_in(
    calibrated: CalibratedEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the search ends above the limit: every group once, the chosen ones first."""
    monkeypatch.setattr(select_int16.BackwardElimination, "run", narrowed_too_far)
    told = select_int16_groups(calibrated)
    names = [each.group for each in told.groups]
    assert sorted(names) == sorted(CANDIDATES)
    assert told.chosen.groups == told.fixed_groups.groups == tuple(sorted(FIXED))
    assert {each.group for each in told.groups if each.chosen} == set(FIXED)
    assert all(each.chosen for each in told.groups[: len(FIXED)])


def narrowed_too_far(self: select_int16.BackwardElimination) -> select_int16.Groups:
    """A search that leaves nothing wide but one group, whatever the harm."""
    kept, *others = sorted(self._candidates)
    self._narrowed.extend(others)
    return frozenset({kept})


def test_a_goal_that_eight_bits_meet_needs_no_sixteen(
    calibrated: CalibratedEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every group is narrowed, the cheapest to lose first; so the table ends with that one."""
    monkeypatch.setattr(select_int16, "TARGET_ERROR", 1.0)
    found = select_int16_groups(calibrated)
    assert found.chosen == found.no_groups
    assert found.chosen.groups == ()
    assert (found.chosen.bytes, found.chosen.instructions) == (0, 0)
    dearest = [each for each in found.groups if each.group.startswith("ffn.")]
    assert all(not each.chosen for each in dearest)


def test_the_group_that_eight_bits_spoil_keeps_sixteen(
    calibrated: CalibratedEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A range made 60 times too wide: 8 bits are useless there, and the search finds where."""
    monkeypatch.setattr(select_int16, "TARGET_ERROR", 0.01)
    assert "norm.update" not in select_int16_groups(calibrated).chosen.groups
    names = [name for name in calibrated.ranges.histograms if ".update." in name]
    kept = {}
    for name in names:
        histogram = calibrated.ranges.histograms[name]
        kept[name] = histogram.low, histogram.high
        histogram.low, histogram.high = 60 * histogram.low, 60 * histogram.high
    found = select_int16_groups(calibrated)
    for name, ends in kept.items():
        calibrated.ranges.histograms[name].low, calibrated.ranges.histograms[name].high = ends
    assert "norm.update" in found.chosen.groups
    assert len(found.chosen.groups) < len(found.all_groups.groups)


def test_the_fixed_list_is_a_floor(
    calibrated: CalibratedEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where 16 bits in more groups do not reach it, the list stands."""

    class Unlucky(select_int16.EvaluatedGroupings):
        """Trials in which only the fixed list is good."""

        def evaluate(self, groups: frozenset[str]) -> select_int16.EvaluatedGrouping:
            return select_int16.EvaluatedGrouping(
                0.01 if groups == frozenset(FIXED) else 0.5, 0.5, GraphCost(1, 1)
            )

    monkeypatch.setattr(select_int16, "EvaluatedGroupings", Unlucky)
    assert select_int16_groups(calibrated).chosen.groups == tuple(sorted(FIXED))


def test_every_choice_runs(calibrated: CalibratedEncoder) -> None:
    """Each group alone in 16 bits, and all of them, on the real runtime, as simulated."""
    sentence = tiny.sentences(calibrated.weights, repeats=1, counts=(11,), seed=4)[0]
    plain = tiny.rewritten_output(calibrated.weights, calibrated.equalized, sentence).reshape(-1)
    for groups in (*((group,) for group in CANDIDATES), CANDIDATES):
        tensors = int16_outputs(calibrated.graph(1), groups)
        running = Running(convert_integer(calibrated, (16,), 16, int16_tensors=tensors))
        got = running.real(16, tiny.padded(sentence, 16)).reshape(-1)
        cosine = got @ plain / np.linalg.norm(got) / np.linalg.norm(plain)
        assert cosine > 0.97, groups


def test_costs_by_hand(calibrated: CalibratedEncoder) -> None:
    """A byte more for each element; instructions for each multiply-accumulate."""
    graph, hidden = calibrated.graph(9), calibrated.weights.config.hidden
    name = "layer.0.attention_output"
    narrow, wide = PER_UNIT["FULLY_CONNECTED"]
    inputs = calibrated.weights.config.heads[0] * calibrated.weights.config.head_size
    added = int16_cost(graph, {name})
    assert added.bytes == 9 * graph.shape(name)[1] >= 9 * hidden
    assert added.instructions == round((wide - narrow) * 9 * graph.shape(name)[1] * inputs)
    whole = graph_cost(insert_casts(graph, {name})) - graph_cost(graph)
    copies = 9 * (2 * inputs + graph.shape(name)[1])  # its input in 16 bits, its output in 8 again
    assert whole.bytes == added.bytes + copies


def test_groups_hold_only_what_has_a_kernel(calibrated: CalibratedEncoder) -> None:
    """Nothing that a batch product reads or gives, no softmax, no sum or root of LayerNorm."""
    graph = calibrated.graph(8)
    operators = {node.output: node.operator for node in graph.nodes}
    for group in candidate_groups(graph):
        assert {operators[name] for name in group.members} <= {
            "FULLY_CONNECTED", "GELU", "ADD", "SUB", "MUL",
        }  # fmt: skip
    assert not int16_outputs(graph, ())
