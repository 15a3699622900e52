"""The options of a measurement, with their defaults, checked before any long work."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import msgspec

from edge_bert import profiles
from edge_bert.devices.benchmark_apk import read_benchmark_apk
from edge_bert.devices.benchmark_model import ACCELERATORS, BenchmarkBinary, read_benchmark_binary
from edge_bert.devices.cores import ANY_CORES, CORE_WORDS, parse_cores
from edge_bert.devices.emulator import cpu_files
from edge_bert.devices.runner.runner_files import UserFiles, check_user_files
from edge_bert.errors import InputError
from edge_bert.pipeline.bench.text_job import MAX_TEXTS, check_texts
from edge_bert.records.base import Record

TargetName = Literal["host", "emulated", "device", "ssh"]
TARGETS: tuple[TargetName, ...] = get_args(TargetName)
MAX_THREADS = 64
MAX_REPETITIONS = 1_000_000
MAX_DURATION_S = 3600.0
MAX_EVERY_MS = 600_000
EMULATED_TEXTS = 100
SCHEDULING = ("foreground", "background")
# Options that only some targets have.
TARGETS_OF = {
    "serial": ("device",),
    "host": ("ssh",),
    "energy": ("device",),
    "cores": ("device", "ssh", "host"),
    "every_ms": ("device", "ssh", "host"),
    "core": ("emulated",),
    "benchmark_model": ("device", "ssh", "host"),
    "benchmark_apk": ("device",),
    "runtime_library": ("device", "ssh"),
    "runner": ("device", "ssh"),
}


class BenchOptions(Record, frozen=True):
    """What `invoke bench` takes.

    `profile` is a name or a path. No `artifacts` means all of the bundle, no `lengths` the usual
    buckets. `host` is the board of the target `ssh`. A run has so many `repetitions` or lasts
    `duration` seconds. `core` names the cluster to emulate; `cores` binds a run to `prime` (on a
    device the default), `big` or `little` cores, to `any`, or to cores like `4-7`. An inference
    begins each `every_ms`, or at once; it runs `as_` what Android has in the foreground or the
    background. `benchmark_model` is TFLite's own tool, which takes the place of our runner,
    `benchmark_apk` is it as an app, and `benchmark_origin` says where it is from; it alone reaches
    an `accelerator`, `gpu` or `npu`. `runtime_library` and `runner` take the place of ours on a
    device. `data` is a data set whose texts are run in place of the signatures of `lengths`, at
    most `texts` of them, and `exits` are the ways that they take: `auto`, `whole` or a number of
    layers; `repetitions` are rounds then. `import_` are results of a script that ran elsewhere;
    nothing is measured then.
    """

    profile: str
    target: str
    artifacts: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()
    threads: tuple[int, ...] = (1,)
    repetitions: int | None = None
    duration: float | None = None
    serial: str | None = None
    host: str | None = None
    core: str | None = None
    cores: str | None = None
    every_ms: int | None = None
    as_: str = "foreground"
    energy: bool = False
    benchmark_model: Path | None = None
    benchmark_apk: Path | None = None
    benchmark_origin: str = ""
    accelerator: str | None = None
    runtime_library: Path | None = None
    runner: Path | None = None
    data: str | None = None
    exits: tuple[str, ...] = ()
    texts: int | None = None
    import_: Path | None = None
    out: Path = Path("build")

    def __post_init__(self) -> None:
        for name in ("artifacts", "lengths", "threads", "exits"):
            msgspec.structs.force_setattr(self, name, tuple(dict.fromkeys(getattr(self, name))))

    @property
    def folder(self) -> Path:
        """The folder of the bundle."""
        return self.out / profiles.bundle_name(self.profile)

    @property
    def most_texts(self) -> int:
        """How many texts of the data set are run at most: under emulation each takes seconds."""
        return self.texts or (EMULATED_TEXTS if self.target == "emulated" else MAX_TEXTS)

    @property
    def user_files(self) -> UserFiles:
        """The user's own runtime and runner."""
        return UserFiles(self.runtime_library, self.runner)

    @property
    def core_words(self) -> str:
        """Which cores a run wants: on a device the fastest, in the background the slowest."""
        usual = "little" if self.as_ == "background" else "prime"
        return self.cores or (usual if self.target in ("device", "ssh") else ANY_CORES)

    @property
    def pace(self) -> str:
        """How inferences run, in words; empty for back to back on the CPU."""
        seldom = f"one every {self.every_ms} ms" if self.every_ms else ""
        background = "in the background" * (self.as_ == "background")
        processor = f"on the {self.accelerator.upper()}" if self.accelerator else ""
        app = "as an app" if self.benchmark_apk else ""
        return ", ".join(filter(None, (seldom, background, processor, app)))

    def open_binary(self) -> BenchmarkBinary | None:
        """The user's `benchmark_model`, if any. Raises InputError where it is not a program."""
        if self.benchmark_apk:
            origin = self.benchmark_origin or str(self.benchmark_apk)
            return read_benchmark_apk(self.benchmark_apk, origin)
        path = self.benchmark_model
        return read_benchmark_binary(path, self.benchmark_origin or str(path)) if path else None


