"""The matrices of an equalized encoder, by the names of their outputs in the graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from edge_bert.encoder.weights import DenseWeights
from edge_bert.quantize.integer.equalize.equalized_encoder import (
    EqualizedEncoder,
    EqualizedLayer,
    FfnGroup,
)

WORD_TABLE = "embeddings.word"  # the constant of the graph
Change = Callable[[str, DenseWeights], DenseWeights]


def name_kernel(output: str) -> str:
    """The constant of the graph that holds a matrix, by the name of its output."""
    return f"{output}.kernel"


def name_bias(output: str) -> str:
    """The constant of the graph that holds the bias beside a matrix."""
    return f"{output}.bias"


def list_dense(equalized: EqualizedEncoder) -> dict[str, DenseWeights]:
    """Each matrix with its bias."""
    listed: dict[str, DenseWeights] = {}

    def note(name: str, dense: DenseWeights) -> DenseWeights:
        listed[name] = dense
        return dense

    change_dense(equalized, note)
    return listed


def change_dense(equalized: EqualizedEncoder, change: Change) -> EqualizedEncoder:
    """The encoder with `change` of each matrix and bias in place of it."""

    def changed(name: str, dense: DenseWeights) -> DenseWeights:
        new = change(name, dense)
        return dataclasses.replace(dense, kernel=new.kernel, bias=new.bias)

    projection = equalized.projection
    if projection is not None:
        dense = changed("embeddings.projection", projection.dense)
        projection = dataclasses.replace(projection, dense=dense)
    return dataclasses.replace(
        equalized,
        projection=projection,
        layers=tuple(
            _change_layer(layer, f"layer.{index}", changed)
            for index, layer in enumerate(equalized.layers)
        ),
        head=tuple(
            dataclasses.replace(dense, **vars(changed(f"head.{index}", dense)))
            for index, dense in enumerate(equalized.head)
        ),
    )


def _change_layer(layer: EqualizedLayer, name: str, changed: Change) -> EqualizedLayer:
    ffn = tuple(
        FfnGroup(
            changed(f"{name}.ffn.{index}.in", group.up),
            changed(f"{name}.ffn.{index}.out", group.down),
        )
        for index, group in enumerate(layer.ffn)
    )
    return dataclasses.replace(
        layer,
        query=changed(f"{name}.query", layer.query),
        key=changed(f"{name}.key", layer.key),
        value=changed(f"{name}.value", layer.value),
        attention_output=changed(f"{name}.attention_output", layer.attention_output),
        ffn=ffn,
    )
