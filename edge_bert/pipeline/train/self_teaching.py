"""A model as its own teacher: what is pruned or clustered learns to answer as it did whole."""

from __future__ import annotations

import msgspec

from edge_bert.compress.train.distill import Lessons
from edge_bert.compress.train.examples import digest_texts
from edge_bert.compress.train.loop import Report
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.pipeline.train.corpus import Corpus
from edge_bert.pipeline.train.distill.choose_losses import DEFAULTS
from edge_bert.pipeline.train.start_model import StartModel
from edge_bert.records.training import LossWeights


def teach_itself(
    model: StartModel, sides: tuple[Corpus, Corpus], report: Report
) -> tuple[Lessons, Lessons]:
    """Texts with the whole model's outputs, and, where they train, the rows of its layers.

    `sides` are the texts that train and those that are held out. Outputs come from the cache after
    the first time.
    """
    from edge_bert.compress.train.forward import Rows
    from edge_bert.compress.train.teacher import run_teachers

    weights = model.weights
    losses, layers = DEFAULTS[weights.head.task], tuple(range(weights.config.layers))
    rows = Rows(hidden=layers if losses.hidden else (), attention=bool(losses.relations))

    def teach(corpus: Corpus, wanted: Rows) -> Lessons:
        texts = corpus.tokenize(model.tokenizer)
        outputs = run_teachers([weights], [model.checkpoint.sha256], texts, wanted, report)
        return Lessons(texts, outputs, corpus.labels if corpus.has_labels else None)

    trained, held_out = sides
    return teach(trained, rows), teach(held_out, Rows())


def recovery_losses(weights: EncoderWeights, trained: Corpus) -> LossWeights:
    """The losses of a head, those of labels where texts have some."""
    losses = DEFAULTS[weights.head.task]
    return losses if trained.has_labels else msgspec.structs.replace(losses, labels=0.0)


def digest_lessons(lessons: Lessons) -> str:
    """SHA-256 over the texts and their labels; outputs follow from the teacher."""
    return digest_texts(lessons.texts, *(() if lessons.labels is None else (lessons.labels,)))
