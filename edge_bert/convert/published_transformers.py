"""Transformers with a published latency, rebuilt with random weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edge_bert.convert.keras_to_tflite import convert_to_tflite
from edge_bert.encoder.architectures.mobilebert import MOBILEBERT, list_weights, read_config
from edge_bert.encoder.config import EncoderConfig, MatrixRole
from edge_bert.encoder.weights import (
    CustomWeights,
    DenseWeights,
    EmbeddingWeights,
    EncoderWeights,
    LayerNormWeights,
    LayerWeights,
)
from edge_bert.errors import InputError
from edge_bert.records.checkpoint import FloatArray, Head, Task

# The sizes of google/mobilebert-uncased (arXiv:2004.02984, table 1).
MOBILEBERT_SIZES = {
    "hidden_size": 512,
    "num_hidden_layers": 24,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "vocab_size": 30522,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
}
# The sizes of sentence-transformers/all-MiniLM-L6-v2.
MINILM_SIZES = EncoderConfig(
    hidden=384,
    head_size=32,
    heads=(12,) * 6,
    ffn=(1536,) * 6,
    vocabulary=30522,
    positions=512,
    token_types=2,
    epsilon=1e-12,
)
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
HEAD = Head(task=Task.EMBEDDING)
SEED = 0
WEIGHT_SCALE = 0.02  # so small that 24 layers without LayerNorm stay finite
Random = Callable[..., FloatArray]


def build_published_transformer(name: str, tokens: int) -> bytes:
    """A float32 `.tflite` file of the encoder for `tokens` tokens, its rows averaged.

    What the published one has on top, such as the two logits of an answer, is left out: under
    0.1% of the multiply-adds. Raises InputError for one that is not in TRANSFORMERS.
    """
    if name not in TRANSFORMERS:
        raise InputError(f"No transformer is called {name!r}; there are {list(TRANSFORMERS)}.")
    generator = np.random.default_rng(SEED)

    def random(*shape: int) -> FloatArray:
        return (generator.standard_normal(shape) * WEIGHT_SCALE).astype(np.float32)

    return convert_to_tflite(TRANSFORMERS[name](random), [tokens])


def _mobilebert(random: Random) -> CustomWeights:
    config = read_config(MOBILEBERT_SIZES)
    return CustomWeights(
        architecture=MOBILEBERT.name,
        config=config,
        arrays={
            source.ours: random(*(source.size[::-1] if source.transposed else source.size))
            for source in list_weights(config)
        },
        head=HEAD,
        head_layers=(),
        input_names=INPUTS,
        output_name="embedding",
    )


def _minilm(random: Random) -> EncoderWeights:
    sizes = MINILM_SIZES
    return EncoderWeights(
        config=sizes,
        embeddings=EmbeddingWeights(
            word=random(sizes.vocabulary, sizes.hidden),
            position=random(sizes.positions, sizes.hidden),
            token_type=random(sizes.token_types, sizes.hidden),
            norm=_norm(random, sizes.hidden),
            projection=None,
        ),
        layers=tuple(_layer(random, sizes, layer) for layer in range(sizes.layers)),
        head=HEAD,
        head_layers=(),
        input_names=INPUTS,
        output_name="embedding",
    )


def _layer(random: Random, sizes: EncoderConfig, layer: int) -> LayerWeights:
    def dense(role: MatrixRole) -> DenseWeights:
        inputs, outputs = sizes.matrix_shape(role, layer)
        return DenseWeights(random(inputs, outputs), random(outputs))

    return LayerWeights(
        query=dense(MatrixRole.QUERY),
        key=dense(MatrixRole.KEY),
        value=dense(MatrixRole.VALUE),
        attention_output=dense(MatrixRole.ATTENTION_OUTPUT),
        attention_norm=_norm(random, sizes.hidden),
        ffn_in=dense(MatrixRole.FFN_IN),
        ffn_out=dense(MatrixRole.FFN_OUT),
        ffn_norm=_norm(random, sizes.hidden),
    )


def _norm(random: Random, size: int) -> LayerNormWeights:
    return LayerNormWeights(gamma=1 + random(size), beta=random(size))


TRANSFORMERS: dict[str, Callable[[Random], CustomWeights | EncoderWeights]] = {
    "MobileBERT": _mobilebert,
    "MiniLM-L6": _minilm,
}
