"""What cores get from main memory."""

from __future__ import annotations

from statistics import median

import msgspec
import pytest

from edge_bert import profiles
from edge_bert.estimate import cache_lines, core_model
from edge_bert.estimate.cache_lines import SHARE_OF_PEAK, core_stream, memory_stream
from edge_bert.records.profile import Memory

BOARDS = msgspec.toml.decode((core_model.CORES.parent / "stream.toml").read_bytes())["boards"]


def test_the_share_of_the_peak_is_the_median_of_the_boards() -> None:
    """Of those whose memory was the limit; each has its source."""
    shares = [x["gb_per_s"] / x["peak"] for x in BOARDS if x["limit"] == "memory"]
    assert median(shares) == pytest.approx(SHARE_OF_PEAK, abs=0.005)
    assert all(board["source"] and board["limit"] in ("memory", "core") for board in BOARDS)


def test_a_core_is_rated_by_the_most_that_was_seen() -> None:
    """No board beats its core's row, and a row with boards has the best of them."""
    for core in {board["core"] for board in BOARDS} - {"cortex-a78"}:
        best = max(board["gb_per_s"] for board in BOARDS if board["core"] == core)
        assert core_model.core_model(core).dram_gb_per_s == best


def test_one_core_gets_the_lesser_of_its_own_and_the_memorys() -> None:
    """A board's own measurement goes before a share of the peak; without either, the core's."""
    core = core_model.core_model("cortex-a72")
    pi = profiles.load_profile("raspberry-pi-4").memory
    assert core_stream(core, pi) == memory_stream(pi) == 5.2
    assert core_stream(core, Memory("test", dram_gb_per_s=100.0)) == core.dram_gb_per_s
    assert memory_stream(Memory("test", dram_gb_per_s=10.0)) == pytest.approx(6.3)
    assert core_stream(core, None) == core.dram_gb_per_s
    cluster = profiles.load_profile("raspberry-pi-4").clusters[0]
    cost = cache_lines.line_cycles(cluster, pi, "middle")
    assert cost.l2 < cost.system < cost.dram == pytest.approx(64 * 1800 / 5200)
