"""Input arrays of a peer and its finished output, made alike for all peers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.data.tokenizing import Encoding
from edge_bert.evaluate.outputs import finish_outputs
from edge_bert.records.checkpoint import FloatArray, Head, Pooling, Task

InputArrays = dict[str, npt.NDArray[Any]]


def make_int64_inputs(sentence: Encoding, names: Iterable[str]) -> InputArrays:
    """A sentence as int64 `[1, tokens]` under the names of the inputs, without padding."""
    ids = np.asarray([sentence.ids], np.int64)
    types = np.asarray([sentence.type_ids], np.int64)
    arrays = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": types}
    return {name: arrays[name] for name in names}


def finish_output(output: npt.NDArray[Any], head: Head) -> FloatArray:
    """The embedding or the probabilities `[width]` from `[1, tokens, hidden]` or `[1, labels]`.

    No token is padding here, so the mean is over all of them.
    """
    if head.task is Task.CLASSIFICATION:
        values = output
    else:
        values = output.mean(axis=1) if head.poolings == (Pooling.MEAN,) else output[:, 0]
    return np.asarray(finish_outputs(np.asarray(values, np.float32), head)[0], np.float32)
