"""`exits.json` and `exits.safetensors`: the exits of a model folder, and their rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from edge_bert.records.base import Record
from edge_bert.records.exits import ExitRule, Layers

FORMAT_VERSION = 1
MOST_EXITS, MOST_DENSE = 100, 4
ExitActivation = Literal["linear", "tanh", "gelu", "relu"]


class SavedExit(Record, frozen=True):
    """An exit: the activation of each dense layer of its head, and whether it predicts agreement.

    Pooling and what follows the layers are those of the model's own head.
    """

    after: Layers
    dense: Annotated[tuple[ExitActivation, ...], msgspec.Meta(min_length=1, max_length=MOST_DENSE)]
    agreement: bool = False


class SavedExits(Record, frozen=True):
    """All exits in rising order, and the rule by which inputs leave."""

    format_version: int
    exits: Annotated[tuple[SavedExit, ...], msgspec.Meta(min_length=1, max_length=MOST_EXITS)]
    rule: ExitRule


@dataclass(frozen=True)
class CheckpointExits:
    """What a folder says of its exits; `arrays` as `EncoderWeights.arrays` names them."""

    saved: SavedExits
    arrays: Mapping[str, npt.NDArray[np.float32]]
