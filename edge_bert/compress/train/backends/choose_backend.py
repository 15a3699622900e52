"""The backend that Keras computes with, and its steps."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from edge_bert.encoder.tensorflow import import_tensorflow
from edge_bert.errors import InputError, MissingToolError
from edge_bert.text import one_line

BACKENDS = ("tensorflow", "jax", "torch")
DEFAULT = "tensorflow"

Batch = Mapping[str, Any]
Objective = Callable[[Batch], dict[str, Any]]
"""The parts of the loss of a batch by name; `loss` is their weighted sum."""


class CompiledStep(Protocol):
    """A training step: gradients of the objective, and the optimizer's change of the weights."""

    def run(self, batch: Batch) -> dict[str, float]:
        """The parts of the loss on `batch`, before the change."""

    def write_back(self) -> None:
        """Put the weights into the model and the optimizer, where a backend holds them apart."""


def select_backend() -> str:
    """The backend of `KERAS_BACKEND`, by default TensorFlow; Keras computes with it from then on.

    Raises InputError for an unknown one, MissingToolError for one that is not installed.
    """
    name = os.environ.setdefault("KERAS_BACKEND", DEFAULT)
    if name not in BACKENDS:
        raise InputError(f"KERAS_BACKEND is {name[:40]!r}; give one of {', '.join(BACKENDS)}.")
    if importlib.util.find_spec(name) is None:
        raise MissingToolError(
            f"KERAS_BACKEND is {name}, which is not installed: pip install {name}, or unset it."
        )
    if name == DEFAULT:
        import_tensorflow()
    return name


def start_backend(threads: int) -> str:
    """The backend of `select_backend`, once it has computed something with this many threads.

    With one thread it computes in the same order each time; 0 takes all. Raises MissingToolError
    where it does not compute, such as for a device that is not there.
    """
    name = select_backend()
    try:
        import keras

        if threads:
            _backend_module().limit_threads(threads)
        keras.ops.convert_to_numpy(keras.ops.zeros(1))
    except (ImportError, RuntimeError, AssertionError, OSError) as error:
        raise MissingToolError(
            f"KERAS_BACKEND is {name}, which does not compute here ({one_line(error)[:200]}); ask "
            "for a device that is there (JAX_PLATFORMS, KERAS_TORCH_DEVICE, CUDA_VISIBLE_DEVICES), "
            "or unset KERAS_BACKEND."
        ) from error
    return name


def name_device() -> str:
    """What the backend in use computes on: CPU, or the accelerator by its name.

    TensorFlow and JAX take the CPU without a word where they find no other.
    """
    name: str = _backend_module().name_device()
    return name


def takes_sizes() -> bool:
    """Whether a graph of the backend in use may have sizes that are numbers of its batch."""
    takes: bool = _backend_module().TAKES_SIZES
    return takes


def make_step(model: Any, optimizer: Any, objective: Objective) -> CompiledStep:
    """The training step of the backend in use."""
    step: CompiledStep = _backend_module().make_step(model, optimizer, objective)
    return step


def make_forward(model: Any, compute: Callable[[Batch], Any]) -> Callable[[Batch], Any]:
    """`compute`, compiled where the backend compiles, without gradients; gives numpy arrays."""
    forward: Callable[[Batch], Any] = _backend_module().make_forward(model, compute)
    return forward


def make_gradient(
    model: Any, objective: Callable[[Batch], Any], names: Sequence[str]
) -> Callable[[Batch], dict[str, Any]]:
    """The gradient of a number with respect to the arrays of a batch that `names` name.

    Compiled where the backend compiles; gives numpy arrays.
    """
    gradient: Callable[[Batch], dict[str, Any]] = _backend_module().make_gradient(
        model, objective, names
    )
    return gradient


def _backend_module() -> Any:
    import keras

    return importlib.import_module(
        f"edge_bert.compress.train.backends.{keras.backend.backend()}_steps"
    )
