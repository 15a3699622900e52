"""Put a bundle's files and the runner on a device, verified, so that later runs find them there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_bert import profiles
from edge_bert.bundle.members import require_proven
from edge_bert.devices.adb.adb_device import AdbDevice
from edge_bert.devices.runner.start import install_runner
from edge_bert.errors import InputError
from edge_bert.pipeline.bench.bench import bundle_of, device_for
from edge_bert.progress import Progress, no_progress
from edge_bert.records.base import Record


class Pushed(Record, frozen=True):
    """Where the files are on the device now. Their contents stay there after the session."""

    serial: str
    files: dict[str, str]


def push_bundle(
    profile: str,
    folder: Path,
    *,
    artifacts: Sequence[str] = (),
    serial: str | None = None,
    progress: Progress = no_progress,
) -> Pushed:
    """Push artifacts (default: the bundle's default one), tokenizer and runner.

    Each file is verified by size and sha256. Builds the bundle if there is none. Raises
    InputError for an unknown artifact, DeviceError for a device that does not do as asked.
    """
    device = profiles.load_profile(profile)
    manifest = bundle_of(profile, folder, progress)
    by_name = {artifact.name: artifact for artifact in manifest.artifacts}
    wanted = list(artifacts) or [manifest.default.artifact]
    unknown = [name for name in wanted if name not in by_name]
    if unknown:
        raise InputError(f"The bundle has no artifact {unknown[0]!r}; it has {', '.join(by_name)}.")
    files = [require_proven(folder / by_name[name].file, by_name[name].sha256) for name in wanted]
    files += [
        require_proven(folder / packaged.file, packaged.sha256)
        for packaged in manifest.files
        if packaged.file.startswith("tokenizer")
    ]
    target = device_for(serial, device)
    found = {}
    try:
        for path in files:
            progress(f"{path.name}: pushing to {target.serial}")
            found[path.name] = target.stored(target.push(path, path.name))
        progress("the runner, its loader and LiteRT")
        install_runner(target, device.abi, own_c_library=True)
    finally:
        target.close()
    return Pushed(target.serial, found)


def remove_pushed(serial: str | None = None) -> str:
    """Remove all that push and bench ever left on the device; its serial."""
    target = AdbDevice(serial)
    target.remove_everything()
    return target.serial
