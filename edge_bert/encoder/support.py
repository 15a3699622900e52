"""Which heads edge-bert builds of which architectures, and in which recipes.

docs/models.md shows it, and a test builds every cell. A new head is a line of HEADS.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from edge_bert.encoder.architectures.registry import ARCHITECTURES, CUSTOM
from edge_bert.records.recipe import RECIPES, Recipe, Scheme

ANSWERS = "question answering"
# Each head, and whether calibrated integers and the ONNX export have it.
HEADS = {
    "embedding": True,  # the mean of the tokens, or the first of them
    "other poolings and modules": False,  # of sentence-transformers
    "classification": True,  # of a text or a pair, rerankers too
    "token classification": True,
    ANSWERS: True,
    "token vectors": True,
}
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
        kind = {len(RECIPES): "all", 4: "weights", 3: "weights, not 4 bits"}[len(self.recipes)]
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
    known_layers = architecture in ARCHITECTURES and HEADS[head]
    schemes = {Scheme.FLOAT, Scheme.HYBRID}
    if known_layers and architecture not in SHARED_LAYERS:
        schemes |= {Scheme.INTEGER, Scheme.MIXED}
    four_bits = custom is None or custom.rounds_to_nearest
    recipes = [recipe.name for recipe in RECIPES.values() if _is_built(recipe, schemes, four_bits)]
    return Support(tuple(recipes), onnx=known_layers)


def _is_built(recipe: Recipe, schemes: Collection[Scheme], four_bits: bool) -> bool:
    return recipe.scheme in schemes and (four_bits or recipe.weight_bits > 4)


def format_support() -> str:
    """The table of architectures (rows) and heads (columns), as docs/models.md has it."""
    support = describe_support()
    lines = [f"| model_type | {' | '.join(HEADS)} |", "|---" * (1 + len(HEADS)) + "|"]
    for architecture in (*ARCHITECTURES, *CUSTOM):
        cells = " | ".join(support[architecture, head].words for head in HEADS)
        lines.append(f"| {architecture} | {cells} |")
    return "\n".join(lines)
