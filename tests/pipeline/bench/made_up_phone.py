"""A bundle of many files, and a phone on the wire whose times are the model's times factors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np

from edge_bert.bundle import manifest as manifests
from edge_bert.devices.device import CompletedCommand
from edge_bert.devices.emulator import cpu_files
from edge_bert.estimate.latency_model import predict_latency
from edge_bert.estimate.scaled_model import split_time
from edge_bert.measure.measurement import build_emulated_measurement, describe_subject
from edge_bert.measure.runner_output import parse_runner
from edge_bert.progress import Progress
from edge_bert.records.bundle import Artifact
from edge_bert.records.measurement import (
    DeviceDescription,
    Evidence,
    InstructionCounts,
    Measurement,
)
from edge_bert.records.profile import Cluster, DeviceProfile
from edge_bert.store.digest import sha256_hex
from tests.devices.device_answers import PIXEL_8, AnsweringTarget
from tests.measure.test_runner_output import FOOTER, HEADER, RUN, WARMUP, text
from tests.pipeline.sizing.test_recorded_counts import EVERY
from tests.pipeline.small_bundle import small_bundle

NAMES = ("float32", "wi8_afp32", "wi8_ai8", "wi8_ai8_afp32")
PROFILE = "pixel-8"
WORDS = {"8": "prime", "4,5,6,7": "big", "0,1,2,3": "little"}
HEAT = "IsStatusOverride: false\nThermal Status: 0\nHAL Ready: true\n"


def many_files(folder: Path, names: Sequence[str] = NAMES, profile: str = PROFILE) -> Path:
    """A bundle with one file under several names, which no one runs: counts are recorded ones."""
    bundle = small_bundle(folder, profile)
    manifest = manifests.read_manifest(bundle)
    (known,) = manifest.artifacts
    data = (bundle / known.file).read_bytes()
    artifacts = []
    for name in names:
        own = data + name.encode()
        (bundle / f"{name}.tflite").write_bytes(own)
        artifacts.append(
            msgspec.structs.replace(
                known,
                name=name,
                file=f"{name}.tflite",
                sha256=sha256_hex(own),
                size_bytes=len(own),
            )
        )
    manifest = msgspec.structs.replace(manifest, artifacts=tuple(artifacts))
    (bundle / manifests.FILE).write_bytes(manifests.encode_manifest(manifest))
    return bundle


def counts_of(artifact: str, length: int) -> InstructionCounts:
    """Recorded ones of a Pixel 4's file of that name: 8 tokens stand for 16, 16 for 128."""
    wanted = ("pixel-4", artifact, 16 if length == 8 else 128)
    return next(
        item.counts for item in EVERY if (item.profile, item.artifact, item.length) == wanted
    )


@contextmanager
def recorded_counter(
    profile: DeviceProfile, core: str | None, threads: Sequence[int], progress: Progress
) -> Iterator[Callable[[Path, Artifact, str], Iterator[Measurement]]]:
    """In the emulator's place: recorded counts."""
    cluster = cpu_files.find_cluster(profile, core)
    description = DeviceDescription(Evidence.EMULATED, profile.name, profile.abi, "Linux", 1)

    def count(path: Path, artifact: Artifact, signature: str) -> Iterator[Measurement]:
        progress(f"{path.name} {threads}")
        output = parse_runner(text(HEADER, WARMUP, RUN, FOOTER), 0)
        subject = msgspec.structs.replace(
            describe_subject(output, artifact.name),
            threads=1,
            model_sha256=artifact.sha256,
            signature=signature,
        )
        counts = counts_of(artifact.name, artifact.signatures[signature].length)
        yield build_emulated_measurement(output, counts, description, subject, cluster)

    yield count


class MadeUpPhone(AnsweringTarget):
    """A phone, by default a Pixel 8, that takes `factors` times the model's time, with noise."""

    def __init__(
        self,
        profile: DeviceProfile,
        factors: dict[str, tuple[float, float]],
        answers: Mapping[str, str] = PIXEL_8,
        words: Mapping[str, str] = WORDS,
    ) -> None:
        super().__init__(answers)
        clusters = sorted(profile.clusters, key=lambda item: item.max_mhz, reverse=True)
        self.clusters: dict[str, Cluster] = dict(zip(words.values(), clusters, strict=True))
        self.factors, self.words, self.evidence = factors, words, Evidence.DEVICE
        self.draw = np.random.default_rng(3)
        self.shas: dict[str, str] = {}
        self.name = "phone-1234abcd"
        self.throttled = False

    def push(self, local: Path, name: str) -> str:
        self.shas[name] = sha256_hex(local.read_bytes())
        return name

    def describe(self) -> DeviceDescription:
        properties = {"ro.product.model": "Pixel 8 Pro", "ro.build.id": "AP4A.250105.002"}
        return DeviceDescription(
            self.evidence, self.name, "arm64-v8a", "Android 15", 9, properties=properties
        )

    def run(self, argv: Sequence[str], timeout_s: float) -> CompletedCommand:
        if argv[0] == "runner":
            return CompletedCommand(self._infer(list(argv)), "", 0)
        if argv[-1].startswith("test -f"):
            return CompletedCommand("", "", 1)
        if argv[0] == "dumpsys":
            return CompletedCommand(HEAT if argv[1] == "thermalservice" else "", "", 0)
        return super().run(argv, timeout_s)

    def _infer(self, argv: list[str]) -> str:
        options = dict(zip(argv[1::2], argv[2::2], strict=False))
        word = self.words[options["--prefer-cores"]]
        name, length = options["--model"].removesuffix(".tflite"), options["--signature"]
        truth = self.truth_ms(name, length, word)
        times = [truth * 1e3 * float(self.draw.lognormal(0, 0.03)) for _ in range(9)]
        cpu = int(options["--prefer-cores"][0])
        header = HEADER | {
            "model_sha256": self.shas[options["--model"]],
            "threads": 1,
            "signature": length,
        }
        used = {"cpu": cpu, "runs": len(times), "lowest_khz": 1_700_000, "highest_khz": 1_700_000}
        footer = FOOTER | {"core_use": [used], "bound": not self.throttled}
        lines = [{"type": "run", "us": time} for time in times]
        return text(header, WARMUP, *lines, json.loads(json.dumps(footer)))

    def truth_ms(self, name: str, signature: str, word: str) -> float:
        """What the phone takes for a file, without noise."""
        length = int("".join(filter(str.isdigit, signature)))
        compute, traffic = split_time(predict_latency(counts_of(name, length), self.clusters[word]))
        return self.factors[word][0] * compute + self.factors[word][1] * traffic
