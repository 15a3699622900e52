"""Training steps in TensorFlow: a graph of gradients for each shape of a batch, one of changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from edge_bert.compress.train.backends.choose_backend import Batch, Objective

# It warns of graphs that are made again; each length of a batch has one of its own, as is meant.
tf.get_logger().setLevel("ERROR")

TAKES_SIZES = True


class TensorFlowStep:
    """Gradients by a tape; a graph of its own changes the weights, whatever the batch's shape.

    Most operators of a step belong to the optimizer, and making them takes longer than a step.
    """

    def __init__(self, model: Any, optimizer: Any, objective: Objective) -> None:
        variables = model.trainable_variables
        optimizer.build(variables)

        def differentiate(batch: Batch) -> tuple[dict[str, Any], list[Any]]:
            with tf.GradientTape() as tape:
                parts = objective(batch)
            return parts, tape.gradient(parts["loss"], [variable.value for variable in variables])

        def change(gradients: list[Any]) -> None:
            optimizer.apply(gradients, variables)

        self._differentiate = tf.function(differentiate, autograph=False)
        # An embedding's gradient has a row for each token, so that its shape alone differs.
        self._change = tf.function(change, autograph=False, reduce_retracing=True)

    def run(self, batch: Batch) -> dict[str, float]:
        """The parts of the loss, before the change of the weights."""
        tensors = {name: tf.constant(array) for name, array in batch.items()}
        parts, gradients = self._differentiate(tensors)
        self._change(gradients)
        return {name: float(value) for name, value in parts.items()}

    def write_back(self) -> None:
        """The variables are the model's own."""


def make_step(model: Any, optimizer: Any, objective: Objective) -> TensorFlowStep:
    """The training step of a Keras model."""
    return TensorFlowStep(model, optimizer, objective)


def make_forward(model: Any, compute: Callable[[Batch], Any]) -> Callable[[Batch], Any]:
    """`compute` as a graph for each shape."""
    del model  # its variables are in the graph
    compiled = tf.function(compute, autograph=False)

    def forward(batch: Batch) -> Any:
        tensors = {name: tf.constant(array) for name, array in batch.items()}
        return tf.nest.map_structure(lambda tensor: tensor.numpy(), compiled(tensors))

    return forward


def make_gradient(
    model: Any, objective: Callable[[Batch], Any], names: Sequence[str]
) -> Callable[[Batch], dict[str, Any]]:
    """With respect to arrays of the batch, as a graph for each shape."""
    del model

    def compute(batch: Batch) -> dict[str, Any]:
        watched = {name: batch[name] for name in names}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(watched)
            value = objective(batch)
        gradients: dict[str, Any] = tape.gradient(value, watched)
        return gradients

    return make_forward(None, compute)


def limit_threads(threads: int) -> None:
    """Before TensorFlow computes anything."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()


def name_device() -> str:
    """The accelerator that TensorFlow sees, else the CPU."""
    for device in tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(device)
        return str(details.get("device_name", "GPU"))
    return "CPU"
