"""onnxruntime's own format, which its builds for phones read without a parser of ONNX."""

from __future__ import annotations

from pathlib import Path


def to_ort(source: Path, target: Path) -> None:
    """Write `source` (.onnx) as `target` (.ort), after the optimizations that fit any processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.graph_optimization_level = level
    options.optimized_model_filepath = str(target)
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
