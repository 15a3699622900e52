"""An emulated ARM64 phone under QEMU's user mode: instructions are counted, times mean nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge_bert.devices.device import CompletedCommand
from edge_bert.devices.emulator import arm64_root, cpu_files, qemu_plugin
from edge_bert.devices.emulator.host_tools import QEMU, qemu_version, require_program
from edge_bert.devices.emulator.qemu_plugin import PluginOutput
from edge_bert.devices.host import HostDevice
from edge_bert.errors import DeviceError
from edge_bert.estimate.core_caches import cache_sizes
from edge_bert.records.measurement import DeviceDescription, Evidence
from edge_bert.records.profile import DeviceProfile
from edge_bert.store.scratch import scratch_folder

ELF_MAGIC = b"\x7fELF"
ELF_MACHINE_ARM64 = 183
# A fixed environment and fixed addresses: the same program takes the same path on every run.
ENVIRONMENT = ("LC_ALL=C", "PATH=/usr/bin:/bin", "HOME=/")
CacheModel = Literal["on", "marked", "off"]


@dataclass(frozen=True)
class CountedRun:
    """A command that ended, and the instructions that it executed."""

    completed: CompletedCommand
    counts: PluginOutput


class EmulatedDevice:
    """A phone of `profile` whose programs run on its `core` cluster (default: the fastest)."""

    def __init__(self, profile: DeviceProfile, core: str | None = None) -> None:
        self._profile = profile
        self._cluster = cpu_files.find_cluster(profile, core)
        name = cpu_files.name_cluster(profile, self._cluster)
        self._clusters = cpu_files.order_clusters(profile, name)
        self._version = qemu_version()
        self._root = arm64_root.prepare_root(profile, name)
        self._host = HostDevice()

    def push(self, local: Path, name: str) -> str:
        """Copy `local` to where emulated programs see it, verified; the path there."""
        return self._host.push(local, name)

    def run(self, argv: Sequence[str], timeout_s: float) -> CompletedCommand:
        """Run a pushed ARM64 program to its end, without counting."""
        return self._run([], argv, timeout_s)

    def run_counted(
        self,
        argv: Sequence[str],
        timeout_s: float,
        *,
        threads: int = 1,
        caches: CacheModel = "marked",
        sharers: int = 1,
    ) -> CountedRun:
        """Run a pushed ARM64 program and count what it executes.

        `threads` says how many the program uses: with one, counts are the same on every run.
        `caches` says when data caches are modelled: always, inside marked repetitions, never;
        the program has its part of a level 2 that so many `sharers` use.
        Raises DeviceError when the program ends so early that nothing was counted.
        """
        with scratch_folder("counts") as folder:
            output = folder / "counts.json"
            plugin = qemu_plugin.plugin_option(
                qemu_plugin.build_plugin(),
                output,
                cache_sizes(self._cluster, self._profile.memory, sharers),
                model_caches=caches,
                threads=threads,
            )
            completed = self._run(["-plugin", plugin], argv, timeout_s)
            return CountedRun(completed, qemu_plugin.read_counts(output, completed))

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file that an emulated program wrote; `local` appears whole or not at all."""
        self._host.pull(remote, local)

    def describe(self) -> DeviceDescription:
        """The phone as its emulated programs see it."""
        return DeviceDescription(
            evidence=Evidence.EMULATED,
            name=self._profile.name,
            abi=self._profile.abi,
            system=f"QEMU {self._version} in user mode",
            cores=sum(cluster.cores for cluster in self._clusters),
            features=cpu_files.linux_features(self._clusters),
            properties={
                "core": self._cluster.core,
                "qemu_cpu": cpu_files.choose_qemu_cpu(self._clusters),
                "soc": self._profile.soc,
            },
        )

    def close(self) -> None:
        """Remove what was pushed. May be called twice."""
        self._host.close()

    def _run(
        self, options: Sequence[str], argv: Sequence[str], timeout_s: float
    ) -> CompletedCommand:
        _check_program(Path(argv[0]))
        command = [require_program("env"), "-i", *ENVIRONMENT, require_program("setarch"), "-R"]
        command += _pin_to_cpus(self._cluster.cores)
        command += [require_program(QEMU), "-cpu", cpu_files.choose_qemu_cpu(self._clusters)]
        command += ["-L", str(self._root), *options, *argv]
        return self._host.run(command, timeout_s)


def _pin_to_cpus(cores: int) -> list[str]:
    """`taskset` for CPUs whose numbers the cluster has: those that this process may run on, else
    those that this machine has; nothing where it runs on no others.

    The runtime asks for the number of the CPU that it runs on and chooses kernels for that core. A
    container that is kept off them makes `taskset` fail: other cores' kernels must not be counted.
    """
    allowed, numbers = os.sched_getaffinity(0), set(range(cores))
    if allowed <= numbers:
        return []
    shared = allowed & numbers or numbers & set(range(os.cpu_count() or 1))
    return [require_program("taskset"), "--cpu-list", ",".join(map(str, sorted(shared)))]


def _check_program(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(20)
    except OSError as error:
        raise DeviceError(f"Cannot read the program {path}: {error.strerror}.") from error
    if head[:4] != ELF_MAGIC or int.from_bytes(head[18:20], "little") != ELF_MACHINE_ARM64:
        raise DeviceError(f"{path.name} is not an ARM64 program; build it for arm64.")
    if not os.access(path, os.X_OK):
        raise DeviceError(f"{path.name} is not executable; `chmod 755` it before the push.")
