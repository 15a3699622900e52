"""A layer with the first of its heads and neurons alone: what is left out is not computed.

The counts are numbers in a batch, so that one graph serves all sub-networks. This needs a backend
whose graphs take sizes that are known when they run (`takes_sizes`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops

from edge_bert.encoder.keras_bert import BlockValues, EncoderBlock
from edge_bert.encoder.keras_layers import apply_activation


class BlockCut(NamedTuple):
    """So many of a layer's first heads and neurons, numbers; 0 heads are a layer that is not there.

    Such a layer gives the rows that it reads.
    """

    heads: Any
    neurons: Any

    def run_block(self, block: EncoderBlock, rows: Any, bias: Any) -> BlockValues:
        """The output of the layer; queries, keys and values are not told.

        A layer that is not there has no heads or neurons to compute, and is not chosen. A branch of
        the graph would save its LayerNorms too, but what TensorFlow 2.21 makes of such branches on
        a Xeon with AVX-512 gives empty arrays (not so without its remapping of operators).
        """
        attended = rows + self._attend(block, rows, bias)
        normed = block.attention_norm(attended)
        output = block.ffn_norm(normed + self._feed(block, normed))
        return BlockValues(None, None, None, ops.where(self.heads > 0, output, rows))

    def _attend(self, block: EncoderBlock, rows: Any, bias: Any) -> Any:
        """Rows [batch * length, hidden] by the first heads of the layer's attention."""
        size, channels = block.head_size, self.heads * block.head_size
        count, length = bias.shape[0], bias.shape[-1]

        def project(dense: Any) -> Any:
            """By head, [batch, heads, length, size]."""
            projected = ops.matmul(rows, dense.kernel[:, :channels]) + dense.bias[:channels]
            return ops.transpose(
                ops.reshape(projected, (count, length, self.heads, size)), (0, 2, 1, 3)
            )

        by_head = bias[:, : self.heads] if bias.shape[1] > 1 else bias
        keys = ops.transpose(project(block.key), (0, 1, 3, 2))
        scores = ops.matmul(project(block.query) * size**-0.5, keys) + by_head
        context = ops.matmul(ops.softmax(scores, axis=-1), project(block.value))
        by_token = ops.transpose(context, (0, 2, 1, 3))
        attended = ops.reshape(by_token, (count * length, channels))
        output = block.attention_output
        return ops.matmul(attended, output.kernel[:channels]) + output.bias

    def _feed(self, block: EncoderBlock, rows: Any) -> Any:
        """Rows [batch * length, hidden] by the first neurons of the layer."""
        into: Any = block.ffn_in
        out: Any = block.ffn_out
        products = ops.matmul(rows, into.kernel[:, : self.neurons]) + into.bias[: self.neurons]
        neurons = apply_activation(products, into.activation)
        return ops.matmul(neurons, out.kernel[: self.neurons]) + out.bias
