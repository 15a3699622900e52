"""The file system of the emulated phone that answers adb: Android's commands and its battery."""

from __future__ import annotations

import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

from edge_bert.devices.emulator import arm64_root
from edge_bert.devices.emulator.host_tools import QEMU, require_program
from edge_bert.devices.emulator.personality import BINDINGS, Manners
from edge_bert.devices.runner.build import find_compiler
from edge_bert.errors import DeviceError
from edge_bert.installation import shipped_folder
from edge_bert.processes import run_tool
from edge_bert.records.profile import DeviceProfile

SOURCES = shipped_folder("android_harness") / "emulator" / "device"
PACKAGES = ("adbd", "mksh", "toybox", *arm64_root.LIBRARIES)
COMPILE_TIMEOUT_S = 120
LIST_TIMEOUT_S = 60
FOLDERS = (
    "data",
    "dev",
    "proc",
    "system/bin",
    "system/lib64",
    "sys/class/power_supply/battery",
    "sys/class/power_supply/usb",
    "tmp",
    "world",
)
SLOWEST_POLICY = "sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq"


REFUSED_BINDING = """\
#!/system/bin/sh
echo "taskset: failed to set pid $$'s affinity: Invalid argument" >&2
exit 1
"""


@dataclass(frozen=True)
class BatteryModel:
    """The model battery of an emulated phone. The defaults are invented: they are no device's.

    `idle_mw` is drawn always, `core_mw` per busy core. How it is shown is a matter of `Manners`.
    """

    capacity_uah: int = 4_000_000
    level_percent: int = 80
    idle_mw: int = 600
    core_mw: int = 1000
    charge_ma: int = 1500
    interval_ms: int = 200


