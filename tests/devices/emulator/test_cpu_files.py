"""What an emulated phone says about its cores."""

from __future__ import annotations

import pytest

from edge_bert import profiles
from edge_bert.devices.adb.device_facts import parse_cpuinfo
from edge_bert.devices.emulator import cpu_files
from edge_bert.errors import InputError, ProfileError
from edge_bert.estimate.core_model import core_model
from edge_bert.records.profile import SME_CORES, Cluster, DeviceProfile

NAMES = profiles.profile_names(profiles.PROFILE_FOLDER)


def cluster(core: str, cores: int = 2, mhz: int = 2000, *features: str) -> Cluster:
    return Cluster(core=core, cores=cores, max_mhz=mhz, source="test", features=features)


@pytest.mark.parametrize("name", NAMES)
def test_every_profile_can_be_emulated(name: str) -> None:
    """Each core of the profiles has a part number, and each CPU its block and its files."""
    profile = profiles.load_profile(name)
    clusters = cpu_files.order_clusters(profile)
    count = sum(cluster.cores for cluster in clusters)
    text = cpu_files.format_cpuinfo(profile, clusters)
    files = cpu_files.sysfs_files(clusters)
    assert text.count("processor\t:") == count
    assert files["possible"] == f"0-{count - 1}\n"
    assert all(f"cpu{number}/cpufreq/cpuinfo_max_freq" in files for number in range(count))
    assert f"cpu{count}/online" not in files
    assert cpu_files.choose_qemu_cpu(clusters)


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("pixel-9", "max"),
        ("galaxy-s25", "max"),
        ("pixel-8", "max"),  # i8mm, though its kernel shows no bf16
        ("pixel-6", "cortex-a76"),
        ("raspberry-pi-5", "cortex-a76"),
        ("pixel-3a", "cortex-a72"),
        ("redmi-note-11", "cortex-a72"),
        ("wear-watch", "cortex-a53"),
        ("redmi-4x", "cortex-a53"),
        ("android-low-end", "cortex-a76"),  # dot products
    ],
)
def test_each_class_of_device_gets_its_own_processor(name: str, model: str) -> None:
    """Matrix products, dot products, neither of them, and little cores alone."""
    found = cpu_files.choose_qemu_cpu(profiles.load_profile(name).clusters)
    assert found.partition(",")[0] == model


def test_clusters_are_numbered_slowest_first_unless_chosen() -> None:
    """Phones number little cores first; a chosen cluster gets the lowest numbers."""
    profile = profiles.load_profile("pixel-9")
    cores = [cluster.core for cluster in cpu_files.order_clusters(profile)]
    assert cores == ["cortex-a520", "cortex-a720", "cortex-x4"]
    cores = [cluster.core for cluster in cpu_files.order_clusters(profile, "cortex-a720")]
    assert cores == ["cortex-a720", "cortex-a520", "cortex-x4"]


@pytest.mark.parametrize(
    ("clusters", "model"),
    [
        ([cluster("cortex-x4", 1, 3000, "dotprod", "i8mm")], "max,sve=off"),
        ([cluster("cortex-a76", 1, 3000, "dotprod")], "cortex-a76"),
        # One cluster without a feature takes it from all: Linux reports what every core has.
        ([cluster("cortex-a75", 1, 3000, "dotprod"), cluster("cortex-a53")], "cortex-a72"),
        ([cluster("cortex-a73")], "cortex-a72"),
        ([cluster("cortex-a53")], "cortex-a53"),
    ],
)
def test_qemu_gets_what_all_clusters_have(clusters: list[Cluster], model: str) -> None:
    """The model of QEMU has every feature that the whole phone has, and no dot product more."""
    assert cpu_files.choose_qemu_cpu(clusters).startswith(model)
    dot_product = model in ("max,sve=off", "cortex-a76")
    assert ("asimddp" in cpu_files.linux_features(clusters)) is dot_product


def test_midr_is_arms() -> None:
    """Implementer, part and architecture stand where MIDR_EL1 has them."""
    assert cpu_files.midr_value("cortex-a76") == 0x411FD0B0


def test_an_unknown_core_is_an_error() -> None:
    """A core without a part number cannot be described."""
    with pytest.raises(ProfileError, match="cortex-a99"):
        cpu_files.midr_value("cortex-a99")


@pytest.mark.parametrize("core", sorted(SME_CORES))
def test_a_core_with_sme_is_refused_with_the_reason(core: str) -> None:
    """It has a part number, so that a phone's facts name it; its kernels cannot be run here."""
    assert core in cpu_files.PARTS | cpu_files.QUALCOMM_PARTS
    with pytest.raises(ProfileError, match=f"{core} cores take kernels with SME2"):
        cpu_files.format_cpuinfo(profiles.load_profile("pixel-9"), [cluster(core)])
    with pytest.raises(InputError, match=f"no rates for '{core}'.*SME2"):
        core_model(core)


def test_what_an_emulated_phone_says_names_its_own_cores() -> None:
    """Part and variant of each shipped core are read back as that core."""
    for name in NAMES:
        profile = profiles.load_profile(name)
        clusters = cpu_files.order_clusters(profile)
        cores = parse_cpuinfo(cpu_files.format_cpuinfo(profile, clusters)).cores
        assert list(cores.values()) == [each.core for each in clusters for _ in range(each.cores)]


def test_sysfs_tells_clusters_apart() -> None:
    """Siblings, packages, masks and policies follow the clusters."""
    files = cpu_files.sysfs_files([cluster("cortex-a55", 6, 1708), cluster("cortex-a75", 2, 2016)])
    assert files["cpu5/topology/core_siblings_list"] == "0-5\n"
    assert files["cpu6/topology/core_siblings"] == "c0\n"
    assert files["cpu6/topology/physical_package_id"] == "1\n"
    assert files["cpu7/cpufreq/cpuinfo_max_freq"] == "2016000\n"
    assert files["cpufreq/policy6/related_cpus"] == "6 7\n"
    assert files["cpufreq/policy0/scaling_max_freq"] == "1708000\n"


def test_a_single_core_has_plain_lists() -> None:
    """One CPU is written as a number, not as a range."""
    files = cpu_files.sysfs_files([cluster("cortex-a53", 1)])
    assert (files["possible"], files["cpu0/topology/core_siblings_list"]) == ("0\n", "0\n")


def test_find_takes_the_fastest() -> None:
    """Without a name the fastest cluster is meant; of equal cores too."""
    slow, fast = cluster("cortex-a76", 3, 2419), cluster("cortex-a76", 1, 2842)
    profile = profiles.load_profile("pixel-9")
    both = DeviceProfile(
        **{name: getattr(profile, name) for name in profile.__struct_fields__}
        | {"clusters": (slow, fast)}
    )
    assert cpu_files.find_cluster(both, None) is fast
    assert cpu_files.find_cluster(both, "cortex-a76") is fast


def test_a_slower_cluster_of_a_kind_is_found_by_its_clock() -> None:
    """The name of each cluster leads back to it, and its CPUs come first where it is emulated."""
    profile = profiles.load_profile("pixel-4")
    names = [cpu_files.name_cluster(profile, cluster) for cluster in profile.clusters]
    assert names == ["cortex-a76", "cortex-a76@2419", "cortex-a55"]
    clusters = [cpu_files.find_cluster(profile, name) for name in names]
    assert clusters == list(profile.clusters)
    assert cpu_files.order_clusters(profile, names[1])[0] is profile.clusters[1]
    with pytest.raises(ProfileError, match="it has cortex-a76, cortex-a76@2419, cortex-a55"):
        cpu_files.find_cluster(profile, "cortex-a76@2000")
