"""The result of `invoke export`: ONNX files, and how each compares with the float model."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge_bert.records.base import Record
from edge_bert.records.bundle import (
    CalibrationInfo,
    Count,
    ModelInfo,
    PackagedFile,
    Scores,
    Sha256,
)
from edge_bert.records.profile import Runtime

FORMAT_VERSION = 2
# A file in the export's folder or below it: no part is hidden or leads out.
RelativePath = Annotated[
    str,
    msgspec.Meta(
        max_length=1000,
        pattern=r"\A[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*){0,4}\Z",
    ),
]


class OnnxTiming(Record, frozen=True):
    """Milliseconds of one inference of `tokens` tokens on the machine of the export.

    Raw values are in the order of the rounds, which were interleaved with those of the others.
    """

    tokens: Annotated[int, msgspec.Meta(gt=0)]
    median_ms: float
    runs_ms: tuple[float, ...]


class OnnxArtifact(Record, frozen=True):
    """One file. `maker` is edge-bert, or the tool that made it for comparison; such a file has no
    place in the folder and no `file`. `difference` is the largest one to PyTorch's or Keras's
    float output, for float32 only. `warnings` say what the scores are not to be trusted for.
    """

    name: str
    maker: str
    sha256: Sha256
    size_bytes: Count
    operators: dict[str, Count]
    scores: Scores
    file: RelativePath | None = None
    difference: float | None = None
    timings: tuple[OnnxTiming, ...] = ()
    warnings: tuple[str, ...] = ()


class ServingFile(Record, frozen=True):
    """A file beside the models that a server or an engine builder needs."""

    file: RelativePath
    sha256: Sha256
    size_bytes: Count
    purpose: str


class OnnxExport(Record, frozen=True):
    """`manifest.json` of an export. `serving` is for `--to triton` and `--to tensorrt`."""

    format_version: int
    model: ModelInfo
    calibration: CalibrationInfo
    runtime: Runtime
    artifacts: Annotated[tuple[OnnxArtifact, ...], msgspec.Meta(min_length=1)]
    files: tuple[PackagedFile, ...]
    tool_versions: dict[str, str]
    machine: str
    serving: tuple[ServingFile, ...] = ()
