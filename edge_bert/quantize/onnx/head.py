"""Heads as ONNX nodes: pooling, the layers behind it, the cut to some channels, unit length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_bert.encoder.weights import HeadDense, HeadLayer, HeadNorm
from edge_bert.quantize.onnx.operations import OnnxEncoderBuild, apply_activation, apply_dense
from edge_bert.quantize.onnx.writer import FLOAT, FLOAT16
from edge_bert.records.checkpoint import Pooling


def apply_head(build: OnnxEncoderBuild, rows: str) -> None:
    """Rows [batch, length, hidden] through the head; the last node has the output's name."""
    writer, head = build.writer, build.weights.head
    output = rows if head.gives_tokens else _pool_rows(build, rows)
    for index, layer in enumerate(build.parts.head):
        output = _apply_layer(build, f"head.{index}", output, layer)
    if build.half:
        output = writer.node("Cast", [output], "pooled.float32", to=FLOAT)
    if head.dimensions is not None:
        ends = [writer.integers(f"cut.{end}", end) for end in (0, head.dimensions, -1)]
        output = writer.node("Slice", [output, *ends], "cut")
    if head.normalize:
        output = writer.node("LpNormalization", [output], "unit_length", axis=1, p=2)
    writer.node("Identity", [output], build.weights.output_name)


def _apply_layer(build: OnnxEncoderBuild, name: str, rows: str, layer: HeadLayer) -> str:
    writer = build.writer
    if isinstance(layer, HeadDense):
        product = apply_dense(build, name, rows, layer, plain=True)
        return apply_activation(build, f"{name}.active", product, layer.activation)
    if isinstance(layer, HeadNorm):
        arrays = [
            writer.floats(f"{name}.gamma", layer.gamma),
            writer.floats(f"{name}.beta", layer.beta),
        ]
        epsilon = layer.epsilon
        return writer.node("LayerNormalization", [rows, *arrays], name, axis=-1, epsilon=epsilon)
    return writer.node("LpNormalization", [rows], name, axis=-1, p=2)


def _pool_rows(build: OnnxEncoderBuild, rows: str) -> str:
    """The vectors of all poolings beside each other, [batch, hidden * poolings]."""
    poolings = build.weights.head.poolings
    if len(poolings) == 1:
        return _Pooling(build, rows, "pooling", "pooled").append(poolings[0])
    pooled = [
        _Pooling(build, rows, f"pooling.{number}", f"pooled.{number}").append(pooling)
        for number, pooling in enumerate(poolings)
    ]
    return build.writer.node("Concat", pooled, "pooled", axis=-1)


@dataclass(frozen=True)
class _Pooling:
    """One pooling of `rows`: its nodes' names begin with `name`, its output is called `output`."""

    build: OnnxEncoderBuild
    rows: str
    name: str
    output: str

    def append(self, pooling: Pooling) -> str:
        """The pooled vectors, [batch, hidden]."""
        writer = self.build.writer
        match pooling:
            case Pooling.CLS:
                first = writer.constant("first", np.array(0, np.int64))
                return writer.node("Gather", [self.rows, first], self.output, axis=1)
            case Pooling.MAX:
                masked = [self.rows, self.node("Unsqueeze", "bias", "mask.flat", self._last_axis)]
                rows = self.node("Add", "masked", *masked)
                return writer.node("ReduceMax", [rows], self.output, axes=[1], keepdims=0)
            case Pooling.LAST:
                return self.node("Identity", "", self._sum_tokens(self._last_token()))
            case Pooling.WEIGHTED_MEAN:
                return self._weighted_mean()
        mask = self._pooled_tokens()
        total = self._sum_tokens(mask)
        count = self.node("ReduceSum", "count", mask, self._tokens_axis, keepdims=1)
        divisor = self.node("Max", "some", count, writer.floats("present", 1.0))
        if pooling is Pooling.MEAN_SQRT_LENGTH:
            divisor = self.node("Sqrt", "root", divisor)
        return self.node("Div", "", total, divisor)

    def node(self, operator: str, name: str, *inputs: str, **attributes: Any) -> str:
        """A node with a name of this pooling; without a name it gives the output."""
        full = f"{self.name}.{name}" if name else self.output
        return self.build.writer.node(operator, inputs, full, **attributes)

    @property
    def _tokens_axis(self) -> str:
        return self.build.writer.integers("one", 1)

    @property
    def _last_axis(self) -> str:
        return self.build.writer.integers("last", 2)

    def _pooled_tokens(self) -> str:
        """1 on the tokens that are pooled, as floats [batch, length]."""
        if self.build.weights.head.pools_prompt:
            return "mask"
        return self._to_float("tokens", "pooling_mask")

    def _sum_tokens(self, weights: str) -> str:
        """The sum of the tokens by weights [batch, length]: [batch, hidden]."""
        columns = self.node("Unsqueeze", "mask", weights, self._last_axis)
        weighted = self.node("Mul", "kept", self.rows, columns)
        return self.node("ReduceSum", "sum", weighted, self._tokens_axis, keepdims=0)

    def _token_places(self) -> tuple[str, str]:
        """The place of each token from 1, int64 [batch, length], and their number [batch, 1]."""
        axis = self.build.writer.constant("places.axis", np.array(1, np.int64))
        places = self.node("CumSum", "places", "attention_mask", axis)
        inputs = ("attention_mask", self._tokens_axis)
        return places, self.node("ReduceSum", "number", *inputs, keepdims=1)

    def _last_token(self) -> str:
        """1 on the last token and 0 elsewhere, [batch, length]."""
        reached = self.node("Equal", "reached", *self._token_places())
        return self.node("Mul", "last", self._to_float("from_last", reached), "mask")

    def _weighted_mean(self) -> str:
        """Each token counts as much as its place; as shares of 1, which float16 can sum."""
        writer, (places, count) = self.build.writer, self._token_places()
        present = self.node(
            "Mul", "present", self._to_float("place", places), self._pooled_tokens()
        )
        most = self._to_float("most", count)
        least = self.node("Max", "some", most, writer.floats("present", 1.0))
        shares = self.node("Div", "shares", present, least)
        total = self.node("ReduceSum", "total", shares, self._tokens_axis, keepdims=1)
        return self.node("Div", "", self._sum_tokens(shares), total)

    def _to_float(self, name: str, values: str) -> str:
        return self.node("Cast", name, values, to=FLOAT16 if self.build.half else FLOAT)
