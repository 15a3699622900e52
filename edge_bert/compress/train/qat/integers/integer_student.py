"""An encoder that computes in training what its integer file computes, operator by operator.

Trained are the matrices with their scales (LSQ) and biases, and the ranges that calibration would
choose. All else is fixed by the rewrites before: tables, factors between channel scales, masks,
the sums of LayerNorm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from edge_bert.compress.train.qat.integers.integer_graph import (
    Array,
    GraphOperator,
    IntegerGraph,
    TrainedMatrix,
)
from edge_bert.compress.train.qat.integers.round_activations import (
    LearnedSteps,
    fixed_steps,
    move_ends,
    round_fixed,
    round_learned,
    spread_steps,
    start_ends,
)
from edge_bert.compress.train.qat.integers.run_operator import Operand, run_operator
from edge_bert.compress.train.qat.lsq import fake_quantize
from edge_bert.encoder.keras_bert import EncoderValues
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.rounded_activation import RoundedActivation
from edge_bert.records.weight_grid import Granularity, WeightGrid

LEAST_UNIT = 1e-8


class LearnedNumbers(NamedTuple):
    """Kernel [in, out] and bias [out] of each trained matrix, and the steps of learned ranges."""

    matrices: Mapping[str, tuple[Any, Any]]
    steps: Mapping[str, LearnedSteps]


class IntegerStudent:
    """What the training loop trains in the place of a Keras encoder.

    `graphs` are those of all lengths that it runs, `matrices` what is trained by the names of
    their outputs, `learned` the activations whose ranges are.
    """

    head_layers: tuple[Any, ...] = ()

    def __init__(
        self,
        graphs: Sequence[IntegerGraph],
        matrices: Mapping[str, TrainedMatrix],
        learned: Sequence[RoundedActivation],
    ) -> None:
        self._graphs = {graph.length: graph for graph in graphs}
        self._matrices = _MatrixVariables(matrices)
        self._learned = tuple(learned)
        self._start = start_ends(learned)
        self._moves = _variable("ranges", np.zeros_like(self._start)) if learned else None
        self._constants = _make_constants(graphs, matrices)

    def graph(self, length: int) -> IntegerGraph:
        """The graph of one length."""
        return self._graphs[length]

    @property
    def trainable_variables(self) -> list[Any]:
        """What training changes."""
        owned = self._matrices.variables
        return owned if self._moves is None else [*owned, self._moves]

    @property
    def variables(self) -> list[Any]:
        """What training changes, and the constants."""
        return [*self.trainable_variables, *self._constants.values()]

    @property
    def matrices(self) -> dict[str, TrainedMatrix]:
        """The matrices as they are now, not rounded."""
        return self._matrices.read()

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The ends of the learned ranges as they are now, by name."""
        if self._moves is None:
            return {}
        ends = ops.convert_to_numpy(move_ends(self._start, self._moves.value))
        rows = zip(self._learned, ends, strict=True)
        return {one.name: (float(low), float(high)) for one, (low, high) in rows}

    def run(self, **inputs: Any) -> EncoderValues:
        """A pass over inputs [batch, length]; gives [batch, width], or [batch, length, width]."""
        length, numbers = inputs["input_ids"].shape[1], self.read_numbers()
        graph = self._graphs[length]
        values = {name: ops.expand_dims(inputs[name], 1) for name in graph.inputs}
        for node in graph.operators:
            values[node.output] = self.run_node(length, node, values, numbers)
        return EncoderValues(None, (), ops.squeeze(values[graph.output], axis=1))

    def read_numbers(self) -> LearnedNumbers:
        """The trained numbers as they are now, for all operators of a pass."""
        if self._moves is None:
            return LearnedNumbers(self._matrices.rounded(), {})
        steps = spread_steps(move_ends(self._start, self._moves), self._learned)
        names = (one.name for one in self._learned)
        return LearnedNumbers(self._matrices.rounded(), dict(zip(names, steps, strict=True)))

    def run_node(
        self,
        length: int,
        node: GraphOperator,
        values: Mapping[str, Any],
        numbers: LearnedNumbers,
    ) -> Any:
        """The rounded output of one operator, whose inputs [batch, ...] are in `values`."""
        graph = self._graphs[length]
        if node.output in numbers.matrices:
            kernel, bias = numbers.matrices[node.output]
            output = ops.matmul(values[node.inputs[0]], kernel) + bias
        else:
            operands = [
                Operand(values[name]) if name in values else self._constant(graph, name)
                for name in node.inputs
            ]
            output = run_operator(node, operands)
        return _round(graph, node.output, output, numbers.steps)

    def _constant(self, graph: IntegerGraph, name: str) -> Operand:
        value = self._constants.get(name)
        return Operand(graph.constants[name] if value is None else value, constant=True)


