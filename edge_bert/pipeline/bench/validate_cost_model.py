"""Predict published latencies and hold the predictions to them."""

from __future__ import annotations

import dataclasses

import msgspec

from edge_bert import profiles
from edge_bert.convert import published_networks, published_transformers
from edge_bert.devices.emulated import EmulatedDevice
from edge_bert.devices.emulator import arm64_root, cpu_files, qemu_plugin
from edge_bert.devices.runner.build import build_runner
from edge_bert.devices.runner.library import find_litert_library
from edge_bert.devices.runner.start import RunnerRequest, install_runner
from edge_bert.errors import InputError
from edge_bert.estimate import validation
from edge_bert.estimate.core_caches import cache_sizes
from edge_bert.estimate.latency_model import predict_latency
from edge_bert.estimate.older_kernels import find_slowdown
from edge_bert.estimate.thread_team import count_sharers
from edge_bert.formats.tflite.inspect import inspect_bytes
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
    "Pixel 2": ("pixel-2", PUBLISHED_DEVICES),
    "Pixel 3": ("pixel-3", PUBLISHED_DEVICES),
    "Pixel 3a": ("pixel-3a", profiles.PROFILE_FOLDER),
    "Pixel 4": ("pixel-4", profiles.PROFILE_FOLDER),
    "OnePlus 12": ("oneplus-12", profiles.PROFILE_FOLDER),
    "Raspberry Pi 3+": ("raspberry-pi-3", PUBLISHED_DEVICES),
    "Raspberry Pi 4": ("raspberry-pi-4-buster", PUBLISHED_DEVICES),
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
        groups=validation.group_errors(predictions),
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
    counts = _recorded_counts(profile, model, row, progress)
    cluster = cpu_files.find_cluster(profile, None)
    latency = predict_latency(
        counts,
        cluster,
        profile.memory,
        threads=row.threads,
        others=cpu_files.other_clusters(profile, cluster),
        operators=sum(inspect_bytes(model).op_counts.values()),
    )
    slower = find_slowdown(row)
    return Prediction(
        row,
        slower.middle * latency.ms,
        slower.low * latency.low_ms,
        slower.high * latency.high_ms,
    )


def _build_network(row: PublishedLatency, progress: Progress) -> bytes:
    transformer = row.model in published_transformers.TRANSFORMERS
    if transformer and row.precision != "fp32":
        raise InputError(f"{row.model} can be rebuilt in fp32 only, not in {row.precision}.")

    def make() -> bytes:
        progress(f"{row.model} {row.precision}: building and converting it (TensorFlow)")
        if transformer:
            return published_transformers.build_published_transformer(row.model, row.input)
        return published_networks.build_published_network(row.model, row.input, row.precision)

    # Weights are random and do not matter: a change of code that makes other ones is none.
    return cached("networks", [row.model, row.input, row.precision], make, version=1)


def _recorded_counts(
    profile: DeviceProfile, model: bytes, row: PublishedLatency, progress: Progress
) -> InstructionCounts:
    """The counts of one inference, the second but where it takes minutes; kept by their causes."""
    cluster = cpu_files.find_cluster(profile, None)
    sharers = count_sharers(cluster, row.threads)
    inputs = [
        sha256_hex(model),
        dataclasses.asdict(cache_sizes(cluster, profile.memory, sharers)),
        sorted(arm64_root.kernel_files(profile, cluster.core).items()),
        cpu_files.choose_qemu_cpu(cpu_files.order_clusters(profile, cluster.core)),
        sha256_hex(build_runner(profile.abi).read_bytes()),
        sha256_hex(find_litert_library(profile.abi)[0].read_bytes()),
        qemu_plugin.build_plugin().name,
    ]

    # What the first inference prepares is under 1% of that of a transformer.
    warmup = 0 if row.model in published_transformers.TRANSFORMERS else 1

    def make() -> bytes:
        progress(f"{row.device}, {row.model}: counting on an emulated {cluster.core}")
        return msgspec.json.encode(_count(profile, model, warmup, sharers))

    # Whatever decides a count is among the inputs, and counting all networks takes long.
    data = cached("network_counts", inputs, make, version=1)
    return msgspec.json.decode(data, type=InstructionCounts)


def _count(profile: DeviceProfile, model: bytes, warmup: int, sharers: int) -> InstructionCounts:
    device = EmulatedDevice(profile)
    try:
        command = install_runner(device, profile.abi, own_c_library=False)
        with scratch_folder() as folder:
            local = folder / "network.tflite"
            local.write_bytes(model)
            remote = device.push(local, local.name)
        signature = next(iter(inspect_bytes(model).signatures))
        run = RunnerRequest(remote, signature, warmup=warmup, repetitions=1)
        return count_inference(device, command, run, sharers)[1]
    finally:
        device.close()