def make_android_root(
    root: Path, profile: DeviceProfile, serial: str, battery: BatteryModel, manners: Manners
) -> None:
    """Fill `root`, which must not exist, with a phone of `profile` that has these manners."""
    base = arm64_root.prepare_base(PACKAGES)
    partial = root.with_name(f"{root.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        shutil.copytree(base, partial, symlinks=True)
        for folder in FOLDERS:
            (partial / folder).mkdir(parents=True, exist_ok=True)
        arm64_root.write_files(partial, _file_contents(profile, serial, battery, manners))
        (partial / "world" / "kernel").write_bytes(_kernel_state(manners))
        if manners.binding == "refused":
            _refuse_binding(partial)
        _add_programs(partial, manners)
        partial.replace(root)
    except OSError as error:
        raise DeviceError(f"Cannot make the emulated phone in {root}: {error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def android_properties(profile: DeviceProfile, serial: str, manners: Manners) -> dict[str, str]:
    """What `getprop` answers. `ro.kernel.qemu` is Android's own mark of an emulator."""
    return {
        "ro.build.version.release": "15",
        "ro.build.version.sdk": "35",
        "ro.edge_bert.profile": profile.name,
        "ro.hardware": "edge-bert-emulated",
        "ro.kernel.qemu": "1",
        "ro.product.cpu.abi": profile.abi,
        "ro.product.cpu.abilist": profile.abi,
        "ro.product.manufacturer": "edge-bert",
        "ro.product.model": f"{profile.title} (emulated)",
        "ro.serialno": serial,
        "ro.soc.model": profile.soc,
        "sys.boot_completed": "1",
    } | manners.properties


def _file_contents(
    profile: DeviceProfile, serial: str, battery: BatteryModel, manners: Manners
) -> dict[str, str]:
    files = arm64_root.kernel_files(profile, None)
    properties = android_properties(profile, serial, manners)
    if manners.capped_percent < 100:
        files[SLOWEST_POLICY] = f"{int(files[SLOWEST_POLICY]) * manners.capped_percent // 100}\n"
    return {
        **files,
        "world/cpuinfo": files["proc/cpuinfo"],
        "world/battery": _battery_settings(battery, manners),
        "world/manners": _shell_settings(manners),
        "world/charger": "0\n",
        "world/thermal_status": "0\n",
        "world/wakefulness": "Asleep\n",
        "world/settings/system.screen_brightness": "120\n",
        "etc/group": "root:x:0:\nshell:x:2000:\n",
        "etc/passwd": "root:x:0:0::/:/system/bin/sh\nshell:x:2000:2000::/:/system/bin/sh\n",
        "system/build.prop": "".join(f"{key}={value}\n" for key, value in properties.items()),
    }


def _battery_settings(battery: BatteryModel, manners: Manners) -> str:
    """What battery.c reads, one `name value` a line."""
    settings = vars(battery) | {
        "step_uah": manners.counter_step_uah,
        "uah_per_raw": manners.uah_per_raw,
        "raw_per_ua": manners.raw_per_ua,
        "average_ms": round(manners.average_s * 1000),
        "copy_ms": round(manners.copy_s * 1000),
        "sysfs": int(manners.sysfs),
    }
    return "".join(f"{key} {value}\n" for key, value in settings.items())


def _shell_settings(manners: Manners) -> str:
    """What the phone's commands read: assignments of a shell."""
    return "".join(
        f"{name}={int(getattr(manners, name))}\n"
        for name in ("current_line", "forced_get", "rails", "hal_ready")
    )


def _kernel_state(manners: Manners) -> bytes:
    """`struct kernel` of kernel.h: no sleep yet."""
    return struct.pack("<qq", 0, BINDINGS.index(manners.binding))


def _refuse_binding(root: Path) -> None:
    """A `taskset` that the kernel refuses, before the usual one of that name is put there."""
    path = root / "system" / "bin" / "taskset"
    path.write_text(REFUSED_BINDING)
    path.chmod(0o755)


def _add_programs(root: Path, manners: Manners) -> None:
    binaries = root / "system" / "bin"
    for name in _toybox_commands(root):
        if not (binaries / name).exists():
            (binaries / name).symlink_to("/usr/bin/toybox")
    for link in (binaries / "sh", root / "usr" / "bin" / "sh"):
        link.symlink_to("/usr/bin/mksh")
    for script in sorted((SOURCES / "bin").iterdir()):
        shutil.copy(script, binaries / script.name)
        (binaries / script.name).chmod(0o755)
    _compile(["battery.c"], ["-lm"], binaries / "edge_bert_battery")
    if manners.suspends:
        _compile(["suspend.c"], [], binaries / "edge_bert_suspend")
    if manners.perfetto:
        _compile(["perfetto.c"], [], binaries / "perfetto")
    libraries = root / "system" / "lib64"
    _compile(["-shared", "-fPIC", "loopback.c"], ["-ldl"], libraries / "libloopback.so")
    _compile(["-shared", "-fPIC", "kernel.c"], [], libraries / "libkernel.so")
    # Last of all, for the emulator reads it too where it runs a program of this root.
    (root / "etc" / "ld.so.preload").write_text("/system/lib64/libkernel.so\n")


def _toybox_commands(root: Path) -> list[str]:
    command = [require_program(QEMU), "-L", str(root), str(root / "usr" / "bin" / "toybox")]
    names = run_tool(command, timeout_s=LIST_TIMEOUT_S, failure=DeviceError).split()
    if "sha256sum" not in names:
        raise DeviceError("toybox lists no sha256sum; the emulated phone could verify nothing.")
    return [name for name in names if "/" not in name and name != "sh"]


def _compile(sources: list[str], libraries: list[str], binary: Path) -> None:
    argv = [*find_compiler("arm64-v8a"), "-O2", "-Wall", "-Wextra", *sources, *libraries]
    run_tool(
        [*argv, "-o", str(binary)], timeout_s=COMPILE_TIMEOUT_S, failure=DeviceError, cwd=SOURCES
    )
    binary.chmod(0o755)
