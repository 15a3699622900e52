"""Weights on the way of a run, in a file with what is known of them and the SHA-256 of both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from edge_bert.compress.train.snapshots import read_arrays, write_arrays
from edge_bert.encoder.replace_arrays import replace_arrays
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError
from edge_bert.text import one_line

Facts = TypeVar("Facts", bound=msgspec.Struct)
FACTS = "facts"


def write_stored(
    path: Path, weights: EncoderWeights, template: EncoderWeights, facts: msgspec.Struct
) -> None:
    """Keep the arrays that are not those of `template`, an encoder with as many layers.

    Raises InputError where the disk is full or not writable.
    """
    known = template.arrays
    arrays = {
        name: array
        for name, array in weights.arrays.items()
        if not np.array_equal(array, known[name])
    }
    write_arrays(path, arrays, {FACTS: msgspec.json.encode(facts).decode()})


def read_stored(
    path: Path, choose_template: Callable[[Facts], EncoderWeights], kind: type[Facts]
) -> tuple[EncoderWeights, Facts] | None:
    """What `write_stored` kept; None where there is no file.

    `choose_template` gives the encoder that the weights were written beside, by their facts.

    Raises InputError for a file that is damaged.
    """
    if not path.is_file():
        return None
    arrays, metadata = read_arrays(path)
    try:
        facts = msgspec.json.decode(metadata[FACTS], type=kind)
    except (KeyError, msgspec.MsgspecError) as error:
        raise InputError(
            f"{path} is damaged ({one_line(error)}); delete it to make it again."
        ) from error
    replaced = replace_arrays(choose_template(facts), arrays)
    return replaced.with_layers(replaced.layers), facts
