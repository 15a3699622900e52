"""A made-up matrix of four devices and two models: every figure in it is invented."""

from __future__ import annotations

import hashlib

from edge_bert.records.matrix import FORMAT_VERSION, MatrixCell, MatrixFile, MatrixReport
from edge_bert.records.measurement import Evidence

MODELS = ("all-MiniLM-L6-v2", "tiny-bert")
DEVICES = {
    "pixel-9": "Google Pixel 9",
    "pixel-3a": "Google Pixel 3a",
    "wear-watch": "A Wear OS watch of the Pixel Watch 2's class",
    "raspberry-pi-4": "Raspberry Pi 4",
}


def _sha(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


def file(profile: str, model: str, scale: float = 1.0) -> MatrixFile:
    """A file with every figure, emulated and modelled, that keeps its budget."""
    return MatrixFile(
        folder=f"{model}-12345678/{profile}",
        artifact="wi8_afp32",
        file="wi8_afp32.tflite",
        sha256=_sha(f"{profile} {model}"),
        size_bytes=int(23_400_000 * scale),
        score=0.8661,
        score_of="Spearman on stsb dev",
        length=128,
        latency_ms=9.43 * scale,
        evidence=Evidence.EMULATED,
        energy_mj=33.1 * scale,
        energy_kind="modelled",
        limits=4,
    )


def cell(profile: str, model: str, built: MatrixFile) -> MatrixCell:
    """A built cell."""
    return MatrixCell(
        profile=profile,
        device=DEVICES.get(profile, profile),
        model=model,
        model_sha256=_sha(model),
        status="built",
        built=built,
    )


def without(profile: str, model: str, status: str, reason: str) -> MatrixCell:
    """A cell that has no bundle."""
    return MatrixCell(
        profile=profile,
        device=DEVICES.get(profile, profile),
        model=model,
        model_sha256=_sha(model),
        status="failed" if status == "failed" else "nothing fits",
        reason=reason,
    )


def report() -> MatrixReport:
    """Every state that a cell can have."""
    from msgspec.structs import replace

    minilm, small = MODELS
    missed = replace(file("pixel-3a", minilm, 3.0), missed=("Latency at 128 tokens",))
    bare = replace(
        file("raspberry-pi-4", small, 0.3),
        latency_ms=None,
        evidence=None,
        energy_mj=None,
        energy_kind=None,
        score=0.98996,
        score_of="cosine to float32",
        not_measured=("Latency at 128 tokens", "Peak memory"),
    )
    cells = (
        cell("pixel-9", minilm, file("pixel-9", minilm)),
        cell("pixel-9", small, replace(file("pixel-9", small, 0.2), limits=0)),
        cell("pixel-3a", minilm, missed),
        cell("pixel-3a", small, replace(file("pixel-3a", small, 0.4), evidence=Evidence.DEVICE,
                                        energy_kind="measured")),
        without("wear-watch", minilm, "nothing fits", "No candidate is below 8.00 MB."),
        cell("wear-watch", small, replace(file("wear-watch", small, 0.3),
                                          made_smaller="layers 0 2 5")),
        without("raspberry-pi-4", minilm, "failed", "The disk is full."),
        cell("raspberry-pi-4", small, bare),
    )  # fmt: skip
    return MatrixReport(format_version=FORMAT_VERSION, cells=cells)
