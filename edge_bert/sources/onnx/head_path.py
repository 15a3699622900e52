"""From the encoder's tokens to one output of a graph, step by step.

The weights on the way (dense layers and norms) are found by their operators. What stands between
two of them is computed from random numbers and known by its result, and so is the way as a whole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge_bert.encoder.numpy_head import apply_head_layer
from edge_bert.encoder.numpy_ops import softmax
from edge_bert.encoder.weights import HeadDense, HeadLayer, HeadNorm, HeadUnit
from edge_bert.formats.onnx.evaluate import NotComputed, evaluate_node
from edge_bert.formats.onnx.graph import Array, OnnxGraph
from edge_bert.records.checkpoint import FloatArray, Pooling
from edge_bert.sources.onnx.blocks import SAME
from edge_bert.sources.onnx.head_steps import SOFTMAX, Step, Trial, find_step
from edge_bert.sources.onnx.parts import (
    Linear,
    NotRecognized,
    OnnxNorm,
    find_linear,
    find_norm,
)
from edge_bert.sources.onnx.probe import Probe, are_close

# They weigh tokens by shares of one, so that a dense layer may as well come after them.
SHARES = (Pooling.MEAN, Pooling.WEIGHTED_MEAN)
PICKS = (Pooling.CLS, Pooling.LAST)
Layer = Linear | OnnxNorm


@dataclass(frozen=True)
class Stream:
    """The value that the encoder's last layer makes, and its channels."""

    value: str
    hidden: int


@dataclass(frozen=True, eq=False)
class HeadPath:
    """An output in terms of the encoder's tokens; without `poolings` it has a row for each token.

    `activation` is a softmax at its end. `dimensions` and `normalize` as in `Head`.
    """

    output: str
    poolings: tuple[Pooling, ...] = ()
    layers: tuple[HeadLayer, ...] = ()
    dimensions: int | None = None
    normalize: bool = False
    activation: str = "identity"

    @property
    def is_plain(self) -> bool:
        """Whether the output is the encoder's tokens as they are."""
        return not (self.poolings or self.layers or self.dimensions or self.normalize)

    def apply(self, tokens: FloatArray) -> FloatArray:
        """What the head gives for tokens [sentences, tokens, channels]."""
        rows = Step(self.poolings).apply(tokens)
        for layer in self.layers:
            rows = np.asarray(apply_head_layer(layer, rows), np.float32)
        rows = Step((), "linear", self.dimensions, unit=self.normalize).apply(rows)
        return softmax(rows) if self.activation == SOFTMAX else rows


def reads_stream(graph: OnnxGraph, output: str, stream: Stream) -> bool:
    """Whether an output depends on the encoder's last layer."""
    root = graph.root(stream.value, SAME)
    if graph.root(output, SAME) == root:
        return True
    return any(root in node.outputs for node in graph.ancestors(output))


def follow_path(graph: OnnxGraph, output: str, stream: Stream, probes: Sequence[Probe]) -> HeadPath:
    """The head that makes `output` of the tokens. Raises NotRecognized for one that we lack."""
    root = graph.root(stream.value, SAME)
    if graph.root(output, SAME) == root:
        return HeadPath(output)
    walk = _Walk(graph, output, probes)
    path, source, width = HeadPath(output), root, stream.hidden
    for layer in _list_layers(graph, output, root):
        path = walk.step(path, source, width, layer.input)
        path = dataclasses.replace(path, layers=(*path.layers, _head_layer(layer)))
        source, width = layer.output, _width(layer)
    path = walk.finish(path, source, width)
    walk.check(path, root, stream.hidden)
    return path


def _list_layers(graph: OnnxGraph, output: str, root: str) -> list[Layer]:
    """The dense layers and norms between the tokens and the output, in order."""
    layers: dict[str, Layer] = {}
    for node in graph.ancestors(output, stop=(root,)):
        value = node.outputs[0]
        layer = find_linear(graph, value) or find_norm(graph, value)
        if layer is not None:  # a product with its bias comes after the product alone
            layers[graph.root(layer.input, SAME)] = layer
    return list(layers.values())


def _head_layer(layer: Layer) -> HeadLayer:
    if isinstance(layer, Linear):
        return HeadDense(layer.kernel, layer.bias)
    return HeadNorm(layer.gamma, layer.beta, layer.epsilon)


def _width(layer: Layer) -> int:
    return layer.kernel.shape[1] if isinstance(layer, Linear) else len(layer.gamma)


