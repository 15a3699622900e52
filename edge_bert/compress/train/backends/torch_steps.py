"""Training steps in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import torch

from edge_bert.compress.train.backends.choose_backend import Batch, Objective

TAKES_SIZES = True


class TorchStep:
    """Gradients by autograd."""

    def __init__(self, model: Any, optimizer: Any, objective: Objective) -> None:
        self._variables = model.trainable_variables
        self._optimizer, self._objective = optimizer, objective
        optimizer.build(self._variables)

    def run(self, batch: Batch) -> dict[str, float]:
        """The parts of the loss, before the change of the weights."""
        parts = self._objective(_tensors(batch))
        for variable in self._variables:
            variable.value.grad = None
        parts["loss"].backward()
        with torch.no_grad():
            gradients = [variable.value.grad for variable in self._variables]
            self._optimizer.apply(gradients, self._variables)
        return {name: float(value.detach()) for name, value in parts.items()}

    def write_back(self) -> None:
        """The variables are the model's own."""


def make_step(model: Any, optimizer: Any, objective: Objective) -> TorchStep:
    """The training step of a Keras model."""
    return TorchStep(model, optimizer, objective)


def make_forward(model: Any, compute: Callable[[Batch], Any]) -> Callable[[Batch], Any]:
    """`compute` without gradients."""
    del model

    def forward(batch: Batch) -> Any:
        import keras

        with torch.no_grad():
            values = compute(_tensors(batch))
        return keras.tree.map_structure(lambda tensor: tensor.detach().cpu().numpy(), values)

    return forward


def make_gradient(
    model: Any, objective: Callable[[Batch], Any], names: Sequence[str]
) -> Callable[[Batch], dict[str, Any]]:
    """With respect to arrays of the batch."""
    del model

    def gradient(batch: Batch) -> dict[str, Any]:
        tensors = _tensors(batch)
        watched = [tensors[name].requires_grad_() for name in names]
        gradients = torch.autograd.grad(objective(tensors), watched)
        return {
            name: value.detach().cpu().numpy() for name, value in zip(names, gradients, strict=True)
        }

    return gradient


def limit_threads(threads: int) -> None:
    """Of one operator."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)


def _tensors(batch: Batch) -> dict[str, Any]:
    import keras

    return {name: keras.ops.convert_to_tensor(array) for name, array in batch.items()}


def name_device() -> str:
    """The device that Keras puts its tensors on."""
    device = keras.ops.zeros(1).device
    return str(torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper())
