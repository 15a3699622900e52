"""A model's encoder without its head: the vector of each token."""

from __future__ import annotations

import dataclasses

from edge_bert.errors import InputError
from edge_bert.records.checkpoint import Checkpoint, Head, Task


def give_token_vectors(checkpoint: Checkpoint) -> Checkpoint:
    """The same encoder, giving the vector of each token as its last layer leaves it.

    Raises InputError for an ONNX file, or where vectors are to be cut.
    """
    if checkpoint.head.dimensions is not None:
        raise InputError("--token-vectors gives whole vectors; leave --dimensions out.")
    if checkpoint.onnx is not None:
        raise InputError(
            "--token-vectors needs the model's folder: an ONNX file gives the output that it was "
            "exported with. Give --model the folder, or leave --token-vectors out."
        )
    head = Head(task=Task.TOKEN_EMBEDDING, poolings=())
    return dataclasses.replace(checkpoint, head=head, head_modules=())
