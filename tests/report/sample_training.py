"""A made-up training run that ends a plan of three steps: every figure in it is invented."""

from __future__ import annotations

import hashlib

from edge_bert.records.plan import FORMAT_VERSION as PLAN_VERSION
from edge_bert.records.plan import (
    BuiltEnd,
    Compression,
    EarlyEnd,
    EffectBasis,
    ExpectedText,
    LengthCost,
    Plan,
    PlanStep,
    StepEffect,
)
from edge_bert.records.training import (
    FORMAT_VERSION,
    Ancestor,
    ClassScore,
    CurvePoint,
    DataUsed,
    LossWeights,
    Machine,
    PlanPlace,
    TrainingCurve,
    TrainingRun,
    TrainingSettings,
)


def _sha(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


SOURCE = Ancestor("all-MiniLM-L6-v2", "start", _sha("source"), "hub: all-MiniLM-L6-v2")
TEACHER = Ancestor("banking-1-train", "teacher", _sha("teacher"), "folder", (SOURCE,))


def training_run() -> TrainingRun:
    """A distilled classifier: classes that lost, won and stayed, one without a held-out text."""
    points = tuple(
        CurvePoint(step=250 * epoch, loss=3.1 / epoch, score=0.7 + 0.04 * epoch, seconds=60 * epoch)
        for epoch in range(1, 6)
    )
    classes = (
        ClassScore("card arrival", count=24, right=23, reference=23),
        ClassScore("lost or stolen card", count=20, right=14, reference=18),
        ClassScore("top up failed", count=16, right=16, reference=15),
        ClassScore("why verify identity", count=11, right=9, reference=10),
        ClassScore("never held out", count=0, right=0, reference=0),
    )
    return TrainingRun(
        format_version=FORMAT_VERSION,
        name="banking",
        kind="distillation",
        settings=TrainingSettings(),
        losses=LossWeights(labels=0.1, soft_targets=0.9, hidden=1.0),
        data=(DataUsed("banking77.csv", 1003, 71, _sha("data")),),
        ancestors=(TEACHER,),
        curve=TrainingCurve(points, "accuracy", 1250, 0.9, stopped_early=True),
        machine=Machine("A processor", 2, 1_834_000_000, "tensorflow", {"keras": "3.12"}),
        seconds=300.0,
        classes=classes,
        plan=PlanPlace("phone-classifier", 3, 3, _sha("plan")),
    )


def compression() -> Compression:
    """Three steps with every figure, and the bundle at their end; the source has no score."""
    sizes = (23_400_000, 23_500_000, 17_900_000, 16_100_000)
    scores = (None, 0.9285, 0.9231, 0.9204)
    counts = (1_420_000_000, 1_420_000_000, 712_000_000, 588_000_000)
    latencies = (14.1, 14.1, 7.2, 6.1)
    energies = (51.0, 51.0, 26.0, 22.0)
    names = ("source", "1 train", "2 distill", "3 prune")
    effects = tuple(
        StepEffect(
            name=name,
            kind=name.rpartition(" ")[2],
            model_sha256=_sha(name),
            size_bytes=size,
            score=score,
            instructions=count,
            latency_ms=latency,
            energy_mj=energy,
            training_seconds=60.0,
            recipe="wi8_afp32",
        )
        for name, size, score, count, latency, energy in zip(
            names, sizes, scores, counts, latencies, energies, strict=True
        )
    )
    return Compression(
        format_version=PLAN_VERSION,
        name="banking",
        plan_name="phone-classifier",
        plan=Plan(
            steps=(
                PlanStep("train", {"epochs": 8}),
                PlanStep("distill", {"layers": 3}),
                PlanStep("prune", {"neurons": "67%"}),
            )
        ),
        digest=_sha("plan"),
        basis=EffectBasis(
            "accuracy",
            "71 held-out texts of banking77.csv, which no step trains on",
            "pixel-9",
            "wi8_afp32",
            128,
        ),
        source=effects[0],
        steps=effects[1:],
        whole=StepEffect(
            name="whole model",
            kind="whole",
            model_sha256=_sha("1 train"),
            size_bytes=90_100_000,
            score=0.9315,
            instructions=5_080_000_000,
            latency_ms=85.6,
            energy_mj=310.0,
            recipe="float32",
        ),
        built=BuiltEnd(
            recipe="wi8_afp32",
            file="wi8_afp32.tflite",
            sha256=_sha("wi8_afp32"),
            size_bytes=16_100_000,
            lengths=(32, 128),
            runtime="ai-edge-litert 2.3.0",
            status="passed",
            cosine=0.9981,
            score=0.9204,
            costs=(
                LengthCost(32, 147_000_000, 1.5, 5.5),
                LengthCost(128, 588_000_000, 6.1, 22.0),
            ),
            whole_costs=(
                LengthCost(32, 1_210_000_000, 20.1, 75.0),
                LengthCost(128, 5_080_000_000, 85.6, 310.0),
            ),
            expected=(ExpectedText("banking77.csv", 1003, 1.6, 5.9, 21.0, 79.0),),
            early=EarlyEnd(0.9188, 2.31, "banking77.csv", 200, 120_000_000, 1.2, 4.4),
        ),
    )