class _MatrixVariables:
    """The variables of all matrices, in units of their last step, and of the biases' mean size.

    So that one learning rate suits matrices of all sizes, whatever the rewrites multiplied. All
    scales are one variable and all biases another: an optimizer takes as long for a small variable
    as for a large one.
    """

    def __init__(self, matrices: Mapping[str, TrainedMatrix]) -> None:
        self._names = tuple(matrices)
        parts = matrices.values()
        self._grids = [WeightGrid(part.least, part.most, Granularity.CHANNEL) for part in parts]
        self._units = [np.maximum(part.scales * part.most, LEAST_UNIT)[None] for part in parts]
        self._bias_units = [max(float(np.abs(part.bias).mean()), LEAST_UNIT) for part in parts]
        self._ends = np.cumsum([len(part.bias) for part in parts])[:-1].tolist()
        units, bias_units = self._units, self._bias_units
        self.kernels = [
            _variable(f"{name}.kernel", part.kernel / unit)
            for (name, part), unit in zip(matrices.items(), units, strict=True)
        ]
        scales = [np.log(p.scales / unit[0]) for p, unit in zip(parts, units, strict=True)]
        biases = [part.bias / unit for part, unit in zip(parts, bias_units, strict=True)]
        # Held as what training adds to them, so that decay leads back to where they started.
        self._start_scales = np.concatenate(scales).astype(np.float32)
        self.log_scales = _variable("log_scales", np.zeros_like(self._start_scales))
        self.biases = _variable("bias", np.concatenate(biases))

    @property
    def variables(self) -> list[Any]:
        return [*self.kernels, self.log_scales, self.biases]

    def rounded(self) -> dict[str, tuple[Any, Any]]:
        """Each kernel [in, out] on its grid, and its bias [out]."""
        rows = zip(*self._split(), self._units, self._bias_units, self._grids, strict=True)
        values = [
            (fake_quantize(kernel, scale[None], grid) * unit, bias * bias_unit)
            for kernel, scale, bias, unit, bias_unit, grid in rows
        ]
        return dict(zip(self._names, values, strict=True))

    def read(self) -> dict[str, TrainedMatrix]:
        """Each matrix as it is now, not rounded."""
        rows = zip(*self._split(), self._units, self._bias_units, self._grids, strict=True)
        matrices = [
            TrainedMatrix(
                _to_array(kernel * unit),
                _to_array(ops.exp(scale) * unit[0]),
                _to_array(bias * bias_unit),
                grid.low,
                grid.high,
            )
            for kernel, scale, bias, unit, bias_unit, grid in rows
        ]
        return dict(zip(self._names, matrices, strict=True))

    def _split(self) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
        return (
            [variable.value for variable in self.kernels],
            ops.split(self.log_scales.value + self._start_scales, self._ends),
            ops.split(self.biases.value, self._ends),
        )


def _to_array(value: Any) -> FloatArray:
    return np.asarray(ops.convert_to_numpy(value), np.float32)


def _round(graph: IntegerGraph, name: str, value: Any, learned: Mapping[str, LearnedSteps]) -> Any:
    rounding = graph.rounded.get(name)
    if rounding is None:
        return value
    steps = learned.get(name)
    if steps is None:
        return round_fixed(value, fixed_steps(rounding))
    return round_learned(value, steps)


def _make_constants(
    graphs: Sequence[IntegerGraph], trained: Mapping[str, TrainedMatrix]
) -> dict[str, Any]:
    """The real constants that are not trained, one for the graphs of all lengths.

    Variables, because a graph of TensorFlow would hold a copy of every table for each length.
    """
    values: dict[str, Array] = {}
    for graph in graphs:
        for node in graph.operators:
            if node.output not in trained:
                for name in node.inputs:
                    value = graph.constants.get(name)
                    if value is not None and value.dtype == np.float32:
                        values.setdefault(name, value)
    return {name: _variable(name, value, trainable=False) for name, value in values.items()}


def _variable(name: str, value: Array, *, trainable: bool = True) -> Any:
    plain = name.replace("/", ".")
    return keras.Variable(np.asarray(value, np.float32), trainable=trainable, name=plain)
