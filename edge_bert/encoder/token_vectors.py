"""A model's encoder without its head: the vector of each token."""

from __future__ import annotations

import dataclasses

from edge_bert.errors import InputError
from edge_bert.records.checkpoint import Checkpoint, Head, Task


def give_token_vectors(checkpoint: Checkpoint) -> Checkpoint:
    """The same encoder, giving the vector of each token as its last layer leaves it.

    Raises InputError for an ONNX file, where vectors are to be cut, and where tokens are.
    """
    if checkpoint.head.dimensions is not None:
        raise InputError("--token-vectors gives whole vectors; leave --dimensions out.")
    if checkpoint.onnx is not None:
        raise InputError(
            "--token-vectors needs the model's folder: an ONNX file gives the output that it was "
            "exported with. Give --model the folder, or leave --token-vectors out."
        )
    if checkpoint.cuts:
        raise InputError(
            f"--token-vectors gives every token's, and {checkpoint.name} goes on with fewer; leave "
            "--token-vectors out, or delete tokens.json."
        )
    head = Head(task=Task.TOKEN_EMBEDDING, poolings=())
    return dataclasses.replace(checkpoint, head=head, head_modules=())
