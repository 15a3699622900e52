"""Which graph input is which, by name or by the table that it looks up."""

from __future__ import annotations

from edge_bert.formats.onnx.graph import ALIASES, RESHAPES, OnnxGraph
from edge_bert.sources.onnx.parts import NotNamed

IDS, MASK, TYPES, POSITIONS = "input_ids", "attention_mask", "token_type_ids", "position_ids"
SYNONYMS = {
    IDS: ("input_ids", "input_word_ids", "ids", "tokens", "token_ids", "input"),
    MASK: ("attention_mask", "input_mask", "mask"),
    TYPES: ("token_type_ids", "segment_ids", "input_type_ids", "token_types", "type_ids"),
    POSITIONS: ("position_ids", "positions"),
}


def name_inputs(graph: OnnxGraph) -> dict[str, str]:
    """Our name of each graph input: by what it is called, else the mask if it alone is left.

    Raises NotNamed when an input cannot be named, or two would have one name.
    """
    names: dict[str, str] = {}
    for name in graph.inputs:
        plain = name.partition(":")[0].rpartition("/")[2].lower()
        ours = next((key for key, synonyms in SYNONYMS.items() if plain in synonyms), None)
        if ours is not None and ours not in names.values():
            names[name] = ours
    for name in graph.inputs:
        if name not in names:
            ours = _by_table(graph, name, names)
            if ours is not None:
                names[name] = ours
    unnamed = [name for name in graph.inputs if name not in names]
    if len(unnamed) == 1 and MASK not in names.values() and IDS in names.values():
        names[unnamed[0]] = MASK
        unnamed = []
    if unnamed or IDS not in names.values():
        raise NotNamed(
            f"its inputs {', '.join(graph.inputs)[:200]} cannot all be named; call them "
            f"{IDS}, {MASK} and {TYPES}"
        )
    return names


def _by_table(graph: OnnxGraph, name: str, names: dict[str, str]) -> str | None:
    """The widest table that is looked up belongs to the tokens, one of a few rows to types."""
    rows = [
        graph.constants[node.inputs[0]].shape[0]
        for node in graph.nodes
        if node.op == "Gather"
        and node.inputs[0] in graph.constants
        and graph.constants[node.inputs[0]].ndim == 2
        and graph.root(node.inputs[1], (*ALIASES, *RESHAPES)) == name
    ]
    if not rows:
        return None
    ours = TYPES if max(rows) <= 8 else IDS
    return None if ours in names.values() else ours
