"""Cache sizes that a profile does not know."""

from __future__ import annotations

import msgspec
import pytest

from edge_bert import profiles
from edge_bert.estimate import core_caches, core_model
from edge_bert.estimate.core_caches import CacheSizes, CoreCaches, cache_sizes
from edge_bert.estimate.thread_team import count_sharers
from edge_bert.records.profile import Caches, Cluster, Memory

TABLE = msgspec.toml.decode(core_caches.CORE_CACHES.read_bytes(), type=dict[str, CoreCaches])
KB, MB = 1024, 1024**2


def cluster(core: str, **caches: int) -> Cluster:
    sizes = Caches(source="test", **caches) if caches else None
    return Cluster(core=core, cores=1, max_mhz=3000, source="test", caches=sizes)


def test_every_core_of_the_cost_model_has_its_sizes() -> None:
    """With a source, and a level 3 cache exactly where the cost model has a rate for one."""
    rates = {name: core_model.core_model(name) for name in TABLE}
    assert sorted(TABLE) == sorted(msgspec.toml.decode(core_model.CORES.read_bytes()))
    for name, caches in TABLE.items():
        assert caches.source
        assert bool(caches.l3_kb) == bool(rates[name].l3_bytes), name


def test_a_cortex_x4_has_no_256_kb() -> None:
    """Its level 2 is 512 KB to 2 MB, and 1 MB where nobody knows; level 1 is fixed."""
    sizes = cache_sizes(
        cluster("cortex-x4", l3_bytes=4 * MB), Memory("test", system_cache_bytes=8 * MB)
    )
    assert sizes.usual == {"l1d": 64 * KB, "l2": MB, "l3": 4 * MB, "system": 8 * MB}
    assert (sizes.smallest["l2"], sizes.largest["l2"]) == (512 * KB, 2 * MB)
    assert "l3" not in sizes.smallest


def test_known_sizes_need_no_bracket() -> None:
    """Every size of a Cortex-A72 in a profile; then one that no table knows, with defaults."""
    known = cache_sizes(cluster("cortex-a72", l1d_bytes=32 * KB, l2_bytes=MB))
    assert known == CacheSizes({"l1d": 32 * KB, "l2": MB, "l3": 0, "system": 0}, {}, {})
    strange = cache_sizes(cluster("unknown-41-d8f"))
    assert strange == CacheSizes({"l1d": 32 * KB, "l2": 256 * KB, "l3": 0, "system": 0}, {}, {})


def test_threads_of_a_cluster_have_their_part_of_a_shared_level_2() -> None:
    """Four Cortex-A72 share one, from an equal part to all of it; Cortex-A76 have one each."""
    pi = msgspec.structs.replace(cluster("cortex-a72", l2_bytes=MB), cores=4)
    assert [count_sharers(pi, threads) for threads in (1, 2, 4, 6)] == [1, 2, 4, 4]
    assert count_sharers(msgspec.structs.replace(cluster("cortex-a76"), cores=4), 4) == 1
    sizes = cache_sizes(pi, None, 4)
    ends = [sizes.smallest["l2"], sizes.usual["l2"], sizes.largest["l2"]]
    assert ends == [256 * KB, 512 * KB, MB]
    unknown, alone = cache_sizes(cluster("cortex-a73"), None, 4), cache_sizes(cluster("cortex-a73"))
    assert unknown.smallest["l2"] == alone.smallest["l2"] // 4
    assert unknown.largest == alone.largest
    assert unknown.usual["l1d"] == alone.usual["l1d"]


@pytest.mark.parametrize("name", profiles.profile_names(profiles.PROFILE_FOLDER))
def test_sizes_of_profiles_are_ones_that_cores_have(name: str) -> None:
    """A known size lies in its core's range, so that the range would have held it."""
    for each in profiles.load_profile(name).clusters:
        sizes = cache_sizes(each).usual
        for level, choices in TABLE[each.core].by_level().items():
            if choices:
                assert choices[0] * KB <= sizes[level] <= choices[-1] * KB, (each.core, level)


def test_sizes_that_do_not_rise_are_refused() -> None:
    """The table's middle and ends are by position."""
    with pytest.raises(ValueError, match="rise"):
        CoreCaches(l1d_kb=(64, 32), l2_kb=(256,), l3_kb=(), source="test")
