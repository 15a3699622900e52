"""AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101) with a rate for each part of the model."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from edge_bert.compress.prune.block_sparsity import SparsitySchedule, sparse_kernels
from edge_bert.compress.train.prune.block_masks import apply_mask, read_mask
from edge_bert.encoder.keras_bert import find_variable
from edge_bert.records.training import TrainingSettings

CLIP_NORM = 1.0
BETA_2 = 0.98
LEAST_SHARE = 10.0  # of an even mean: a short run's average must not hold to the start


class PartwiseAdamW(keras.optimizers.AdamW):
    """AdamW whose learning rate is multiplied for each variable by a number of its own.

    `multipliers` are in the order of the variables that it is built for.
    """

    def __init__(self, multipliers: Sequence[float], **options: Any) -> None:
        super().__init__(**options)
        self._multipliers = tuple(multipliers)
        self._rate: Any = None
        self._step_sizes: dict[float, Any] = {}

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """One step of all variables.

        Its rate is computed once, and the size of a step once for each multiplier: Keras would do
        it for each variable, most of the operators of the step's graph.
        """
        self._rate = self._get_current_learning_rate()
        self._step_sizes = {size: self._step_size(size) for size in set(self._multipliers)}
        try:
            super().apply(grads, trainable_variables)
        finally:
            self._rate, self._step_sizes = None, {}

    def _step_size(self, multiplier: float) -> Any:
        """The rate, times what makes up for moments that began at zero."""
        step = keras.ops.cast(self.iterations + 1, "float32")
        shares = [1 - keras.ops.power(beta, step) for beta in (self.beta_1, self.beta_2)]
        rate = keras.ops.cast(self._rate * multiplier, "float32")
        return rate * keras.ops.sqrt(shares[1]) / shares[0]

    def _get_current_learning_rate(self) -> Any:
        return super()._get_current_learning_rate() if self._rate is None else self._rate

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """The change of one variable: Adam's, as Keras computes it."""
        del learning_rate  # it is in the size of the step
        # TensorFlow hands over its own variable, which Keras knows by its place alone.
        index = self._get_variable_index(variable)
        mean, square = self._momentums[index], self._velocities[index]
        self.assign_add(mean, (gradient - mean) * (1 - self.beta_1))
        self.assign_add(square, (keras.ops.square(gradient) - square) * (1 - self.beta_2))
        change = mean * self._step_sizes[self._multipliers[index]]
        self.assign_sub(variable, change / (keras.ops.sqrt(square) + self.epsilon))


class SparseAdamW(PartwiseAdamW):
    """PartwiseAdamW that keeps blocks of zeros in some variables, `pruned` by their places."""

    def __init__(self, schedule: SparsitySchedule, pruned: Collection[int], **options: Any) -> None:
        super().__init__(**options)
        self._schedule, self._pruned = schedule, frozenset(pruned)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """The change of one variable, whose blocks of zeros stay and grow more."""
        if self._get_variable_index(variable) not in self._pruned:
            super().update_step(gradient, variable, learning_rate)
            return
        mask = read_mask(variable, self._schedule.block)
        super().update_step(gradient, variable, learning_rate)
        step = self.iterations + 1
        self.assign(variable, apply_mask(variable, mask, self._schedule, step))


def build_optimizer(
    model: Any,
    settings: TrainingSettings,
    steps: int,
    sparsity: SparsitySchedule | None = None,
) -> PartwiseAdamW:
    """The optimizer of a run of `steps`; biases, LayerNorms, scales and centroids are not decayed.

    With `sparsity` the matrices of the layers get blocks of zeros.
    """
    warmup = min(int(settings.warmup * steps), steps - 1)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else settings.learning_rate,
        decay_steps=max(steps - warmup, 1),
        warmup_target=settings.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    head = {id(variable) for variable in head_variables(model)}
    kind: Callable[..., PartwiseAdamW] = PartwiseAdamW
    if sparsity is not None:
        kind = functools.partial(SparseAdamW, sparsity, _find_kernels(model))
    optimizer = kind(
        multipliers=[
            settings.head_rate if id(variable) in head else 1.0
            for variable in model.trainable_variables
        ],
        learning_rate=schedule,
        weight_decay=settings.weight_decay,
        beta_2=BETA_2,
        global_clipnorm=CLIP_NORM,
        use_ema=settings.average > 0,
        ema_momentum=min(settings.average, 1.0 - LEAST_SHARE / max(steps, LEAST_SHARE)),
    )
    optimizer.exclude_from_weight_decay(
        var_names=["bias", "gamma", "beta", "log_scale", "centroids"]
    )
    return optimizer


@contextlib.contextmanager
def average_weights(model: Any, optimizer: PartwiseAdamW) -> Iterator[None]:
    """The model with its weights' moving average, where the optimizer keeps one.

    Polyak & Juditsky 1992; the last steps' weights come back at the end.
    """
    if not optimizer.use_ema:
        yield
        return
    variables = model.trainable_variables
    last = [np.array(keras.ops.convert_to_numpy(variable.value)) for variable in variables]
    optimizer.finalize_variable_values(variables)
    try:
        yield
    finally:
        for variable, values in zip(variables, last, strict=True):
            variable.assign(values)


def _find_kernels(model: Any) -> list[int]:
    """The places of the layers' matrices among what is trained."""
    kernels = {id(find_variable(model, name)) for name in sparse_kernels(model.config)}
    variables = enumerate(model.trainable_variables)
    return [index for index, variable in variables if id(variable) in kernels]


def head_variables(model: Any) -> list[Any]:
    """The variables of the head's layers, and of those of exits."""
    layers = [*model.head_layers, *getattr(model, "exits", ())]
    return [variable for layer in layers for variable in getattr(layer, "variables", ())]


def freeze_parts(model: Any, freeze: str) -> None:
    """Leave out of training what `freeze` names."""
    model.embeddings.trainable = freeze == "nothing"
    for block in model.blocks:
        block.trainable = freeze != "encoder"
