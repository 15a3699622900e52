"""Embeddings cut to their first channels (Kusupati et al. 2022, arXiv:2205.13147)."""

from __future__ import annotations

import dataclasses

import msgspec

from edge_bert.encoder.checkpoint import read_encoder_config
from edge_bert.errors import InputError
from edge_bert.records.checkpoint import Checkpoint, HeadModule, HeadModuleKind, Task

UNIT = HeadModule(HeadModuleKind.UNIT_LENGTH)


def cut_dimensions(checkpoint: Checkpoint, dimensions: int) -> Checkpoint:
    """The model whose embeddings are the first `dimensions` channels of its own.

    Where they had unit length, they have it after the cut too. Takes the place of a cut that the
    model's authors made. Raises InputError where there are no embeddings or fewer channels.
    """
    head, modules = checkpoint.head, checkpoint.head_modules
    if head.task is not Task.EMBEDDING:
        raise InputError(
            f"--dimensions {dimensions}: the model gives no embeddings of texts "
            f"({head.task.value}); leave the option out."
        )
    width = _count_channels(checkpoint)
    if not 0 < dimensions <= width:
        raise InputError(f"--dimensions {dimensions}: give a number from 1 to {width}.")
    if head.dimensions is not None and modules[-1:] == (UNIT,):
        modules, head = modules[:-1], msgspec.structs.replace(head, normalize=True)
    cut = dimensions if dimensions < width else None
    head = msgspec.structs.replace(head, dimensions=cut)
    return dataclasses.replace(checkpoint, head=head, head_modules=modules)


def _count_channels(checkpoint: Checkpoint) -> int:
    """The channels of the embedding before a cut."""
    if checkpoint.onnx is not None and not checkpoint.weights:
        raise InputError(
            "--dimensions needs an encoder that edge-bert recognizes; one that onnx2tf converts "
            "gives the output that it was exported with."
        )
    dense = HeadModuleKind.DENSE
    widths = [module.outputs for module in checkpoint.head_modules if module.kind is dense]
    pooled = read_encoder_config(checkpoint).hidden * len(checkpoint.head.poolings)
    return widths[-1] if widths else pooled
