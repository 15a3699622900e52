"""Which output of a graph counts, and the head that makes it.

The most telling one counts: a sentence or logits before tokens. One that is not understood stops
the reading, because another in its place would be another model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge_bert.encoder.weights import HeadDense
from edge_bert.formats.onnx.graph import OnnxGraph
from edge_bert.records.checkpoint import Pooling
from edge_bert.sources.onnx.head_path import HeadPath, Stream, follow_path, reads_stream
from edge_bert.sources.onnx.parts import NotNamed, NotRecognized
from edge_bert.sources.onnx.probe import Probe

SENTENCES = (
    "sentence_embedding", "sentence_embeddings", "text_embeds", "text_embedding", "embedding",
    "embeddings",
)  # fmt: skip
LOGITS = ("logits", "scores", "score", "probabilities", "probs")
SPAN = ("start_logits", "end_logits")
TELLING = (*SENTENCES, *LOGITS)
TOKENS = ("last_hidden_state", "token_embeddings")
POOLER = "pooler_output"


@dataclass(frozen=True, eq=False)
class GraphHead:
    """The head that counts.

    `outputs` are the graph's outputs that it gives: one, or the start and the end of an answer.
    `unused` are the others.
    """

    path: HeadPath
    outputs: tuple[str, ...]
    unused: tuple[str, ...] = ()


def find_head(graph: OnnxGraph, stream: Stream, probes: Sequence[Probe]) -> GraphHead:
    """The head of the most telling output.

    Raises NotRecognized where that is not understood, and where it cannot be told which it is.
    """
    outputs = [name for name in graph.outputs if reads_stream(graph, name, stream)]
    if not outputs:
        raise NotRecognized(
            f"none of its outputs {', '.join(graph.outputs)[:200]} comes from its last layer"
        )
    if set(SPAN) <= set(outputs):
        paths = [follow_path(graph, name, stream, probes) for name in SPAN]
        return _with_unused(graph, GraphHead(_join_span(paths), SPAN))
    path = _choose(graph, outputs, stream, probes)
    return _with_unused(graph, GraphHead(path, (path.output,)))


def _with_unused(graph: OnnxGraph, head: GraphHead) -> GraphHead:
    unused = tuple(name for name in graph.outputs if name not in head.outputs)
    return dataclasses.replace(head, unused=unused)


def _choose(
    graph: OnnxGraph, outputs: Sequence[str], stream: Stream, probes: Sequence[Probe]
) -> HeadPath:
    telling = sorted((name for name in outputs if name in TELLING), key=TELLING.index)
    if telling:
        two_kinds = describe_two_kinds(telling)
        if two_kinds:
            raise NotNamed(two_kinds)
        return follow_path(graph, telling[0], stream, probes)
    paths = _follow_all(graph, outputs, stream, probes)
    tokens = [name for name, path in paths.items() if _gives_tokens(name, path)]
    # A pooler beside the tokens is BERT's, trained for another task.
    others = [
        name
        for name, path in paths.items()
        if name not in tokens and not (tokens and _is_pooler(name, path))
    ]
    if len(others) > 1:
        raise NotNamed(
            f"it cannot be told which of its outputs {', '.join(others)[:200]} counts; call one "
            f"{SENTENCES[0]} or {LOGITS[0]}"
        )
    path = paths[(others or tokens)[0]]
    if isinstance(path, NotRecognized):
        raise path
    return path


def describe_two_kinds(telling: Sequence[str]) -> str:
    """What to do about telling outputs, in their order, of sentences and of logits; else empty."""
    if telling[0] in SENTENCES and telling[-1] in LOGITS:
        return f"it gives both {telling[0]} and {telling[-1]}; export it with the one that counts"
    return ""


def _follow_all(
    graph: OnnxGraph, outputs: Sequence[str], stream: Stream, probes: Sequence[Probe]
) -> Mapping[str, HeadPath | NotRecognized]:
    """The head of each output, or why it is not understood."""
    paths: dict[str, HeadPath | NotRecognized] = {}
    for name in outputs:
        try:
            paths[name] = follow_path(graph, name, stream, probes)
        except NotRecognized as error:
            paths[name] = error
    return paths


def _gives_tokens(name: str, path: HeadPath | NotRecognized) -> bool:
    return isinstance(path, HeadPath) and (path.is_plain or name in TOKENS)


def _is_pooler(name: str, path: HeadPath | NotRecognized) -> bool:
    """CLS, a dense layer and a tanh."""
    if isinstance(path, NotRecognized) or name == POOLER:
        return name == POOLER
    layers = path.layers
    return (
        path.poolings == (Pooling.CLS,)
        and len(layers) == 1
        and isinstance(layers[0], HeadDense)
        and layers[0].activation == "tanh"
        and layers[0].kernel.shape[0] == layers[0].kernel.shape[1]
        and not path.normalize
    )


def _join_span(paths: Sequence[HeadPath]) -> HeadPath:
    """One dense layer with two columns, the start and the end of the answer."""
    dense = [layer for path in paths if (layer := _column(path)) is not None]
    if len(dense) != len(SPAN):
        raise NotRecognized(f"its outputs {' and '.join(SPAN)} are no dense layer on its tokens")
    joined = HeadDense(
        np.concatenate([layer.kernel for layer in dense], axis=1),
        np.concatenate([layer.bias for layer in dense]),
    )
    return HeadPath(SPAN[0], layers=(joined,))


def _column(path: HeadPath) -> HeadDense | None:
    """The dense layer that is all of a head with one logit a token; None for another head."""
    layer = path.layers[0] if len(path.layers) == 1 else None
    more = path.poolings or path.normalize or path.dimensions or path.activation != "identity"
    if more or not isinstance(layer, HeadDense) or layer.activation != "linear":
        return None
    return layer if layer.kernel.shape[1] == 1 else None
