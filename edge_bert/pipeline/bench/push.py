"""Put a bundle's files and the runner on a device, verified, so that later runs find them there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_bert import profiles
from edge_bert.devices.adb.adb_device import AdbDevice
from edge_bert.devices.runner.runner_files import (
    UserFiles,
    check_user_files,
    choose_runner_files,
)
from edge_bert.devices.runner.start import push_runner
from edge_bert.errors import InputError
from edge_bert.pipeline.bench.subjects import ensure_bundle, select_artifacts
from edge_bert.pipeline.bench.targets import open_device
from edge_bert.progress import Progress, no_progress
from edge_bert.records.base import Record
from edge_bert.records.bundle import Manifest


class PushOptions(Record, frozen=True):
    """What `invoke push` takes. No `artifacts` means the bundle's default one.

    `lengths`, `energy`, and `data` with `exits` and `texts`, which say as in `BenchOptions` what is
    played, are for a script that measures without us (`device_script.py`).
    `runtime_library` and `runner` take the place of ours.
    """

    profile: str
    artifacts: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()
    energy: bool = False
    data: str | None = None
    exits: tuple[str, ...] = ()
    texts: int | None = None
    serial: str | None = None
    runtime_library: Path | None = None
    runner: Path | None = None
    out: Path = Path("build")

    @property
    def folder(self) -> Path:
        """The folder of the bundle."""
        return self.out / profiles.bundle_name(self.profile)

    @property
    def user_files(self) -> UserFiles:
        """The user's own runtime and runner."""
        return UserFiles(self.runtime_library, self.runner)


class PushedFiles(Record, frozen=True):
    """Where the files are on the device now, and the build of the runtime among them.

    Their contents stay there.
    """

    serial: str
    files: dict[str, str]
    runtime_build: str = ""


def push_bundle(options: PushOptions, progress: Progress = no_progress) -> PushedFiles:
    """Push artifacts, tokenizer and runner, each verified by size and sha256.

    Builds the bundle if there is none. Raises InputError for an unknown artifact, DeviceError for
    a device that fails or has another ABI.
    """
    if options.lengths or options.energy:
        raise InputError("--lengths and --energy are for --script, which measures by itself.")
    if options.data or options.exits or options.texts:
        raise InputError(
            "--data, --exits and --texts are for --script; `invoke bench --data` plays over adb."
        )
    profile = profiles.load_profile(options.profile)
    check_user_files(options.user_files, profile.abi)
    bundle = ensure_bundle(options.profile, options.folder, progress)
    names = list(_list_files(options, bundle.manifest))
    with bundle.copy_members(names) as files:
        device = open_device(options.serial, profile)
        pushed = {}
        try:
            for name in names:
                progress(f"{name}: pushing to {device.serial}")
                pushed[name] = device.find_stored(device.push(files / name, name))
            chosen = choose_runner_files(profile.abi, own_c_library=True, user=options.user_files)
            progress(f"the runner and {chosen.build}")
            push_runner(device, chosen)
        finally:
            device.close()
    return PushedFiles(device.serial, pushed, chosen.build)


def _list_files(options: PushOptions, manifest: Manifest) -> Iterator[str]:
    names = options.artifacts or (manifest.default.artifact,)
    for artifact in select_artifacts(manifest, names):
        yield artifact.file
    for packaged in manifest.files:
        if packaged.file.startswith("tokenizer"):
            yield packaged.file


def remove_pushed(serial: str | None = None) -> str:
    """Remove all files of push and bench from the device; return its serial."""
    device = AdbDevice(serial)
    device.remove_everything()
    return device.serial
