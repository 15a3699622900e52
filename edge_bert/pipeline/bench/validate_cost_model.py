"""Predict published latencies and hold the predictions to them."""

from __future__ import annotations

import msgspec

from edge_bert import profiles
from edge_bert.convert import published_networks
from edge_bert.devices.emulated import EmulatedDevice
from edge_bert.devices.emulator import arm64_root, cpu_files, qemu_plugin
from edge_bert.devices.runner.build import build_runner
from edge_bert.devices.runner.library import find_litert_library
from edge_bert.devices.runner.start import RunnerRequest, install_runner
from edge_bert.errors import InputError
from edge_bert.estimate import validation
from edge_bert.estimate.latency_model import predict_latency
from edge_bert.pipeline.bench.emulated import count_inference
from edge_bert.progress import Progress, no_progress
from edge_bert.records.measurement import InstructionCounts
from edge_bert.records.profile import DeviceProfile
from edge_bert.records.validation import Prediction, PublishedLatency, Validation
from edge_bert.store.cached import cached
from edge_bert.store.digest import sha256_hex
from edge_bert.store.scratch import scratch_folder

PUBLISHED_DEVICES = validation.PUBLISHED.parent / "published_devices"
# The table's name of a device: its profile, ours or one that is only for validation.
DEVICES = {
    "Pixel": ("pixel-2016", PUBLISHED_DEVICES),
    "Pixel 3": ("pixel-3", PUBLISHED_DEVICES),
    "Pixel 3a": ("pixel-3a", profiles.PROFILE_FOLDER),
    "Raspberry Pi 3+": ("raspberry-pi-3", PUBLISHED_DEVICES),
}


def validate_cost_model(device: str | None = None, progress: Progress = no_progress) -> Validation:
    """Predict every published row (of one device). Raises InputError for an unknown device."""
    rows = [row for row in validation.published_latencies() if device in (None, row.device)]
    if not rows:
        raise InputError(f"No row is of {device!r}; there are {', '.join(DEVICES)}.")
    predictions = [_predict(row, progress) for row in rows]
    single = [prediction for prediction in predictions if prediction.published.threads == 1]
    several = [prediction for prediction in predictions if prediction.published.threads > 1]
    return Validation(
        predictions=tuple(predictions),
        single=validation.summarize_errors(single) if single else None,
        several=validation.summarize_errors(several) if several else None,
        speedups=validation.speedup_errors(predictions),
    )


def load_published_profile(row: PublishedLatency) -> DeviceProfile:
    """The profile of the row's device. Raises InputError for a device without one."""
    if row.device not in DEVICES:
        raise InputError(f"No profile describes {row.device}; add one to DEVICES.")
    name, folder = DEVICES[row.device]
    return profiles.load_profile(name, folder)


def _predict(row: PublishedLatency, progress: Progress) -> Prediction:
    profile = load_published_profile(row)
    model = _build_network(row, progress)
    title = f"{row.device}, {row.model} {row.precision}"
    counts = _recorded_counts(profile, model, title, progress)
    cluster = cpu_files.find_cluster(profile, None)
    latency = predict_latency(counts, cluster, profile.memory, threads=row.threads)
    return Prediction(row, latency.ms, latency.low_ms, latency.high_ms)


def _build_network(row: PublishedLatency, progress: Progress) -> bytes:
    def make() -> bytes:
        progress(f"{row.model} {row.precision}: building and converting it (TensorFlow)")
        return published_networks.build_published_network(row.model, row.input, row.precision)

    inputs = [row.model, row.input, row.precision]
    return cached("networks", inputs, make, code=published_networks.build_published_network)


def _recorded_counts(
    profile: DeviceProfile, model: bytes, title: str, progress: Progress
) -> InstructionCounts:
    """The counts of the second inference, kept under all that they depend on."""
    cluster = cpu_files.find_cluster(profile, None)
    inputs = [
        sha256_hex(model),
        cluster.caches,
        sorted(arm64_root.kernel_files(profile, cluster.core).items()),
        cpu_files.choose_qemu_cpu(cpu_files.order_clusters(profile, cluster.core)),
        sha256_hex(build_runner(profile.abi).read_bytes()),
        sha256_hex(find_litert_library(profile.abi)[0].read_bytes()),
        qemu_plugin.build_plugin().name,
    ]

    def make() -> bytes:
        progress(f"{title}: counting on an emulated {cluster.core}")
        return msgspec.json.encode(_count(profile, model))

    # Whatever decides a count is among the inputs, and counting all networks takes long.
    data = cached("network_counts", inputs, make, version=1)
    return msgspec.json.decode(data, type=InstructionCounts)


def _count(profile: DeviceProfile, model: bytes) -> InstructionCounts:
    device = EmulatedDevice(profile)
    try:
        command = install_runner(device, profile.abi, own_c_library=False)
        with scratch_folder() as folder:
            local = folder / "network.tflite"
            local.write_bytes(model)
            remote = device.push(local, local.name)
        run = RunnerRequest(remote, "serving_default", warmup=1, repetitions=1)
        return count_inference(device, command, run)[1]
    finally:
        device.close()
