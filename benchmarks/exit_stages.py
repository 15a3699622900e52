"""What the stages of a model with exits cost: bytes of the file, and time against the whole path.

    python -m benchmarks.exit_stages build/NAME/*.tflite

Prints for every file its bytes, those of the exits' heads, those that the stages add per length
bucket, and for its shortest and its longest bucket the time of the whole path and of all stages one
after the other: medians of one thread's processor time, both in turn, in milliseconds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge_bert.cli.console import error_boundary
from edge_bert.errors import InputError
from edge_bert.formats.tflite import flatbuffer
from edge_bert.formats.tflite.inspect import inspect_bytes
from edge_bert.records.bundle import Signature, Stage
from edge_bert.records.stage_names import ROWS, parse_stage_name

HEAD = "file\tbytes\theads\tstages, a bucket\tbucket\twhole\tstages\tratio\n"
WARM_UP = 3
Steps = Mapping[str, Signature | Stage]  # signatures that run one after the other


def describe_file(path: Path, repetitions: int) -> Iterator[str]:
    """The lines of a file. Raises InputError for one without stages."""
    from ai_edge_litert.interpreter import Interpreter

    data = path.read_bytes()
    contents = inspect_bytes(data, path.name)
    if not contents.stages:
        raise InputError(f"{path} has no stages; build a model that `invoke exits` made.")
    heads, added = _count_bytes(data)
    interpreter = Interpreter(model_content=data, num_threads=1)
    signatures = list(contents.signatures.items())
    for name, signature in dict([signatures[0], signatures[-1]]).items():
        stages: Steps = {x: s for x, s in contents.stages.items() if s.length == signature.length}
        whole, staged = _time_paths(interpreter, {name: signature}, stages, repetitions)
        sizes = [len(data), heads, round(added / len(signatures))]
        times = [f"{whole:.2f}", f"{staged:.2f}", f"{staged / whole:.3f}"]
        yield "\t".join([path.stem, *map(str, [*sizes, signature.length, *times])])


def _count_bytes(data: bytes) -> tuple[int, int]:
    """The constants that only stages read, which are the heads of exits, and the stages' graphs."""
    once = len(flatbuffer.write_model(flatbuffer.read_model(data))) > len(data)
    model = flatbuffer.read_model(data)
    constants = _constant_bytes(model)
    whole = [x for x in model.signatureDefs if parse_stage_name(x.signatureKey.decode()) is None]
    model.subgraphs = [model.subgraphs[entry.subgraphIndex] for entry in whole]
    for index, entry in enumerate(whole):
        entry.subgraphIndex = index
    model.signatureDefs = whole
    size = len(flatbuffer.write_model(model, writes_once=once))  # as the file was written
    heads = constants - _constant_bytes(model)
    return heads, len(data) - size - heads


def _constant_bytes(model: Any) -> int:
    return sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)


def _time_paths(
    interpreter: Any,
    whole: Steps,
    stages: Steps,
    repetitions: int,
) -> tuple[float, float]:
    """Medians of the whole path and of its stages together."""
    random = np.random.default_rng(0)
    (length,) = (signature.length for signature in whole.values())
    texts: dict[str, Any] = {
        "input_ids": random.integers(1, 100, (1, length)).astype(np.int32),
        "attention_mask": np.ones((1, length), np.int32),
        "token_type_ids": np.zeros((1, length), np.int32),
    }
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(WARM_UP + repetitions):
        for path, noted in zip((whole, stages), times, strict=True):
            noted.append(_time_run(interpreter, path, texts))
    return statistics.median(times[0][WARM_UP:]), statistics.median(times[1][WARM_UP:])


def _time_run(interpreter: Any, path: Steps, texts: Mapping[str, Any]) -> float:
    spent_ms, values = 0.0, dict(texts)
    for name, part in path.items():
        runner = interpreter.get_signature_runner(name)
        inputs = {spec.name: values[spec.name] for spec in part.inputs}
        started = time.thread_time()
        outputs = runner(**inputs)
        spent_ms += 1000 * (time.thread_time() - started)
        values[ROWS] = outputs.get(ROWS)
    return spent_ms


def main() -> None:
    """Print two lines for every file."""
    parser = argparse.ArgumentParser(description="What the stages of a model with exits cost.")
    parser.add_argument("files", type=Path, nargs="+", help="files of a bundle with exits")
    parser.add_argument("--repetitions", type=int, default=20, help="runs of each path")
    arguments = parser.parse_args()
    with error_boundary():
        sys.stdout.write(HEAD)
        for path in arguments.files:
            for line in describe_file(path, arguments.repetitions):
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
