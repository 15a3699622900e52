"""A super-network in words: what can be cut from it, and the score of some of it."""

from __future__ import annotations

from edge_bert.records.base import Record
from edge_bert.records.supernet_training import SubnetworkScore, SupernetTraining

IMPORTANCE_WORDS = {
    "obs": "the error after a refit",
    "fisher": "curvature on texts",
    "taylor": "the gradient of the error on labels",
}


class RungRow(Record, frozen=True):
    """A sub-network as a row of a table: its name, its work, its score."""

    name: str
    work: str
    score: str


def tell_supernet(supernet: SupernetTraining) -> str:
    """How it was trained, in two sentences."""
    ends, source = "the whole model or the smallest sub-network", "from the model before"
    if supernet.in_place:
        ends = "the whole model, the smallest sub-network"
        source = "the smaller ones from the whole of the same step"
    importance = IMPORTANCE_WORDS.get(supernet.importance, supernet.importance)
    return (
        f"Heads and neurons are sorted by {importance}. In each step {ends} and {supernet.drawn} "
        f"drawn at random learned, {source}."
    )


def list_rungs(supernet: SupernetTraining) -> list[RungRow]:
    """The sub-networks that were scored, from the smallest to the whole."""
    return [
        RungRow(
            name=name_rung(rung),
            work=f"{rung.macs / 1e6:,.0f} M, {rung.share:.0%}",
            score=f"{rung.score:.4f}",
        )
        for rung in supernet.rungs
    ]


def name_rung(rung: SubnetworkScore) -> str:
    """The counts of a sub-network in a few words."""
    structure = rung.structure
    return (
        f"{len(structure.layers)} layers, {sum(structure.heads)} heads, "
        f"{sum(structure.ffn)} neurons"
    )
