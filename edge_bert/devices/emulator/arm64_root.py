"""The ARM64 file system of an emulated phone: a C library, and the phone's view of its cores."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from edge_bert.devices.emulator import cpu_files, debian_packages
from edge_bert.errors import DeviceError
from edge_bert.records.profile import DeviceProfile
from edge_bert.store import cache
from edge_bert.store.locks import hold_lock

LIBRARIES = ("libc6", "libgcc-s1", "libstdc++6")
LOCK_TIMEOUT_S = 900
PACKAGE_LIST = "edge-bert-packages.txt"


def prepare_root(profile: DeviceProfile, core: str | None = None) -> Path:
    """The root for programs that run on this phone's `core` cluster (default: the fastest).

    Made on the first call and found again later. Downloads some 20 MB of Debian packages when no
    root was made before. Raises DeviceError or MissingToolError where that cannot be done.
    """
    core = cpu_files.name_cluster(profile, cpu_files.find_cluster(profile, core))
    files = kernel_files(profile, core)
    digest = hashlib.sha256(msgspec.json.encode([_name_base(LIBRARIES), files])).hexdigest()
    folder = cache.cache_folder("emulator", "roots") / f"{profile.name}-{core}-{digest[:12]}"
    return folder if folder.is_dir() else _make_root(folder, files)


def prepare_base(packages: Sequence[str]) -> Path:
    """A folder with `packages` and their dependencies, unpacked once and shared by all phones."""
    folder = cache.cache_folder("emulator", "bases") / _name_base(packages)
    with lock_folder(folder):
        if not folder.is_dir():
            _unpack_base(packages, folder, debian_packages.Origin())
    return folder


def prepare_static_qemu() -> Path:
    """A QEMU without libraries of its own, which also works inside another root.

    It takes no plugins; the emulated phone runs under it, counted runs do not.
    """
    folder = cache.cache_folder("emulator", "bases") / "static-qemu"
    with lock_folder(folder):
        if not folder.is_dir():
            _unpack_base(["qemu-user-static"], folder, debian_packages.find_host_origin())
    programs = sorted((folder / "usr" / "bin").glob("qemu-aarch64*"))
    if not programs:
        raise DeviceError("Debian's qemu-user-static holds no qemu-aarch64; cannot emulate.")
    return programs[0]


def kernel_files(profile: DeviceProfile, core: str | None) -> dict[str, str]:
    """What the phone's kernel reports of its cores, by path below the root."""
    clusters = cpu_files.order_clusters(profile, core)
    files = {"proc/cpuinfo": cpu_files.format_cpuinfo(profile, clusters)}
    sysfs = cpu_files.sysfs_files(clusters)
    return files | {f"sys/devices/system/cpu/{name}": text for name, text in sysfs.items()}


def write_files(root: Path, files: Mapping[str, str]) -> None:
    """Write `files` below `root`."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _make_root(folder: Path, files: Mapping[str, str]) -> Path:
    base = prepare_base(LIBRARIES)
    with lock_folder(folder):
        if not folder.is_dir():
            partial = _clear_partial(folder)
            shutil.copytree(base, partial, symlinks=True)
            write_files(partial, files)
            partial.replace(folder)
    return folder


def _name_base(packages: Sequence[str]) -> str:
    key = hashlib.sha256(" ".join(packages).encode()).hexdigest()
    return f"{debian_packages.RELEASE}-{key[:12]}"


def _unpack_base(packages: Sequence[str], folder: Path, origin: debian_packages.Origin) -> None:
    partial = _clear_partial(folder)
    work = folder.with_name(f"{folder.name}.work")
    try:
        unpacked = debian_packages.unpack_packages(packages, partial, work, origin)
        (partial / PACKAGE_LIST).write_text("".join(f"{name}\n" for name in unpacked))
        partial.replace(folder)
    except OSError as error:
        raise DeviceError(f"Cannot write {folder}: {error.strerror}. Free space there.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(work, ignore_errors=True)


def _clear_partial(folder: Path) -> Path:
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    return partial


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder`; BusyError when another process has held it for too long."""
    busy = f"Another process is still making {folder.name}; wait for it, then try again."
    with hold_lock(Path(f"{folder}.lock"), busy, wait_s=LOCK_TIMEOUT_S):
        yield
