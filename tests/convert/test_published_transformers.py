"""Transformers of the published table, by their sizes; their conversion is `invoke validate`'s."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.convert.published_transformers import TRANSFORMERS, build_published_transformer
from edge_bert.errors import InputError
from edge_bert.estimate import validation
from edge_bert.pipeline.bench.validate_cost_model import load_published_profile
from edge_bert.records.checkpoint import FloatArray

# transformers' counts, that of MiniLM without the pooler that sentence-transformers does not use.
PARAMETERS = {"MobileBERT": 24_581_888, "MiniLM-L6": 22_713_216 - 384 * 385}


def zeros(*shape: int) -> FloatArray:
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_they_have_the_parameters_of_the_published_ones(name: str) -> None:
    """Every table, matrix, bias and norm is there, each once."""
    arrays = TRANSFORMERS[name](zeros).arrays
    assert sum(array.size for array in arrays.values()) == PARAMETERS[name]


def test_every_published_row_can_be_rebuilt() -> None:
    """Each transformer of the table is known, each device has a profile with the row's cores."""
    assert set(validation.TRANSFORMERS) == set(TRANSFORMERS)
    for row in validation.published_latencies():
        profile = load_published_profile(row)
        assert row.core.lower() == profile.clusters[0].core
        assert row.ghz == pytest.approx(profile.clusters[0].max_mhz / 1000, abs=0.05)
        assert row.threads <= sum(cluster.cores for cluster in profile.clusters)


def test_an_unknown_one_is_refused_by_name() -> None:
    """The message lists those that there are."""
    with pytest.raises(InputError, match=r"GPT-5.*MobileBERT"):
        build_published_transformer("GPT-5", 16)
