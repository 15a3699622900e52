"""What exits gave on held-out texts: each exit alone, each rule, and the curve of work."""

from __future__ import annotations

from edge_bert.records.base import Record
from edge_bert.records.exits import ExitRule, Share


class ExitScore(Record, frozen=True):
    """An exit that answers every text: how near to the whole model, and how often right.

    `agreement` is the share of texts with the whole model's class, or the mean cosine to its
    vectors. `accuracy` is absent where texts have no labels.
    """

    after: int
    agreement: float
    accuracy: float | None = None


class PredictedAgreement(Record, frozen=True):
    """What a rule by predicted agreement is worth on the texts that left early.

    `predicted` and `real` are mean cosines to the whole model, `error` the mean distance between
    the two of a text; `correlation` is Spearman's over all texts and exits.
    """

    predicted: float
    real: float
    error: float
    correlation: float


class RuleTrial(Record, frozen=True):
    """A rule on the held-out texts that its thresholds were found on.

    `shares` of texts leave at each exit, and at the end. `layers` is the mean share of the layers
    that a text passes. `unseen_agreement` is that of texts whose part of the held-out ones did not
    choose the thresholds (five parts in turn). `reached` says whether the agreement is the wanted
    one.
    """

    rule: ExitRule
    shares: tuple[Share, ...]
    layers: float
    agreement: float
    reached: bool
    unseen_agreement: float | None = None
    accuracy: float | None = None
    predicted: PredictedAgreement | None = None


class WorkPoint(Record, frozen=True):
    """A point of the curve: what thresholds for another wanted agreement give."""

    wanted: float
    layers: float
    agreement: float
    accuracy: float | None = None


class EarlyExits(Record, frozen=True):
    """Exits of a model with so many `layers`, over `count` held-out texts.

    The first of `trials` is the rule that the folder has. `heads_score` is the agreement of
    the heads alone, on rows of the body as it was, the mean of the exits by depth; `joint` says
    whether the body learned with them then. `joint_lost` is what that took of the whole model's
    held-out score (accuracy, or agreement with the model before where texts have no labels); where
    `joint` is false all the same, it was too much, and the heads alone were kept.
    `whole_accuracy` is that of the last head, `start_accuracy` what the model had before.
    """

    layers: int
    count: int
    exits: tuple[ExitScore, ...]
    trials: tuple[RuleTrial, ...]
    work: tuple[WorkPoint, ...]
    heads_score: float
    joint: bool
    joint_lost: float | None = None
    whole_accuracy: float | None = None
    start_accuracy: float | None = None
