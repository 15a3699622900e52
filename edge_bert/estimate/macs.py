"""The multiply-adds of an encoder, computed from its config before anything is built."""

from __future__ import annotations

from edge_bert.encoder.config import EncoderConfig
from edge_bert.estimate.file_size import layer_matrices
from edge_bert.records.multiply_adds import MultiplyAdds
from edge_bert.records.recipe import Recipe, Scheme


def count_macs(config: EncoderConfig, recipe: Recipe, length: int) -> MultiplyAdds:
    """The multiply-adds of the layers' matrix products for `length` tokens, padding included.

    FULLY_CONNECTED and the two BATCH_MATMUL of every layer, and nothing else: no file of this
    config multiplies less. Matrices of 4 bits are multiplied as 8.
    """
    matrices = sum(
        length * outputs * inputs for layer in layer_matrices(config) for outputs, inputs in layer
    )
    # Scores and context: for each head, [length, head_size] times [head_size, length], and back.
    attention = 2 * length**2 * config.head_size * sum(config.heads)
    if recipe.scheme is Scheme.FLOAT:
        return MultiplyAdds(float32=matrices + attention)
    if recipe.scheme is Scheme.HYBRID:  # activations are integers only where they meet weights
        return MultiplyAdds(integer=matrices, float32=attention)
    return MultiplyAdds(integer=matrices + attention)
