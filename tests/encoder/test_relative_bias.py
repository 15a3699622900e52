"""The relative position bias: transformers' buckets, and what a table gives for a length."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.encoder.relative_bias import BUCKETS, bucket_matrix, distance_buckets, relative_bias


def test_near_distances_have_a_bucket_each_and_far_ones_share() -> None:
    """The rule of T5: eight exact, eight on a logarithmic scale, the same for the other side."""
    buckets = dict(zip(range(-511, 512), distance_buckets(512).tolist(), strict=True))
    assert [buckets[-n] for n in range(8)] == list(range(8))
    assert [buckets[-n] for n in (8, 11, 12, 15, 16, 127, 128, 511)] == [8, 8, 9, 9, 10, 15, 15, 15]
    assert all(buckets[n] == buckets[-n] + BUCKETS // 2 for n in range(1, 512))


def test_buckets_are_those_of_transformers() -> None:
    """Every distance up to 4095, those on the edge of two buckets too."""
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    distances = torch.arange(-4095, 4096)
    expected = MPNetEncoder.relative_position_bucket(distances, num_buckets=BUCKETS)
    np.testing.assert_array_equal(distance_buckets(4096), expected.numpy())


def test_a_shorter_length_is_a_corner_of_a_longer_one() -> None:
    """Only distance counts."""
    np.testing.assert_array_equal(bucket_matrix(128)[:16, :16], bucket_matrix(16))


def test_each_head_has_its_own_column() -> None:
    """[heads, tokens that read, tokens that are read]."""
    table = np.arange(BUCKETS * 2, dtype=np.float32).reshape(BUCKETS, 2)
    bias = relative_bias(table, 5)
    assert bias.shape == (2, 5, 5)
    assert bias[1, 3, 1] == table[2, 1]  # two tokens back
    assert bias[0, 1, 3] == table[2 + BUCKETS // 2, 0]  # two tokens ahead
