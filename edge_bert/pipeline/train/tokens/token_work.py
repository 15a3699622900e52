"""What cuts of tokens leave of a model's multiply-adds."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from edge_bert.encoder.config import EncoderConfig
from edge_bert.estimate.macs import count_macs
from edge_bert.records.recipe import FLOAT32
from edge_bert.records.token_cuts import LengthWork

LENGTHS = (16, 32, 64, 128)  # those of `invoke build`


def list_work(config: EncoderConfig) -> tuple[LengthWork, ...]:
    """The work in each of the usual length buckets that a model has positions for."""
    longest = config.positions - config.position_offset
    lengths = [length for length in LENGTHS if length <= longest] or [longest]
    return tuple(count_work(config, length) for length in lengths)


def share_unpadded(config: EncoderConfig, lengths: npt.NDArray[np.int64]) -> float:
    """The share of the work that is left for texts of these lengths in tokens, none padded."""
    values, counts = np.unique(lengths, return_counts=True)
    works = [count_work(config, int(length)) for length in values]
    whole = sum(work.whole * int(count) for work, count in zip(works, counts, strict=True))
    left = sum(work.left * int(count) for work, count in zip(works, counts, strict=True))
    return left / whole


def count_work(config: EncoderConfig, length: int) -> LengthWork:
    """The multiply-adds of a text of `length` tokens with the cuts of `config` and without."""
    whole = dataclasses.replace(config, cuts=())
    whole_macs, left = (count_macs(each, FLOAT32, length).float32 for each in (whole, config))
    return LengthWork(length, whole_macs, left)
