"""The score of a float model on labelled data, by the numpy forward pass."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.data.buckets import encode_unpadded
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.numpy_forward import run_encoder
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.evaluate.outputs import finish_outputs
from edge_bert.pipeline.build.scoring.score_labels import score_model
from edge_bert.records.bundle import LabelScore
from edge_bert.records.checkpoint import Checkpoint, FloatArray
from edge_bert.sources.load import load_checkpoint
from edge_bert.store.cache import cache_folder


def score_float_model(model: str | None, data: str) -> LabelScore:
    """The first metric of a model's kind on `data`; `None` is the model taken by default."""
    checkpoint = load_checkpoint(model, cache_folder("models"))
    return score_weights(checkpoint, encoder_weights(checkpoint), data)


def score_weights(checkpoint: Checkpoint, weights: EncoderWeights, data: str) -> LabelScore:
    """As `score_float_model`, for weights that are read like those of `checkpoint`."""
    tokenizer = Tokenizer.open_file(checkpoint.tokenizer, checkpoint.max_length)

    def outputs_of(texts: Sequence[str], pairs: Sequence[str] | None) -> FloatArray:
        inputs = encode_unpadded(tokenizer, weights.input_names, texts, pairs)
        return finish_outputs(run_encoder(weights, inputs), checkpoint.head)

    return score_model(parse_reference(data), checkpoint.head, outputs_of)[0]