def check_bench_options(options: BenchOptions) -> None:
    """Check what needs no bundle. Raises InputError with what to change."""
    device = profiles.load_profile(options.profile)
    if options.target not in TARGETS:
        raise InputError(f"--target {options.target!r} is not one of {', '.join(TARGETS)}.")
    if not options.threads or not all(1 <= count <= MAX_THREADS for count in options.threads):
        raise InputError(f"--threads: use whole numbers from 1 to {MAX_THREADS}.")
    _check_import(options)
    _check_amount(options)
    _check_target(options)
    if options.target == "ssh" and not options.host:
        raise InputError("--target ssh needs --host, such as pi@raspberrypi.local.")
    _check_pace(options)
    _check_data(options)
    if options.benchmark_model and options.benchmark_apk:
        raise InputError("--benchmark-model and --benchmark-apk exclude each other; give one.")
    if options.benchmark_apk and options.cores not in (None, ANY_CORES):
        raise InputError("--cores: Android chooses an app's cores; leave it with --benchmark-apk.")
    if (options.benchmark_model or options.benchmark_apk) and options.energy:
        raise InputError("--energy is for our own runner; leave --benchmark-model out.")
    if options.target == "emulated":
        cpu_files.find_cluster(device, options.core)
        cores = sum(cluster.cores for cluster in device.clusters)
        if max(options.threads) > cores:
            raise InputError(
                f"{device.name} has {cores} cores; {max(options.threads)} threads do not fit. "
                "Choose fewer with --threads."
            )
    _check_accelerator(options)
    _check_user_files(options, device.abi)


def _check_data(options: BenchOptions) -> None:
    check_texts(options.data, options.exits, options.texts, options.lengths)
    if options.data and (options.benchmark_model or options.benchmark_apk):
        raise InputError("--data is for our own runner; leave --benchmark-model out.")


def _check_user_files(options: BenchOptions, abi: str) -> None:
    if not (options.runtime_library or options.runner):
        return
    if options.benchmark_model or options.benchmark_apk:
        raise InputError("--runtime-library and --runner are not for TFLite's own tool; leave one.")
    check_user_files(options.user_files, abi)


def _check_accelerator(options: BenchOptions) -> None:
    binary, wanted = options.open_binary(), options.accelerator
    if wanted is None:
        return
    if wanted not in ACCELERATORS:
        raise InputError(f"--accelerator {wanted!r} is not one of {', '.join(ACCELERATORS)}.")
    if binary is None:
        raise InputError("--accelerator needs TFLite's own tool: name it with --benchmark-model.")
    if wanted == "npu" and not binary.litert:
        raise InputError(
            "--accelerator npu needs LiteRT's benchmark_model; this is the interpreter's, which "
            "has no NPU."
        )


def _check_import(options: BenchOptions) -> None:
    """Results were measured as their script says: no option changes that."""
    if options.import_ is None:
        return
    usual = BenchOptions(options.profile, options.target, import_=options.import_, out=options.out)
    if options.target != "device" or options != usual:
        raise InputError("--import takes results as they are; give --profile and --out alone.")


def _check_amount(options: BenchOptions) -> None:
    repetitions, duration = options.repetitions, options.duration
    if repetitions is not None and duration is not None:
        raise InputError("--repetitions and --duration exclude each other; give one of them.")
    if options.target == "emulated" and (repetitions, duration) != (None, None):
        raise InputError("Counts are the same on every run; leave --repetitions and --duration.")
    if repetitions is not None and not 1 <= repetitions <= MAX_REPETITIONS:
        raise InputError(f"--repetitions: use a whole number from 1 to {MAX_REPETITIONS}.")
    if duration is not None and not 0.001 <= duration <= MAX_DURATION_S:
        raise InputError(f"--duration: use seconds from 0.001 to {MAX_DURATION_S:.0f}.")


def _check_pace(options: BenchOptions) -> None:
    if options.every_ms is not None and not 1 <= options.every_ms <= MAX_EVERY_MS:
        raise InputError(f"--every-ms: use a whole number from 1 to {MAX_EVERY_MS}.")
    if options.as_ not in SCHEDULING:
        raise InputError(f"--as {options.as_!r} is not one of {', '.join(SCHEDULING)}.")
    if options.as_ == "background" and options.target != "device":
        raise InputError("--as background is for --target device only.")
    tool = options.benchmark_model or options.benchmark_apk
    if tool and (options.every_ms or options.as_ == "background"):
        raise InputError("--every-ms and --as are for our own runner; leave --benchmark-model out.")
    if options.cores in CORE_WORDS and options.target not in ("device", "ssh"):
        raise InputError(f"--cores {options.cores} is for --target device; name cores such as 0-3.")
    if options.cores not in (None, ANY_CORES, *CORE_WORDS):
        parse_cores(options.cores)


def _check_target(options: BenchOptions) -> None:
    for name, targets in TARGETS_OF.items():
        if getattr(options, name) and options.target not in targets:
            option = name.replace("_", "-")
            raise InputError(f"--{option} is for --target {' or '.join(targets)} only.")
