"""From a graph to the parts of an encoder, held against config.json where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from reprlib import repr as shown
from typing import Any

from edge_bert.formats.onnx.graph import graph_of
from edge_bert.formats.onnx.passes.expand_fused_ops import expand
from edge_bert.formats.onnx.passes.fold_constants import fold
from edge_bert.sources.onnx import inputs
from edge_bert.sources.onnx.blocks import Layer, layers
from edge_bert.sources.onnx.embeddings import embeddings
from edge_bert.sources.onnx.head import head
from edge_bert.sources.onnx.parts import NotRecognised, norms
from edge_bert.sources.onnx.to_checkpoint import Recognised

HEADS = ("num_attention_heads", "n_heads")


def recognise(model: Any, config: Mapping[str, Any]) -> Recognised:
    """The encoder in a ModelProto; `config` is config.json, empty where there is none.

    Raises NotRecognised, with where the graph differs from an encoder that we know.
    """
    graph = fold(expand(graph_of(model)))
    names = inputs.named(graph)
    found_norms = norms(graph)
    if not found_norms:
        raise NotRecognised("it has no layer normalization that is known")
    table = embeddings(graph, found_norms[0], names)
    found, stream = layers(graph, table.output, found_norms[1:])
    hidden = found[-1].ffn_out.kernel.shape[1]
    return Recognised(
        embeddings=table,
        layers=tuple(found),
        head=head(graph, stream, hidden, names),
        heads=_heads(found, config),
        inputs=names,
        fixed_length=next((each.sizes[-1] for each in graph.inputs.values() if each.sizes), None),
    )


def _heads(found: list[Layer], config: Mapping[str, Any]) -> int:
    """From the graph, else from config.json; an error asks for it where neither says it."""
    counts = {layer.attention.heads for layer in found} - {None}
    if len(counts) > 1:
        raise NotRecognised(f"its layers have several numbers of heads: {sorted(counts, key=str)}")
    given = next((config[key] for key in HEADS if key in config), None)
    if counts:
        return int(next(iter(counts)) or 0)
    width = found[0].attention.query.kernel.shape[1]
    if isinstance(given, int) and not isinstance(given, bool) and given > 0 and width % given == 0:
        return given
    raise NotRecognised(
        "the graph does not say how many attention heads it has; put the model's config.json "
        f"beside it, with num_attention_heads that divides {width} (now {shown(given)})"
    )
