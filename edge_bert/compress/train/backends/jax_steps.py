"""Training steps in JAX, whose functions hold no state: weights go in and come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import keras

from edge_bert.compress.train.backends.choose_backend import Batch, Objective
from edge_bert.host_system import bind_to_first_cores

TAKES_SIZES = False


class JaxStep:
    """Gradients by transformation; the values are held here until they are written back."""

    def __init__(self, model: Any, optimizer: Any, objective: Objective) -> None:
        self._variables = model.trainable_variables
        self._optimizer = optimizer
        optimizer.build(self._variables)
        self._weights = [variable.value for variable in self._variables]
        self._moments = [variable.value for variable in optimizer.variables]

        def loss(weights: Any, batch: Batch) -> Any:
            mapping = list(zip(self._variables, weights, strict=True))
            with keras.StatelessScope(state_mapping=mapping):
                parts = objective(batch)
            return parts["loss"], parts

        def run(weights: Any, moments: Any, batch: Batch) -> Any:
            (_, parts), gradients = jax.value_and_grad(loss, has_aux=True)(weights, batch)
            return (*optimizer.stateless_apply(moments, gradients, weights), parts)

        self._run = jax.jit(run)

    def run(self, batch: Batch) -> dict[str, float]:
        """The parts of the loss, before the change of the weights."""
        self._weights, self._moments, parts = self._run(self._weights, self._moments, dict(batch))
        return {name: float(value) for name, value in parts.items()}

    def write_back(self) -> None:
        """Into the variables of the model and of the optimizer."""
        for variable, value in zip(self._variables, self._weights, strict=True):
            variable.assign(value)
        for variable, value in zip(self._optimizer.variables, self._moments, strict=True):
            variable.assign(value)


def make_step(model: Any, optimizer: Any, objective: Objective) -> JaxStep:
    """The training step of a Keras model."""
    return JaxStep(model, optimizer, objective)


def make_forward(model: Any, compute: Callable[[Batch], Any]) -> Callable[[Batch], Any]:
    """`compute` with the weights that the model has when it is called."""

    def run(weights: Any, batch: Batch) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(model.variables, weights, strict=True))):
            return compute(batch)

    compiled = jax.jit(run)

    def forward(batch: Batch) -> Any:
        weights = [variable.value for variable in model.variables]
        return keras.tree.map_structure(jax.device_get, compiled(weights, dict(batch)))

    return forward


def make_gradient(
    model: Any, objective: Callable[[Batch], Any], names: Sequence[str]
) -> Callable[[Batch], dict[str, Any]]:
    """With respect to arrays of the batch."""

    def compute(batch: Batch) -> dict[str, Any]:
        def value_of(watched: Batch) -> Any:
            return objective({**batch, **watched})

        gradients: dict[str, Any] = jax.grad(value_of)({name: batch[name] for name in names})
        return gradients

    return make_forward(model, compute)


def limit_threads(threads: int) -> None:
    """JAX takes its threads from the processors that the process may use."""
    bind_to_first_cores(threads)


def name_device() -> str:
    """The first device of JAX, on which it computes."""
    device = jax.devices()[0]
    return "CPU" if device.platform == "cpu" else str(device.device_kind)
