"""The exits of a checkpoint, checked against its head and its layers."""

from __future__ import annotations

from collections.abc import Mapping

from edge_bert.encoder.weights import DenseWeights, ExitWeights, HeadDense
from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import Checkpoint, FloatArray, Head, Task, find_shape
from edge_bert.records.saved_exits import SavedExit

MOST_NEURONS = 2**16


def read_exit_weights(
    checkpoint: Checkpoint, hidden: int, layers: int, width: int
) -> tuple[ExitWeights, ...]:
    """The exits of an encoder of so many `layers` and `hidden` channels, whose head gives `width`.

    Raises ModelError for exits that do not fit it: behind the last layer, of another kind of head,
    arrays that are missing, too many or of another size.
    """
    if checkpoint.exits is None:
        return ()
    saved, arrays = checkpoint.exits.saved, checkpoint.exits.arrays
    embeds = checkpoint.head.task is Task.EMBEDDING
    check_exit_head(checkpoint.head)
    if embeds != (saved.rule.kind == "agreement") or any(
        x.agreement != embeds for x in saved.exits
    ):
        raise ModelError(
            "exits.json is for another kind of head than the model's; train the exits again."
        )
    if saved.exits[-1].after >= layers:
        raise ModelError(
            f"exits.json has an exit after layer {saved.exits[-1].after}, and the model has "
            f"{layers}; exits stand after layers 1 to {layers - 1}."
        )
    pooled = hidden * len(checkpoint.head.poolings)
    exits = tuple(
        _read_exit(arrays, f"exit.{index}", described, checkpoint.head, (pooled, width))
        for index, described in enumerate(saved.exits)
    )
    _check_all_read(arrays, exits)
    return exits


def check_exit_head(head: Head) -> None:
    """Raises ModelError for a head whose answers no rule of exits can judge."""
    if head.task is Task.EMBEDDING:
        return
    if head.task is not Task.CLASSIFICATION:
        raise ModelError(
            f"A model for {head.task.value.replace('_', ' ')} cannot have exits: tokens of one "
            "text would leave at different layers."
        )
    if len(head.labels) < 2 or head.activation != "softmax":
        gives = "one number" if head.activation == "identity" else "labels side by side"
        gives = "one class" if len(head.labels) < 2 and head.activation == "softmax" else gives
        raise ModelError(
            f"A classifier that gives {gives} cannot have exits; they are for one of several "
            "classes, and for embeddings."
        )


def _read_exit(
    arrays: Mapping[str, FloatArray],
    name: str,
    described: SavedExit,
    head: Head,
    ends: tuple[int, int],
) -> ExitWeights:
    """`ends` are the channels that the head reads, and those that it gives."""
    inputs, outputs = ends
    layers, last = [], len(described.dense) - 1
    for place, activation in enumerate(described.dense):
        path = f"{name}.head.{place}"
        neurons = outputs if place == last else _count_neurons(arrays, path)
        dense = _read_dense(arrays, path, inputs, neurons)
        layers.append(HeadDense(dense.kernel, dense.bias, activation))
        inputs = neurons
    agreement = None
    if described.agreement:
        agreement = _read_dense(arrays, f"{name}.agreement", ends[0], 1)
    return ExitWeights(described.after, head, tuple(layers), agreement)


def _count_neurons(arrays: Mapping[str, FloatArray], path: str) -> int:
    """The outputs of a layer between others, as its bias says."""
    name = f"{path}.bias"
    shape = find_shape(arrays, name) if name in arrays else None
    if shape is None or len(shape) != 1 or not 0 < shape[0] <= MOST_NEURONS:
        raise ModelError(f"exits.safetensors has no usable {name}; train the exits again.")
    return shape[0]


def _read_dense(
    arrays: Mapping[str, FloatArray], path: str, inputs: int, outputs: int
) -> DenseWeights:
    sizes = {f"{path}.kernel": (inputs, outputs), f"{path}.bias": (outputs,)}
    for name, size in sizes.items():
        shape = find_shape(arrays, name) if name in arrays else None
        if shape != size:
            told = "missing" if shape is None else " x ".join(map(str, shape))
            raise ModelError(
                f"exits.safetensors: {name} is {told}, and the model asks for "
                f"{' x '.join(map(str, size))}; train the exits again."
            )
    return DenseWeights(arrays[f"{path}.kernel"], arrays[f"{path}.bias"])


def _check_all_read(arrays: Mapping[str, FloatArray], exits: tuple[ExitWeights, ...]) -> None:
    read = 2 * sum(len(x.head_layers) + (x.agreement is not None) for x in exits)
    if len(arrays) != read:
        raise ModelError(
            f"exits.safetensors has {len(arrays)} arrays, and its exits have {read}; train the "
            "exits again."
        )
