"""`edge_bert.json`: what a model folder of ours says that config.json has no words for."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edge_bert.records.base import Record

FORMAT_VERSION = 1
Size = Annotated[int, msgspec.Meta(ge=1, lt=2**24)]
SavedTask = Literal["embedding", "classification", "token_classification", "question_answering"]


class SavedModel(Record, frozen=True):
    """The structure of a pruned encoder, and a classifier that transformers has no class for.

    `architecture` is the model type whose names the weights have. `heads` and `ffn` hold, for every
    layer, its attention heads of `head_size` channels and its feed-forward neurons. `task` and
    `activation` are the head's, whose layers modules.json lists; a head on tokens has one, which
    has transformers' name.
    """

    format_version: int
    architecture: str
    head_size: Size
    heads: tuple[Size, ...]
    ffn: tuple[Size, ...]
    task: SavedTask
    labels: tuple[str, ...] = ()
    activation: str = "identity"
