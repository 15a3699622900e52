"""The layers of a post-norm encoder, followed along the residual stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_bert.formats.onnx.evaluate import NotComputed, evaluate_node
from edge_bert.formats.onnx.graph import ALIASES, RESHAPES, OnnxGraph
from edge_bert.records.checkpoint import FloatArray
from edge_bert.sources.onnx.attention import Attention, find_attention
from edge_bert.sources.onnx.parts import (
    Linear,
    NotRecognized,
    OnnxNorm,
    find_linear,
    require_few_tokens,
)

SAME = (*ALIASES, *RESHAPES)
TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class OnnxEncoderLayer:
    """One layer, its parts in the order in which they are computed."""

    attention: Attention
    attention_output: Linear
    attention_norm: OnnxNorm
    ffn_in: Linear
    activation: str
    ffn_out: Linear
    ffn_norm: OnnxNorm


def find_layers(
    graph: OnnxGraph, embeddings: str, norms: list[OnnxNorm]
) -> tuple[list[OnnxEncoderLayer], str]:
    """The layers from the value `embeddings` on, and the value that the last one makes.

    Raises NotRecognized for a layer that is no attention and feed-forward network, each with its
    residual and a norm after it.
    """
    layers: list[OnnxEncoderLayer] = []
    stream = embeddings
    while (attended := _after(graph, stream, norms)) is not None:
        norm, output = attended
        closing = _after(graph, norm.output, norms)
        if closing is None:
            raise NotRecognized(f"layer {len(layers)} ends after its attention")
        layers.append(_layer(graph, stream, norm, output, closing))
        stream = closing[0].output
    if not layers:
        raise NotRecognized("no attention layer follows its embeddings")
    return layers, stream


def _after(graph: OnnxGraph, stream: str, norms: list[OnnxNorm]) -> tuple[OnnxNorm, Linear] | None:
    """The norm of `stream` plus a dense layer's output, and that dense layer."""
    root = graph.root(stream, SAME)
    for norm in norms:
        node = graph.maker(graph.root(norm.input, SAME), "Add")
        for skip, branch in (node.inputs, node.inputs[::-1]) if node else ():
            if graph.root(skip, SAME) != root:
                continue
            dense = find_linear(graph, graph.root(branch, SAME))
            if dense is not None:
                return norm, dense
    return None


def _layer(
    graph: OnnxGraph, stream: str, norm: OnnxNorm, output: Linear, closing: tuple[OnnxNorm, Linear]
) -> OnnxEncoderLayer:
    attention = find_attention(graph, output.input)
    for projection in (attention.query, attention.key, attention.value):
        if graph.root(projection.input, SAME) != graph.root(stream, SAME):
            raise NotRecognized(f"attention at {projection.output[:80]!r} reads something else")
    ffn_in = _ffn_in(graph, closing[1], norm.output)
    return OnnxEncoderLayer(
        attention=attention,
        attention_output=output,
        attention_norm=norm,
        ffn_in=ffn_in,
        activation=find_activation(graph, ffn_in.output, closing[1].input, ffn_in.kernel.shape[1]),
        ffn_out=closing[1],
        ffn_norm=closing[0],
    )


def _ffn_in(graph: OnnxGraph, out: Linear, stream: str) -> Linear:
    """The one dense layer between the stream and `out`."""
    root = graph.root(stream, SAME)
    candidates = [
        linear
        for node in graph.ancestors(out.input, stop=(root, stream))
        if (linear := find_linear(graph, node.outputs[0]))
        and graph.root(linear.input, SAME) == root
    ]
    # A dense layer is found at its product too, without its bias; the last one is whole.
    if not candidates or len({id(graph.makers[linear.output]) for linear in candidates}) > 2:
        raise NotRecognized(f"no feed-forward network leads to {out.output[:80]!r}")
    return candidates[-1]


def find_activation(graph: OnnxGraph, source: str, target: str, width: int) -> str:
    """The activation between two values, by its name in config.json; recognized by its outputs."""
    points = _spread_points(graph, source, width)
    try:
        values = evaluate_node(graph, target, {source: points}).reshape(points.shape)
    except (NotComputed, ValueError) as error:
        raise NotRecognized(
            f"the activation before {target[:80]!r} cannot be followed ({error})"
        ) from error
    errors = {name: np.abs(values - function(points)).max() for name, function in KNOWN.items()}
    nearest = min(errors, key=lambda name: float(errors[name]))
    if errors[nearest] <= TOLERANCE:
        return nearest
    raise NotRecognized(f"the activation before {target[:80]!r} is not one of {', '.join(KNOWN)}")


def _spread_points(graph: OnnxGraph, source: str, width: int) -> FloatArray:
    """Numbers from -6 to 6 as the dense layer `source` gives them, in the graph's fixed sizes."""
    sizes = [value.sizes for value in graph.inputs.values() if value.sizes and len(value.sizes) > 1]
    batch, length = (sizes[0][0] or 1, sizes[0][1] or 0) if sizes else (1, 0)
    length = length or max(4, 241 // width + 1)
    require_few_tokens(batch, length)
    flat = graph.makers[source].op == "Gemm"  # it has one axis for all tokens
    shape = (batch * length, width) if flat else (batch, length, width)
    return np.linspace(-6, 6, batch * length * width).reshape(shape).astype(np.float32)


def _gelu(x: FloatArray) -> FloatArray:
    from scipy.special import erf

    return np.asarray(x * 0.5 * (1 + erf(x / np.sqrt(2))), np.float32)


def _gelu_new(x: FloatArray) -> FloatArray:
    inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    return np.asarray(x * 0.5 * (1 + np.tanh(inner)), np.float32)


KNOWN: dict[str, Callable[[FloatArray], FloatArray]] = {
    "gelu": _gelu,
    "gelu_new": _gelu_new,
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
}
