"""Scripts that build a TensorRT engine from a QDQ ONNX file on a machine with an NVIDIA GPU."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edge_bert.store import content_store

ENGINE, SHAPES = "model.plan", "engine.json"
BUILDER, MEASURER = "build_engine.sh", "measure_engine.py"
SCRIPT = Path(__file__).resolve().parent / MEASURER


@dataclass(frozen=True)
class EnginePlan:
    """The builder's input: the file, its tensors, ids, and shapes [batch, length].

    TensorRT tunes its kernels for `best` and takes all shapes from `least` to `most`.
    """

    onnx: str
    inputs: Sequence[str]
    output: str
    vocabulary: int
    least: tuple[int, int]
    best: tuple[int, int]
    most: tuple[int, int]


def plan_engine(
    onnx: str,
    inputs: Sequence[str],
    output: str,
    *,
    vocabulary: int,
    lengths: Sequence[int],
    max_batch: int,
) -> EnginePlan:
    """Any batch up to `max_batch`, any length up to the longest; best for the middle of both."""
    ordered = sorted(lengths)
    best = (max(1, max_batch // 4), ordered[len(ordered) // 2])
    most = (max_batch, ordered[-1])
    return EnginePlan(onnx, tuple(inputs), output, vocabulary, (1, 1), best, most)


def write_engine_files(folder: Path, plan: EnginePlan) -> list[Path]:
    """The builder's script, the measuring script and the shapes that it reads, in `folder`."""
    paths = [folder / name for name in (BUILDER, MEASURER, SHAPES)]
    content_store.write_atomic(paths[0], build_script(plan).encode())
    paths[0].chmod(0o755)
    content_store.write_atomic(paths[1], SCRIPT.read_bytes())
    content_store.write_atomic(paths[2], json.dumps(asdict(plan), indent=2).encode() + b"\n")
    return paths


def trtexec_arguments(plan: EnginePlan) -> list[str]:
    """The arguments of TensorRT's own builder.

    Strongly typed: every tensor has the type that the file says. TensorRT 11 has no other mode
    (its "Migrating from 10.x to 11.x"); 10 needs the flag.
    """

    def shapes(shape: tuple[int, int]) -> str:
        return ",".join(f"{name}:{shape[0]}x{shape[1]}" for name in plan.inputs)

    return [
        "trtexec",
        f"--onnx={plan.onnx}",
        f"--saveEngine={ENGINE}",
        "--stronglyTyped",
        f"--minShapes={shapes(plan.least)}",
        f"--optShapes={shapes(plan.best)}",
        f"--maxShapes={shapes(plan.most)}",
    ]


def build_script(plan: EnginePlan) -> str:
    """`build_engine.sh`: runs anywhere, takes further options of trtexec."""
    command = " \\\n  ".join(shlex.quote(argument) for argument in trtexec_arguments(plan))
    return f"""#!/bin/sh
# Builds {ENGINE} here, for the GPU of this machine and this version of TensorRT only.
set -eu
cd -- "$(dirname -- "$0")"
if ! command -v trtexec > /dev/null; then
  echo "trtexec is not installed here; it comes with TensorRT. See {MEASURER} too." >&2
  exit 3
fi
exec {command} \\
  "$@"
"""
