"""Compile one `.tflite` file for an NPU; started by `npu_compiler.py`, never imported.

    python npu_worker.py MODEL FOLDER VENDOR CHIP [FLAG=VALUE …]

VENDOR is a module of `ai_edge_litert.aot.vendors`, CHIP one of its `SocModel`; flags are those of
the vendor's plugin. Leaves `compiled.tflite` in FOLDER. The last line on stdout is JSON: the
operators that the plugin took, `{"subgraphs": [{"taken", "of", "parts"}]}`, or `{"error": ...}`
with exit status 1.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

# How the library names the file that it leaves its tool's output in.
LOG = re.compile(r"See (\S+) for details")


def main(arguments: list[str]) -> int:
    """Compile; print the JSON line; 0 if all went well, else 1."""
    try:
        answer: dict[str, Any] = {"subgraphs": compile_for(*arguments)}
    except Exception as error:  # whatever a vendor's tool throws must reach the caller as data
        answer = {"error": f"{type(error).__name__}: {_reason(str(error))}"}
    print(json.dumps(answer), flush=True)  # noqa: T201 - stdout is the interface
    return 1 if "error" in answer else 0


def compile_for(
    model: str, folder: str, vendor: str, chip: str, *flags: str
) -> list[dict[str, int]]:
    """What the plugin took of each subgraph; raises what the library raises."""
    from ai_edge_litert.aot import aot_compile

    target = importlib.import_module(f"ai_edge_litert.aot.vendors.{vendor}.target")
    found = aot_compile.aot_compile(
        model,
        output_dir=folder,
        target=target.Target(target.SocModel(chip)),
        keep_going=False,
        **dict(flag.split("=", 1) for flag in flags),
    )
    ((_, compiled),) = found.models_with_backend
    compiled.path.rename(Path(folder) / "compiled.tflite")
    return [
        {"taken": each.num_ops_offloaded, "of": each.num_total_ops, "parts": _parts(each)}
        for each in compiled.partition_stats.subgraph_stats
    ]


def _parts(stats: Any) -> int:
    return int(stats.num_partitions_offloaded)


def _reason(message: str) -> str:
    """The tool's own errors where the library only says which file they are in."""
    named = LOG.search(message)
    if named is None:
        return " ".join(message.split())[:400]
    log = Path(named[1])
    lines = log.read_text(errors="replace").splitlines()
    log.unlink()
    told = [line for line in lines if "ERROR" in line or "Could not" in line]
    return " ".join(" ".join(told or lines[-1:]).split())[:400]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
