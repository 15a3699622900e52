"""A model as its own teacher: what is made smaller learns to answer as it did whole."""

from __future__ import annotations

import msgspec

from edge_bert.compress.train.batches import TokenizedTexts
from edge_bert.compress.train.distill import Lessons
from edge_bert.compress.train.examples import digest_texts
from edge_bert.compress.train.loop import Report
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.pipeline.train.corpus import Corpus
from edge_bert.pipeline.train.distill.choose_losses import DEFAULTS, drop_row_losses
from edge_bert.pipeline.train.start_model import StartModel
from edge_bert.records.training import LossWeights

Texts = tuple[TokenizedTexts, TokenizedTexts]


def tokenize_sides(model: StartModel, sides: tuple[Corpus, Corpus]) -> Texts:
    """The texts that train and those that are held out, as the model reads them."""
    return sides[0].tokenize(model.tokenizer), sides[1].tokenize(model.tokenizer)


def teach_itself(
    model: StartModel,
    sides: tuple[Corpus, Corpus],
    texts: Texts,
    losses: LossWeights,
    report: Report,
) -> tuple[Lessons, Lessons]:
    """Texts with the whole model's outputs, and, where they train, what `losses` compare.

    `sides` are the texts that train and those that are held out, `texts` their tokens. Outputs come
    from the cache after the first time.
    """
    from edge_bert.compress.train.forward import Rows
    from edge_bert.compress.train.teacher import run_teachers

    weights = model.weights
    rows = Rows(
        hidden=tuple(range(weights.config.layers)) if losses.hidden else (),
        attention=bool(losses.attention or losses.relations),
    )

    def teach(place: int, wanted: Rows, *, labelled: bool) -> Lessons:
        digests = [model.checkpoint.sha256]
        outputs = run_teachers([weights], digests, texts[place], wanted, report)
        return Lessons(texts[place], outputs, sides[place].labels if labelled else None)

    return (
        teach(0, rows, labelled=bool(losses.labels)),
        teach(1, Rows(), labelled=sides[1].has_labels),
    )


def recovery_losses(weights: EncoderWeights, trained: Corpus) -> LossWeights:
    """The losses of a head, those of labels where texts have some."""
    losses = DEFAULTS[weights.head.task]
    losses = drop_row_losses(losses) if weights.config.cuts else losses
    return losses if trained.has_labels else msgspec.structs.replace(losses, labels=0.0)


def digest_lessons(lessons: Lessons) -> str:
    """SHA-256 over the texts and their labels; outputs follow from the teacher."""
    return digest_texts(lessons.texts, *(() if lessons.labels is None else (lessons.labels,)))
