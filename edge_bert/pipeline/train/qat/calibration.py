"""The sentences that a build calibrates with, for training to start where its file would be."""

from __future__ import annotations

from edge_bert.compress.train.batches import TokenizedTexts
from edge_bert.compress.train.prune.rank_units import list_sentences
from edge_bert.data.buckets import IntArray
from edge_bert.data.calibration import DEFAULT_COUNT, default_sentences, select_sentences
from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.pipeline.build.calibration_inputs import encode_calibration
from edge_bert.pipeline.train.start_model import StartModel

FROM_TEXTS = 256  # sentences of the texts that are learned


def encode_default_sentences(model: StartModel) -> list[dict[str, IntArray]]:
    """Inputs [1, n] of those that a build without options of its own takes."""
    sentences = select_sentences(default_sentences(), DEFAULT_COUNT, 0).sentences
    weights = model.weights
    return encode_calibration(model.tokenizer, weights.input_names, sentences, weights.head)


def list_start_sentences(model: StartModel, texts: TokenizedTexts) -> list[Sentence]:
    """Inputs [1, n] of the sentences of a build, and of some of the texts that are learned.

    Texts of one kind may lack what others have, such as commas, and GPTQ rounds badly what reads
    rows that it never saw.
    """
    some = list_sentences(texts.spread(FROM_TEXTS), model.weights.input_names)
    return [*encode_default_sentences(model), *some]
