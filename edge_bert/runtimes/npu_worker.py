"""Compile a `.tflite` file for an NPU with ai-edge-litert; called through `worker.py`."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np

# How the library names the file that it leaves its tool's output in.
LOG = re.compile(r"See (\S+) for details")
MAX_LOG_LETTERS = 4_000_000

Model = dict[str, dict[str, Any]]


def compile_model(request: dict[str, Any], _inputs: Model) -> tuple[list[dict[str, int]], Model]:
    """The compiled file, and what the plugin took of each subgraph.

    `vendor` is a module of `ai_edge_litert.aot.vendors`, `chip` one of its `SocModel`; `flags` are
    those of the vendor's plugin.
    """
    from ai_edge_litert.aot import aot_compile

    target = importlib.import_module(f"ai_edge_litert.aot.vendors.{request['vendor']}.target")
    try:
        result = aot_compile.aot_compile(
            request["model"],
            output_dir=str(Path.cwd()),
            target=target.Target(target.SocModel(request["chip"])),
            keep_going=False,
            **request["flags"],
        )
    except Exception as error:  # whatever a vendor's tool throws
        raise RuntimeError(f"{type(error).__name__}: {_find_reason(str(error))}") from error
    ((_, compiled),) = result.models_with_backend
    subgraphs = [
        {
            "offloaded": stats.num_ops_offloaded,
            "operators": stats.num_total_ops,
            "partitions": int(stats.num_partitions_offloaded),
        }
        for stats in compiled.partition_stats.subgraph_stats
    ]
    return subgraphs, {"compiled": {"model": np.fromfile(compiled.path, np.uint8)}}


def _find_reason(message: str) -> str:
    """The tool's own errors where the library only says which file they are in."""
    match = LOG.search(message)
    if match is None:
        return message
    log = Path(match[1])
    with log.open(errors="replace") as stream:
        lines = stream.read(MAX_LOG_LETTERS).splitlines()
    log.unlink()
    errors = [line for line in lines if "ERROR" in line or "Could not" in line]
    return " ".join(errors or lines[-1:])
