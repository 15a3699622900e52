"""From a graph to the parts of an encoder, held against config.json where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_bert.formats.onnx.graph import graph_of
from edge_bert.formats.onnx.passes.expand_fused_ops import expand_fused_ops
from edge_bert.formats.onnx.passes.fold_constants import fold_constants
from edge_bert.formats.onnx.passes.widen_floats import widen_floats
from edge_bert.sources.onnx import inputs
from edge_bert.sources.onnx.blocks import OnnxEncoderLayer, find_layers
from edge_bert.sources.onnx.check_attention import check_attention
from edge_bert.sources.onnx.embeddings import find_embeddings
from edge_bert.sources.onnx.head import find_head
from edge_bert.sources.onnx.head_path import Stream
from edge_bert.sources.onnx.parts import NotRecognized, find_norms
from edge_bert.sources.onnx.probe import make_probes
from edge_bert.sources.onnx.score_bias import find_relative_bias
from edge_bert.sources.onnx.to_checkpoint import RecognizedEncoder
from edge_bert.text import shorten

HEADS = ("num_attention_heads", "n_heads")


def recognize_encoder(model: Any, config: Mapping[str, Any]) -> RecognizedEncoder:
    """The encoder in a ModelProto; `config` is config.json, empty where there is none.

    Raises NotRecognized, with where the graph differs from an encoder that we know.
    """
    graph = fold_constants(widen_floats(expand_fused_ops(graph_of(model))))
    names = inputs.name_inputs(graph)
    norms = find_norms(graph)
    if not norms:
        raise NotRecognized("it has no layer normalization that is known")
    table = find_embeddings(graph, norms[0], names)
    layers, stream = find_layers(graph, table.output, norms[1:])
    heads, probes = _heads(layers, config), make_probes(graph, names)
    positions = len(table.position) - table.offset
    bias = find_relative_bias(graph, layers, table.output, positions, names)
    for layer in layers:
        check_attention(graph, layer, heads, bias, probes)
    hidden = layers[-1].ffn_out.kernel.shape[1]
    return RecognizedEncoder(
        embeddings=table,
        layers=tuple(layers),
        head=find_head(graph, Stream(stream, hidden), probes),
        heads=heads,
        inputs=names,
        relative_bias=bias,
        fixed_length=next(
            (graph_input.sizes[-1] for graph_input in graph.inputs.values() if graph_input.sizes),
            None,
        ),
    )


def _heads(layers: list[OnnxEncoderLayer], config: Mapping[str, Any]) -> int:
    """From the graph, else from config.json; an error asks for it where neither says it."""
    counts = {layer.attention.heads for layer in layers} - {None}
    if len(counts) > 1:
        raise NotRecognized(f"its layers have several numbers of heads: {sorted(counts, key=str)}")
    configured = next((config[key] for key in HEADS if key in config), None)
    if counts:
        return int(next(iter(counts)) or 0)
    width = layers[0].attention.query.kernel.shape[1]
    if (
        isinstance(configured, int)
        and not isinstance(configured, bool)
        and configured > 0
        and width % configured == 0
    ):
        return configured
    raise NotRecognized(
        "the graph does not say how many attention heads it has; put the model's config.json "
        f"beside it, with num_attention_heads that divides {width} (now {shorten(configured)})"
    )
