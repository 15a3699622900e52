"""The order of a plan's steps: what spoils an earlier step is refused before anything trains."""

from __future__ import annotations

import pytest

from edge_bert.compress.plan import PASSES, Pass, Trait, check_order
from edge_bert.errors import InputError
from tests.one_line import refused

# Steps as later ones may be added, one line each.
PACK = Pass({}, frozenset(), "", "nothing", requires=frozenset({Trait.ON_GRID}))
LATER = PASSES | {"pack": PACK}


@pytest.mark.parametrize(
    "kinds",
    [
        ("train",),
        ("train", "distill", "prune"),
        ("distill", "train"),
        ("train", "train", "distill", "distill", "prune", "prune"),
        ("distill", "prune", "exits"),
        ("prune", "qat", "qat", "pack"),
        ("prune", "qat", "cluster"),
        ("train", "distill", "prune", "cluster"),
        ("train", "distill", "prune", "qat", "exits", "cluster"),
        ("cluster", "exits"),
        ("train", "prune", "tokens", "qat", "cluster"),
    ],
)
def test_an_order_in_which_nothing_is_spoiled_is_taken(kinds: tuple[str, ...]) -> None:
    """Whichever steps are left out, and however often one is repeated."""
    check_order(kinds, LATER)


@pytest.mark.parametrize(
    ("kinds", "match"),
    [
        (("qat", "prune"), r"step 2 \(prune\) comes too late: step 1 \(qat\) leaves"),
        (("exits", "qat"), r"step 2 \(qat\) comes too late: step 1 \(exits\)"),
        (("exits", "distill"), r"step 2 \(distill\) .* exits between its layers"),
        (("exits", "train"), r"step 2 \(train\) .* put train before it"),
        (("train", "prune", "distill"), r"step 3 \(distill\) comes too late: step 2 \(prune\)"),
        (("train", "pack"), r"step 2 \(pack\) needs weights on a grid"),
        (("exits", "exits"), r"step 2 \(exits\) .* the earlier exits would be replaced"),
        (("cluster", "prune"), r"step 2 \(prune\) .* weights on a grid .* put prune before it"),
        (("cluster", "qat"), r"step 2 \(qat\) .* few integers .* put qat before it"),
        (("tokens", "prune"), r"step 2 \(prune\) .* read fewer tokens"),
        (("tokens", "exits"), r"step 2 \(exits\) .* exclude each other"),
        (("qat", "tokens"), r"step 2 \(tokens\) .* recovery leaves the grid"),
        (("cluster", "cluster"), r"step 2 \(cluster\) .* few integers in its weights"),
    ],
)
def test_a_step_out_of_place_is_named_with_what_spoils_it(
    kinds: tuple[str, ...], match: str
) -> None:
    """Its number, the earlier step's, and where it belongs."""
    with refused(InputError, match):
        check_order(kinds, LATER)


@pytest.mark.parametrize("kind", ["quantize", "pack", "", "Train"])
def test_an_unknown_step_is_refused_with_those_that_are_known(kind: str) -> None:
    """Also one that the field knows and we do not have yet."""
    with refused(InputError, "step 2: no step is called .* train, distill, prune"):
        check_order(("train", kind))


def test_a_super_network_is_no_step_and_why() -> None:
    """A plan has one model at its end; a budget chooses among many."""
    with refused(InputError, r"step 2: supernet is no step .* `invoke build` with a budget"):
        check_order(("train", "supernet"))
