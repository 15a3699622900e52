"""ONNX files of a model: ours by recipe, and those of onnxruntime's quantizers to compare with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.export.options import SYMMETRIC
from edge_bert.progress import Progress
from edge_bert.quantize.onnx import ort_quantizer
from edge_bert.quantize.onnx.convert import write_float_onnx, write_int8_onnx
from edge_bert.quantize.onnx.ort_format import to_ort

OURS = "edge-bert"


@dataclass(frozen=True)
class ExportFile:
    """A model file on disk, and which tool made it; those of other tools are not kept."""

    name: str
    maker: str
    path: Path

    @property
    def kept(self) -> bool:
        """Whether it belongs to the export."""
        return self.maker == OURS


def write_onnx_file(
    session: BuildSession, recipe: str, folder: Path, progress: Progress
) -> ExportFile:
    """Write the model in `folder`, quantized by `recipe`."""
    progress(f"{recipe}: writing the ONNX graph")
    writers: dict[str, Callable[[], bytes]] = {
        "float32": lambda: write_float_onnx(session.weights),
        "float16": lambda: write_float_onnx(session.weights, "float16"),
        "wi8_ai8_afp32": lambda: write_int8_onnx(session.calibrated),
        SYMMETRIC: lambda: write_int8_onnx(session.calibrated, signed=True),
    }
    path = folder / f"{recipe}.onnx"
    path.write_bytes(writers[recipe]())
    return ExportFile(recipe, OURS, path)


def write_ort_file(file: ExportFile) -> ExportFile:
    """Write an ONNX file in onnxruntime's own format beside it."""
    path = file.path.with_suffix(".ort")
    to_ort(file.path, path)
    return ExportFile(f"{file.name}.ort", OURS, path)


def quantize_with_onnxruntime(
    session: BuildSession, folder: Path, progress: Progress
) -> list[ExportFile]:
    """onnxruntime's int8 files of our float32 file, on our calibration set.

    Dynamic, static of all operators, and static of those that we quantize.
    """
    source = folder / "float32.onnx"
    source.write_bytes(write_float_onnx(session.weights))
    progress("onnxruntime: its own dynamic and static quantization, to compare with")
    inputs = session.calibration_inputs
    quantizers: dict[str, Callable[[Path], None]] = {
        "dynamic int8": lambda path: ort_quantizer.quantize_dynamic(source, path),
        "static int8": lambda path: ort_quantizer.quantize_static(source, path, inputs),
        "static int8 of matrices": lambda path: ort_quantizer.quantize_static(
            source, path, inputs, ort_quantizer.MATRICES
        ),
    }
    files = []
    for name, quantize in quantizers.items():
        path = folder / f"{name.replace(' ', '_')}.onnx"
        quantize(path)
        files.append(ExportFile(name, f"onnxruntime {metadata.version('onnxruntime')}", path))
    return files
