"""A made-up comparison for tests: every figure in it is invented."""

from __future__ import annotations

from benchmarks.records import FORMAT_VERSION, Comparison, PeerRow, Timing
from edge_bert.records.bundle import CalibrationInfo, Drift, LabelScore, ModelInfo
from edge_bert.records.checkpoint import Head, Task
from edge_bert.records.measurement import DeviceDescription, Evidence
from edge_bert.records.profile import Runtime

RUNS_14 = tuple(float(1000 + 2 * index) for index in range(101))
RUNS_128 = tuple(float(9000 + 10 * index) for index in range(101))


def ran(name: str = "wi8_afp32", title: str = "Ours") -> PeerRow:
    """A peer with all figures: medians of 1.1 ms and 9.5 ms."""
    return PeerRow(
        name=name,
        title=title,
        given="one bucket",
        status="ran",
        runtime=Runtime(name="ai-edge-litert", version="2.3.0"),
        size_bytes=23_990_000,
        timings=(
            Timing(tokens=14, length=16, runs_us=RUNS_14),
            Timing(tokens=128, length=128, runs_us=RUNS_128),
        ),
        drift=Drift(cosine_mean=0.99849, cosine_min=0.98996, count=64),
        score=LabelScore(dataset="stsb:dev", metric="spearman", value=0.8661, count=1500),
    )


def absent() -> PeerRow:
    """A peer whose package is not installed."""
    detail = "pip install 'edge-bert[peers]' (lacks nncf)"
    return PeerRow(name="nncf", title="NNCF", given="", status="not run", detail=detail)


def comparison(*rows: PeerRow, other_cores: float | None = 0.02, cpu: int | None = 1) -> Comparison:
    """One run on a made-up machine."""
    return Comparison(
        format_version=FORMAT_VERSION,
        started_at="2026-01-02T03:04:05+00:00",
        machine=DeviceDescription(
            evidence=Evidence.HOST,
            name="host",
            abi="x86_64",
            system="Linux 6.1",
            cores=2,
            properties={"cpu": "A Processor"},
        ),
        cpu=cpu,
        other_cores=other_cores,
        profile="pixel-9",
        model=ModelInfo(
            name="all-MiniLM-L6-v2",
            architecture="bert",
            sha256="0" * 64,
            source="folder",
            head=Head(task=Task.EMBEDDING, normalize=True),
            max_length=128,
        ),
        calibration=CalibrationInfo(source="default", seed=0, count=256, sha256="1" * 64),
        dataset="stsb:dev",
        reference="tflite_float32",
        rounds=10,
        repetitions=10,
        warm_up=3,
        versions={"python": "3.11.2", "numpy": "2.4.0"},
        rows=rows or (ran(), absent()),
    )
