"""Which heads edge-bert builds of which architectures, and in which recipes.

docs/models.md shows it, and a test builds every cell. A new head is a line of HEADS.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from edge_bert.encoder.architectures.registry import ARCHITECTURES, CUSTOM
from edge_bert.records.recipe import RECIPES, Recipe, Scheme

ANSWERS = "question answering"
CALIBRATED = (Scheme.INTEGER, Scheme.MIXED)
# Each head, and the calibrated recipes that have it.
HEADS: dict[str, tuple[Scheme, ...]] = {
    "embedding": CALIBRATED,  # the mean of the tokens, or the first of them
    "other poolings, Dense": CALIBRATED,  # of sentence-transformers, several joined too
    "weighted mean, LayerNorm": (Scheme.MIXED,),  # and unit length before the last step
    "classification": CALIBRATED,  # of a text or a pair, rerankers too
    "token classification": CALIBRATED,
    ANSWERS: CALIBRATED,
    "token vectors": CALIBRATED,
}
WEIGHTS_ONLY = (Scheme.FLOAT, Scheme.HYBRID)
SHARED_LAYERS = frozenset({"albert"})  # whose integers would store a layer for each turn


@dataclass(frozen=True)
class Support:
    """The recipes of an architecture with a head, and whether it is exported to ONNX."""

    recipes: tuple[str, ...]
    onnx: bool

    @property
    def words(self) -> str:
        """A cell of the table in docs/models.md."""
        if not self.recipes:
            return "no"
        kind = _kinds()[frozenset(self.recipes)]
        return f"{kind}, ONNX" if self.onnx else kind


def describe_support() -> dict[tuple[str, str], Support]:
    """What is built of each architecture and head."""
    return {
        (architecture, head): _describe(architecture, head)
        for architecture in (*ARCHITECTURES, *CUSTOM)
        for head in HEADS
    }


def _describe(architecture: str, head: str) -> Support:
    custom = CUSTOM.get(architecture)
    if custom is not None and head == ANSWERS and not custom.answers_questions:
        return Support((), onnx=False)
    known_layers = architecture in ARCHITECTURES
    schemes = {Scheme.FLOAT, Scheme.HYBRID}
    if known_layers and architecture not in SHARED_LAYERS:
        schemes |= {*HEADS[head]}
    four_bits = custom is None or custom.rounds_to_nearest
    recipes = [recipe.name for recipe in RECIPES.values() if _is_built(recipe, schemes, four_bits)]
    return Support(tuple(recipes), onnx=known_layers)


def _is_built(recipe: Recipe, schemes: Collection[Scheme], four_bits: bool) -> bool:
    return recipe.scheme in schemes and (four_bits or recipe.weight_bits > 4)


def _kinds() -> dict[frozenset[str], str]:
    """What the table calls the sets of recipes that occur in it."""
    words: dict[str, tuple[Collection[Scheme], bool]] = {
        "all": (tuple(Scheme), True),
        "not full integers": ((*WEIGHTS_ONLY, Scheme.MIXED), True),
        "weights": (WEIGHTS_ONLY, True),
        "weights, not 4 bits": (WEIGHTS_ONLY, False),
    }
    return {
        frozenset(recipe.name for recipe in RECIPES.values() if _is_built(recipe, *rule)): kind
        for kind, rule in words.items()
    }


def format_support() -> str:
    """The table of architectures (rows) and heads (columns), as docs/models.md has it."""
    support = describe_support()
    lines = [f"| model_type | {' | '.join(HEADS)} |", "|---" * (1 + len(HEADS)) + "|"]
    for architecture in (*ARCHITECTURES, *CUSTOM):
        cells = " | ".join(support[architecture, head].words for head in HEADS)
        lines.append(f"| {architecture} | {cells} |")
    return "\n".join(lines)
