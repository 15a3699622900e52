"""What a phone's kernel reports of its cores: `/proc/cpuinfo`, sysfs and the QEMU model for it.

The runtime inside LiteRT (pytorch/cpuinfo) chooses kernels from these files and from the hardware
capabilities that the CPU model of QEMU announces, so both must describe the same cores.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.errors import ProfileError
from edge_bert.records.profile import SME_CORES, Cluster, DeviceProfile

# Part numbers of implementer 0x41 (Arm), from the MIDR_EL1 descriptions in Arm's manuals; from the
# Cortex-X925 on as Linux (arch/arm64/include/asm/cputype.h) and util-linux (lscpu-arm.c) have them.
PARTS = {
    "cortex-a53": 0xD03,
    "cortex-a55": 0xD05,
    "cortex-a57": 0xD07,
    "cortex-a72": 0xD08,
    "cortex-a73": 0xD09,
    "cortex-a75": 0xD0A,
    "cortex-a76": 0xD0B,
    "cortex-a77": 0xD0D,
    "cortex-a78": 0xD41,
    "cortex-x1": 0xD44,
    "cortex-a510": 0xD46,
    "cortex-a710": 0xD47,
    "cortex-x2": 0xD48,
    "cortex-a715": 0xD4D,
    "cortex-x3": 0xD4E,
    "cortex-a520": 0xD80,
    "cortex-a720": 0xD81,
    "cortex-x4": 0xD82,
    "cortex-x925": 0xD85,
    "cortex-a725": 0xD87,
    "c1-nano": 0xD8A,
    "c1-pro": 0xD8B,
    "c1-ultra": 0xD8C,
    "c1-premium": 0xD90,
}
ARM, QUALCOMM = 0x41, 0x51
# Part numbers of implementer 0x51, as pytorch/cpuinfo knows them (src/arm/midr.h, Kryo Gold), and
# those of Snapdragon 8 Elite and 8 Elite Gen 5 (hrw/arm-socs-table issues 115 and 149).
QUALCOMM_PARTS = {"kryo": 0x205, "oryon": 0x001, "oryon-3": 0x002}
# Cores that only the variant tells from others of their part: by part and variant. The slower ones
# of a Snapdragon 8 Elite have half of the vector units (pytorch/cpuinfo pull request 357).
QUALCOMM_VARIANTS = {"oryon": (0x001, 3), "oryon-m": (0x001, 4)}
# The variant from which pytorch/cpuinfo takes dot products for granted, whatever the kernel says.
# Qualcomm's cores of that family have none: they get variant 0.
DOTPROD_SINCE = {"cortex-a55": 1, "cortex-a75": 2}
# What Linux calls the features, in the order of its own table.
BASE_FEATURES = ("fp", "asimd", "evtstrm", "aes", "pmull", "sha1", "sha2", "crc32")
ARMV8_2_FEATURES = ("atomics", "fphp", "asimdhp", "cpuid", "asimdrdm", "lrcpc", "dcpop", "asimddp")
ARMV8_6_FEATURES = ("i8mm", "bf16")
# QEMU 7.2's `max` has more than the phones: without SVE, SME and pointer signing it is an
# Armv8.2 core with dot products, i8mm and bf16.
MAX_WITHOUT_EXTRAS = "max,sve=off,sme=off,pauth=off,lpa2=off"
LOWEST_MHZ = 300


def order_clusters(profile: DeviceProfile, core: str | None = None) -> tuple[Cluster, ...]:
    """The clusters as they are numbered: slowest first, but `core`, where given, before all.

    A program that asks which CPU it runs on gets the number of a CPU of this machine, which is a
    low one; so the cluster to be emulated must hold the lowest numbers.
    """
    clusters = sorted(profile.clusters, key=lambda cluster: cluster.max_mhz)
    if core is None:
        return tuple(clusters)
    cluster = find_cluster(profile, core)
    return (cluster, *(rest for rest in clusters if rest is not cluster))


def find_cluster(profile: DeviceProfile, core: str | None) -> Cluster:
    """The fastest cluster of this kind of core; of all kinds when `core` is None.

    A slower one of a kind has its clock in its name: `cortex-a76@2419`.
    """
    named = [
        cluster
        for cluster in profile.clusters
        if core in (None, cluster.core, f"{cluster.core}@{cluster.max_mhz}")
    ]
    if not named:
        cores = ", ".join(name_cluster(profile, cluster) for cluster in profile.clusters)
        raise ProfileError(f"{profile.name} has no {core} cores; it has {cores}.")
    return max(named, key=lambda cluster: cluster.max_mhz)


def name_cluster(profile: DeviceProfile, cluster: Cluster) -> str:
    """The name by which `find_cluster` gives this cluster."""
    fastest = find_cluster(profile, cluster.core) is cluster
    return cluster.core if fastest else f"{cluster.core}@{cluster.max_mhz}"


def other_clusters(profile: DeviceProfile, cluster: Cluster) -> tuple[Cluster, ...]:
    """The profile's clusters but this one."""
    return tuple(other for other in profile.clusters if other is not cluster)


def choose_qemu_cpu(clusters: Sequence[Cluster]) -> str:
    """The model of QEMU 7.2 with what every cluster has and, where it can be, nothing more."""
    common = set.intersection(*(set(cluster.features) for cluster in clusters))
    if "i8mm" in common:
        return MAX_WITHOUT_EXTRAS
    if "dotprod" in common:
        return "cortex-a76"
    cores = {cluster.core for cluster in clusters}
    return "cortex-a53" if cores == {"cortex-a53"} else "cortex-a72"


