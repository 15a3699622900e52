"""The head on the encoder, recognized by its outputs for random token vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edge_bert.formats.onnx.evaluate import NotComputed, evaluate_node
from edge_bert.formats.onnx.graph import Array, OnnxGraph
from edge_bert.records.checkpoint import FloatArray, Pooling
from edge_bert.sources.onnx.blocks import KNOWN, SAME
from edge_bert.sources.onnx.inputs import MASK
from edge_bert.sources.onnx.parts import Linear, NotRecognized, find_linear

LENGTH = 7
TOLERANCE = 1e-3
PREFERRED = ("sentence_embedding", "logits", "embedding", "last_hidden_state", "token_embeddings")


@dataclass(frozen=True, eq=False)
class Pooled:
    """The output of the graph in terms of the encoder's.

    `pooling` is None where the graph gives the tokens as they are. `dense` are the layers of a
    classifier, `activation` is what stands between its two.
    """

    output: str
    pooling: Pooling | None
    normalize: bool = False
    dense: tuple[Linear, ...] = ()
    activation: str = "linear"


def find_head(graph: OnnxGraph, stream: str, hidden: int, names: dict[str, str]) -> Pooled:
    """The most telling output that is understood: a sentence, logits, else tokens.

    Raises NotRecognized, with what is wrong with the first output, where there is none.
    """
    ranked = sorted(
        graph.outputs, key=lambda name: PREFERRED.index(name) if name in PREFERRED else 9
    )
    heads: list[Pooled] = []
    reasons: list[str] = []
    for output in ranked:
        try:
            heads.append(_of(graph, output, stream, hidden, names))
        except NotRecognized as error:
            reasons.append(str(error))
    if not heads:
        raise NotRecognized(reasons[0])
    pooled = [head for head in heads if head.pooling is not None]
    # A pooler beside the tokens is BERT's, trained for another task.
    return next(iter([head for head in pooled if len(head.dense) != 1] + heads))


def _of(graph: OnnxGraph, output: str, stream: str, hidden: int, names: dict[str, str]) -> Pooled:
    if graph.root(output, SAME) == graph.root(stream, SAME):
        return Pooled(output, None)
    probe = _Probe(graph, stream, hidden, names)
    values = probe.run(output)
    dense = tuple(_dense(graph, output, stream))
    for candidate, expected in probe.candidates(output, dense):
        flat = values.reshape(1, -1) if values.size == expected.size else values
        if flat.shape == expected.shape and np.allclose(flat, expected, atol=TOLERANCE):
            return candidate
    raise NotRecognized(f"its output {output[:80]!r} is no pooling or classifier that is known")


class _Probe:
    """Random token vectors, the last two of them padding."""

    def __init__(self, graph: OnnxGraph, stream: str, hidden: int, names: dict[str, str]) -> None:
        self.graph = graph
        ids = next(name for name in graph.inputs if names[name] == "input_ids")
        sizes = graph.inputs[ids].sizes or (None, None)
        batch, length = sizes[0] or 1, sizes[-1] or LENGTH
        random = np.random.default_rng(0)
        self.tokens = random.standard_normal((batch, length, hidden)).astype(np.float32)
        self.mask = np.ones((batch, length), np.int64)
        self.mask[:, -2:] = 0 if length > 2 else 1
        if MASK not in names.values():
            self.mask[:] = 1
        self.feeds: dict[str, Array] = {graph.root(stream, SAME): self.tokens}
        for name, meaning in names.items():
            dtype = np.int32 if graph.inputs[name].element_type == 6 else np.int64
            self.feeds[name] = (self.mask if meaning == MASK else np.ones_like(self.mask)).astype(
                dtype
            )

    def run(self, output: str) -> Array:
        """What the graph computes from the tokens, for the first sentence."""
        try:
            return evaluate_node(self.graph, output, self.feeds)[:1]
        except NotComputed as error:
            raise NotRecognized(
                f"its output {output[:80]!r} cannot be followed from the tokens ({error})"
            ) from error

    def candidates(
        self, output: str, dense: tuple[Linear, ...]
    ) -> Iterator[tuple[Pooled, FloatArray]]:
        """Every head that we have, with what it gives for the probe, [1, width]."""
        weights = self.mask[0, :, None].astype(np.float32)
        pooled = {
            Pooling.MEAN: (self.tokens[0] * weights).sum(0, keepdims=True) / weights.sum(),
            Pooling.CLS: self.tokens[0, :1],
        }
        for pooling, rows in pooled.items():
            yield Pooled(output, pooling), rows
            unit = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
            yield Pooled(output, pooling, normalize=True), unit
        if len(dense) == 2 and dense[0].kernel.shape[0] == self.tokens.shape[-1]:
            first = pooled[Pooling.CLS] @ dense[0].kernel + dense[0].bias
            for name, function in KNOWN.items():
                logits = function(first) @ dense[1].kernel + dense[1].bias
                yield Pooled(output, Pooling.CLS, dense=dense, activation=name), logits


def _dense(graph: OnnxGraph, output: str, stream: str) -> Iterator[Linear]:
    """The dense layers after the encoder, in order, each with its bias."""
    products: dict[str, Linear] = {}
    for node in graph.ancestors(output, stop=(stream, graph.root(stream, SAME))):
        linear = find_linear(graph, node.outputs[0])
        if linear is not None:
            products[linear.input] = linear  # that with its bias comes after the product alone
    yield from products.values()
