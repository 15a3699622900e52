"""The targets of a measurement: this host, an emulated phone, or a device over adb."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_bert import profiles
from edge_bert.devices.adb.adb_device import AdbDevice
from edge_bert.devices.device import Device
from edge_bert.devices.host import HostDevice
from edge_bert.devices.ssh_device import SshDevice
from edge_bert.errors import DeviceError
from edge_bert.pipeline.bench import benchmark_model, runner
from edge_bert.pipeline.bench.emulated import open_counter
from edge_bert.pipeline.bench.energy_session import restore_settings
from edge_bert.pipeline.bench.options import BenchOptions
from edge_bert.pipeline.bench.text_job import TextJob
from edge_bert.progress import Progress
from edge_bert.records.bundle import Artifact
from edge_bert.records.measurement import Measurement
from edge_bert.records.profile import DeviceProfile

# Measures one signature of an artifact's file, or a data set, once for each number of threads.
Measure = Callable[[Path, Artifact, str | TextJob], Iterator[Measurement]]


@contextmanager
def open_measure(options: BenchOptions, progress: Progress) -> Iterator[Measure]:
    """A function that measures one signature on the options' device; cleaned up afterwards."""
    profile = profiles.load_profile(options.profile)
    if options.target == "emulated":
        with open_counter(profile, options.core, options.threads, progress) as count:
            yield count
        return
    device = _open_target(options, profile, progress)
    try:
        binary = options.open_binary()
        if binary:
            yield benchmark_model.make_timer(device, binary, options, progress)
        else:
            yield runner.make_timer(device, options, progress)
    finally:
        device.close()


def _open_target(options: BenchOptions, profile: DeviceProfile, progress: Progress) -> Device:
    if options.target == "host":
        return HostDevice()
    if options.host:
        return open_board(options.host, profile)
    device = open_device(options.serial, profile)
    restore_settings(device, progress)
    return device


def open_board(host: str, profile: DeviceProfile) -> SshDevice:
    """The board behind ssh. Raises DeviceError where its ABI is not the profile's."""
    device = SshDevice(host)
    abi = device.describe().abi
    if abi != profile.abi:
        device.close()
        raise DeviceError(f"{host} is {abi}, the profile is for {profile.abi}.")
    return device


def open_device(serial: str | None, profile: DeviceProfile) -> AdbDevice:
    """The device behind `serial` (default: the only one).

    Raises DeviceError where its ABI is not the profile's.
    """
    device = AdbDevice(serial, keep=True)
    abi = device.describe().abi
    if abi != profile.abi:
        raise DeviceError(f"{device.serial} is {abi}, the profile is for {profile.abi}.")
    return device