def linux_features(clusters: Sequence[Cluster]) -> tuple[str, ...]:
    """The features that the emulated kernel reports, by Linux's names for them."""
    model = choose_qemu_cpu(clusters)
    if model == MAX_WITHOUT_EXTRAS:
        return BASE_FEATURES + ARMV8_2_FEATURES + ARMV8_6_FEATURES
    return BASE_FEATURES + (ARMV8_2_FEATURES if model == "cortex-a76" else ("cpuid",))


def format_cpuinfo(profile: DeviceProfile, clusters: Sequence[Cluster]) -> str:
    """`/proc/cpuinfo` in the form that arm64 Linux gives it."""
    features = " ".join(linux_features(clusters))
    by_cpu = [cluster for cluster in clusters for _ in range(cluster.cores)]
    blocks = [_format_cpu(number, cluster, features) for number, cluster in enumerate(by_cpu)]
    return "".join(blocks) + f"Hardware\t: {profile.soc}\n"


def sysfs_files(clusters: Sequence[Cluster]) -> dict[str, str]:
    """Files under `/sys/devices/system/cpu`, by their path below it."""
    count = sum(cluster.cores for cluster in clusters)
    all_cpus = f"0-{count - 1}" if count > 1 else "0"
    files = {"kernel_max": f"{max(7, count - 1)}\n"}
    files |= dict.fromkeys(("possible", "present", "online"), f"{all_cpus}\n")
    first = 0
    for package, cluster in enumerate(clusters):
        files |= _cluster_files(package, cluster, first)
        first += cluster.cores
    return files


def midr_value(core: str, variant: int = 1) -> int:
    """The value of MIDR_EL1: architecture by feature register, patch 0.

    Raises ProfileError for a core that is not known here or that cannot be emulated.
    """
    if core in SME_CORES:
        raise ProfileError(
            f"Phones with {core} cores take kernels with SME2, which QEMU 7.2 cannot run, so they "
            "are not emulated; measure on the phone."
        )
    qualcomm = QUALCOMM_PARTS | {name: part for name, (part, _) in QUALCOMM_VARIANTS.items()}
    implementer = QUALCOMM if core in qualcomm else ARM
    part = (PARTS | qualcomm).get(core)
    if part is None:
        raise ProfileError(f"No part number is known for the core {core!r}; cannot emulate it.")
    return implementer << 24 | variant << 20 | 0xF << 16 | part << 4


def cluster_midr(cluster: Cluster) -> int:
    """MIDR_EL1 of a cluster's cores, with a variant that has the cluster's dot products."""
    if cluster.core in QUALCOMM_VARIANTS:
        return midr_value(cluster.core, QUALCOMM_VARIANTS[cluster.core][1])
    since = DOTPROD_SINCE.get(cluster.core)
    if since is None:
        return midr_value(cluster.core)
    return midr_value(cluster.core, since if "dotprod" in cluster.features else 0)


def _format_cpu(number: int, cluster: Cluster, features: str) -> str:
    value = cluster_midr(cluster)
    return (
        f"processor\t: {number}\nBogoMIPS\t: 38.40\nFeatures\t: {features}\n"
        f"CPU implementer\t: {value >> 24:#04x}\nCPU architecture: 8\n"
        f"CPU variant\t: {value >> 20 & 0xF:#x}\nCPU part\t: {value >> 4 & 0xFFF:#05x}\n"
        f"CPU revision\t: {value & 0xF}\n\n"
    )


def _cluster_files(package: int, cluster: Cluster, first: int) -> dict[str, str]:
    numbers = range(first, first + cluster.cores)
    siblings = f"{first}-{numbers[-1]}" if cluster.cores > 1 else f"{first}"
    policy = _frequency_files(cluster)
    files = {f"cpufreq/policy{first}/{name}": text for name, text in policy.items()}
    files[f"cpufreq/policy{first}/related_cpus"] = " ".join(map(str, numbers)) + "\n"
    for core_id, number in enumerate(numbers):
        files |= {f"cpu{number}/cpufreq/{name}": text for name, text in policy.items()}
        files |= {
            f"cpu{number}/topology/physical_package_id": f"{package}\n",
            f"cpu{number}/topology/core_id": f"{core_id}\n",
            f"cpu{number}/topology/core_siblings_list": f"{siblings}\n",
            f"cpu{number}/topology/core_siblings": f"{sum(1 << n for n in numbers):02x}\n",
            f"cpu{number}/topology/thread_siblings_list": f"{number}\n",
            f"cpu{number}/topology/thread_siblings": f"{1 << number:02x}\n",
            f"cpu{number}/regs/identification/midr_el1": f"{cluster_midr(cluster):#018x}\n",
            f"cpu{number}/online": "1\n",
        }
    return files


def _frequency_files(cluster: Cluster) -> dict[str, str]:
    """Frequencies in kHz: an emulated phone is cool and runs at its top clock."""
    top = f"{cluster.max_mhz * 1000}\n"
    low = f"{min(LOWEST_MHZ, cluster.max_mhz) * 1000}\n"
    return {
        "cpuinfo_max_freq": top,
        "cpuinfo_min_freq": low,
        "scaling_max_freq": top,
        "scaling_min_freq": low,
        "scaling_cur_freq": top,
        "scaling_governor": "schedutil\n",
    }
