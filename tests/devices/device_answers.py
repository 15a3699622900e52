"""What phones answer to the commands that a profile is read with, in the form of public dumps.

Core parts and features are those that hrw/arm-socs-table shows: issue 99 (Pixel 8 Pro), issue 117
(Redmi 4X), issue 144 (Alcatel Idol 4, an old kernel). Clocks are the profiles'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_bert.devices.adb.device_facts import SYSFS
from edge_bert.devices.device import CompletedCommand
from edge_bert.records.measurement import DeviceDescription

OLD_FEATURES = "fp asimd evtstrm aes pmull sha1 sha2 crc32"
V8_FEATURES = f"{OLD_FEATURES} atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
G3_FEATURES = f"{V8_FEATURES} sha3 sm3 sm4 sha512 sve asimdfhm sve2 svei8mm svebf16 i8mm bti mte"


def block(number: int, part: str, features: str, implementer: str = "0x41") -> str:
    return (
        f"processor\t: {number}\nBogoMIPS\t: 49.15\nFeatures\t: {features}\n"
        f"CPU implementer\t: {implementer}\nCPU architecture: 8\nCPU variant\t: 0x1\n"
        f"CPU part\t: {part}\nCPU revision\t: 1\n\n"
    )


def properties(**values: str) -> str:
    named = {"ro.product.cpu.abi": "arm64-v8a", "ro.build.version.release": "15"}
    named |= {name.replace("_", "."): value for name, value in values.items()}
    return "".join(f"[{name}]: [{value}]\n" for name, value in sorted(named.items()))


def policies(*groups: tuple[Sequence[int], int]) -> str:
    """cpufreq's files for groups of CPUs with a top clock in kHz."""
    lines = ""
    for cpus, khz in groups:
        folder = f"{SYSFS}/cpufreq/policy{cpus[0]}"
        lines += f"{folder}/related_cpus:{' '.join(map(str, cpus))}\n"
        lines += f"{folder}/cpuinfo_max_freq:{khz}\n"
        lines += "".join(f"{SYSFS}/cpu{cpu}/cpufreq/cpuinfo_max_freq:{khz}\n" for cpu in cpus)
    return lines


PIXEL_8 = {
    "getprop": properties(
        ro_product_manufacturer="Google",
        ro_product_model="Pixel 8 Pro",
        ro_soc_manufacturer="Google",
        ro_soc_model="Tensor G3",
    ),
    "cpuinfo": "".join(
        [block(cpu, "0xd46", G3_FEATURES) for cpu in range(4)]
        + [block(cpu, "0xd4d", G3_FEATURES) for cpu in range(4, 8)]
        + [block(8, "0xd4e", G3_FEATURES)]
    ),
    "sysfs": policies((range(4), 1704000), (range(4, 8), 2367000), ((8,), 2914000)),
    "meminfo": "MemTotal:        7763708 kB\nMemFree:          312300 kB\n",
}
REDMI_4X = {
    "getprop": properties(
        ro_product_manufacturer="Xiaomi",
        ro_product_model="Redmi 4X",
        ro_board_platform="msm8937",
    ),
    "cpuinfo": "Processor\t: AArch64 Processor rev 4 (aarch64)\n"
    + "".join(block(cpu, "0xd03", f"{OLD_FEATURES} cpuid") for cpu in range(8))
    + "Hardware\t: Qualcomm Technologies, Inc MSM8940\n",
    "sysfs": policies((range(4), 1401600), (range(4, 8), 1094400)),
    "meminfo": "MemTotal:        1871632 kB\n",
}
OLD_KERNEL = (
    "Processor\t: AArch64 Processor rev 4 (aarch64)\n"
    + "".join(f"processor\t: {cpu}\n" for cpu in range(8))
    + f"Features\t: {OLD_FEATURES}\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
    "CPU variant\t: 0x0\nCPU part\t: 0xd03\nCPU revision\t: 4\n\n"
    "Hardware\t: Qualcomm Technologies, Inc MSM8952\n"
)


class AnsweringTarget:
    """Stands in for a phone that we do not have: it gives recorded answers."""

    serial = "0A171JECB"

    def __init__(self, answers: Mapping[str, str]) -> None:
        self._answers = answers
        self.closed = False

    def run(self, argv: Sequence[str], timeout_s: float) -> CompletedCommand:
        assert timeout_s > 0
        names = {"getprop": "getprop", "sh": "sysfs"}
        name = names.get(argv[0]) or argv[1].rpartition("/")[2]
        if name not in self._answers:
            return CompletedCommand("", "Permission denied", 1)
        return CompletedCommand(self._answers[name], "", 0)

    def close(self) -> None:
        self.closed = True

    def push(self, local: Path, name: str) -> str:
        raise AssertionError(f"nothing is pushed to read a profile, not {local} as {name}")

    def pull(self, remote: str, local: Path) -> None:
        raise AssertionError(f"nothing is pulled to read a profile, not {remote} to {local}")

    def describe(self) -> DeviceDescription:
        raise AssertionError("not asked")