class _Walk:
    """The steps of the way to one output of a graph."""

    def __init__(self, graph: OnnxGraph, output: str, probes: Sequence[Probe]) -> None:
        self.graph, self.output, self.probes = graph, output, probes

    def step(self, path: HeadPath, source: str, width: int, target: str) -> HeadPath:
        """`path` with what stands between two layers."""
        step = self._find(path, source, width, target)
        path = self._add(path, step)
        if step.channels or step.unit_first or step.activation == SOFTMAX:
            raise self._refusal("cuts channels, or has a softmax, before a layer")
        if step.unit:
            path = dataclasses.replace(path, layers=(*path.layers, HeadUnit()))
        return path

    def finish(self, path: HeadPath, source: str, width: int) -> HeadPath:
        """`path` with what follows its last layer."""
        step = self._find(path, source, width, self.output)
        if step.activation == SOFTMAX:
            if step.channels or step.unit:
                raise self._refusal("goes on after its softmax")
            path = dataclasses.replace(path, activation=SOFTMAX)
            step = dataclasses.replace(step, activation="linear")
        path = self._add(path, step)
        if step.unit_first:
            path = dataclasses.replace(path, layers=(*path.layers, HeadUnit()))
        path = self._cut(path, step)
        return dataclasses.replace(path, normalize=step.unit)

    def check(self, path: HeadPath, root: str, hidden: int) -> None:
        """Compute the whole way. Raises NotRecognized where it is not what `path` says."""
        pools = bool(path.poolings)
        for trial in self._trials(root, hidden, self.output, flat=False, pools=pools):
            expected = path.apply(trial.rows)
            if not are_close(trial.values, expected.reshape(trial.values.shape)):
                raise self._refusal("is another one as a whole than step by step")

    def _find(self, path: HeadPath, source: str, width: int, target: str) -> Step:
        """The step from `source` to `target`: on tokens, or on the vector of a text."""
        if path.poolings:
            step = self._try(source, width, target, flat=True, pools=False)
        else:
            step = self._try(source, width, target, flat=False, pools=False)
            step = step or self._try(source, width, target, flat=False, pools=True)
        if step is None:
            raise self._refusal(f"is no head that is known before {target[:80]!r}")
        return step

    def _try(self, source: str, width: int, target: str, *, flat: bool, pools: bool) -> Step | None:
        trials = list(self._trials(source, width, target, flat=flat, pools=pools))
        return find_step(trials, pools=pools) if trials else None

    def _trials(
        self, source: str, width: int, target: str, *, flat: bool, pools: bool
    ) -> Iterator[Trial]:
        """Rows and what becomes of them, by probe; none where the sizes cannot be.

        Of tokens those that are no padding count; `flat` are rows [batch, channels].
        """
        for seed, probe in enumerate(self.probes):
            rows = probe.draw(seed, width, scale=2.0)
            rows = rows[:, 0] if flat else rows
            values = self._run(source, rows, target, probe.inputs)
            if not flat:
                rows = rows[:, : probe.count]
            if not flat and not pools:
                if values.size % (probe.batch * probe.length):
                    return
                values = values.reshape(probe.batch, probe.length, -1)[:, : probe.count]
            elif values.size % probe.batch:
                return
            else:
                values = values.reshape(probe.batch, -1)
            yield Trial(rows, values)

    def _run(
        self, source: str, rows: FloatArray, target: str, inputs: Mapping[str, Array]
    ) -> FloatArray:
        graph = self.graph
        node = graph.makers.get(source)
        if node is not None and node.op == "Gemm":
            rows = rows.reshape(-1, rows.shape[-1])
        try:
            values = evaluate_node(graph, target, {**inputs, source: rows})
        except NotComputed as error:
            raise self._refusal(f"cannot be followed from the tokens ({error})") from error
        return np.asarray(values, np.float32)

    def _add(self, path: HeadPath, step: Step) -> HeadPath:
        """`path` with the poolings and the activation of a step."""
        if step.poolings and path.layers:
            self._check_order(path, step.poolings)
        if step.activation != "linear":
            path = self._activate(path, step.activation)
        return dataclasses.replace(path, poolings=step.poolings or path.poolings)

    def _check_order(self, path: HeadPath, poolings: tuple[Pooling, ...]) -> None:
        """Pooling after layers on tokens is the same before them, for some of both."""
        linear = all(
            isinstance(layer, HeadDense) and layer.activation == "linear" for layer in path.layers
        )
        if len(poolings) > 1 or poolings[0] not in ((*SHARES, *PICKS) if linear else PICKS):
            raise self._refusal("pools what layers make of the tokens")

    def _activate(self, path: HeadPath, activation: str) -> HeadPath:
        last = path.layers[-1] if path.layers else None
        if not isinstance(last, HeadDense):
            raise self._refusal(f"has a {activation} that follows no dense layer")
        layer = dataclasses.replace(last, activation=activation)
        return dataclasses.replace(path, layers=(*path.layers[:-1], layer))

    def _cut(self, path: HeadPath, step: Step) -> HeadPath:
        """`path` with a part of its channels: of the last dense layer, where there is one."""
        last = path.layers[-1] if path.layers else None
        if step.channels is None:
            return path
        if isinstance(last, HeadDense):
            part = slice(step.first, step.first + step.channels)
            layer = dataclasses.replace(last, kernel=last.kernel[:, part], bias=last.bias[part])
            return dataclasses.replace(path, layers=(*path.layers[:-1], layer))
        if step.first:
            raise self._refusal("takes channels from the middle")
        return dataclasses.replace(path, dimensions=step.channels)

    def _refusal(self, reason: str) -> NotRecognized:
        return NotRecognized(f"its output {self.output[:80]!r} {reason}")
