"""What `Bundle.encode` costs beyond the runtime, and how long a bundle takes to open, in one run.

    python -m benchmarks.encode_speed build/pixel --artifacts wi8_afp32,float32 --threads 2

The bare runtime gets inputs that were tokenized and padded before, in the order of the texts, and
its signatures' runners are kept; it leaves its outputs as they are. Rounds are interleaved: in
each, the bare runtime, `encode` with one thread and `encode` with several take the same texts.

Times are those of the processor (all threads of this process), so that other programs do not count;
only the gain of several threads is by the clock.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge_bert import Bundle
from edge_bert.cli.console import error_boundary
from edge_bert.data.buckets import choose_bucket, pad_encoding
from edge_bert.data.calibration import default_sentences
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.records.checkpoint import FloatArray

ROUNDS = 15
TEXTS = 64
HEAD = (
    "artifact\tbare ms\tencode ms\tratio (p25 to p75)\tgain of {} threads\topen ms\tfirst text ms\n"
)
Run = Callable[[], object]


def make_bare_run(folder: Path, artifact_name: str, texts: Sequence[str]) -> Run:
    """The interpreter alone on `texts`, which are tokenized and padded here, before it is timed."""
    from ai_edge_litert.interpreter import Interpreter

    manifest = Bundle.open(folder).manifest
    (artifact,) = (item for item in manifest.artifacts if item.name == artifact_name)
    tokenizer = Tokenizer.open(folder / "tokenizer.json", manifest.model.max_length)
    interpreter = Interpreter(str(folder / artifact.file), num_threads=1)
    runners = {
        signature.length: (
            interpreter.get_signature_runner(name),
            [spec.name for spec in signature.inputs],
        )
        for name, signature in artifact.signatures.items()
    }
    jobs = []
    for encoding in tokenizer.encode_batch(texts):
        length = choose_bucket(len(encoding), runners)
        runner, names = runners[length]
        jobs.append((runner, pad_encoding(encoding, length, tokenizer.pad_id, names)))
    return lambda: [runner(**inputs) for runner, inputs in jobs]


class Times(NamedTuple):
    """Seconds of one run in each round: of the processor, and by the clock."""

    processor: FloatArray
    clock: FloatArray


def time_rounds(runs: Mapping[str, Run], rounds: int = ROUNDS) -> dict[str, Times]:
    """The times of each run in each round, after one round that is not timed."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            before = time.process_time(), time.perf_counter()
            run()
            after = time.process_time(), time.perf_counter()
            times[name].append((after[0] - before[0], after[1] - before[1]))
    arrays = {name: np.array(values[1:], np.float32) for name, values in times.items()}
    return {name: Times(values[:, 0], values[:, 1]) for name, values in arrays.items()}


def time_opening(folder: Path, artifact: str, rounds: int = ROUNDS) -> tuple[float, float]:
    """Median seconds of `Bundle.open`, and of the first text after it (hash, map, plan, run)."""
    opened, first = [], []
    for _ in range(rounds):
        started = time.process_time()
        bundle = Bundle.open(folder)
        opened.append(time.process_time() - started)
        bundle.encode(["a text"], artifact=artifact)
        first.append(time.process_time() - started - opened[-1])
    return float(np.median(opened)), float(np.median(first))


def measure_artifact(folder: Path, artifact: str, texts: Sequence[str], threads: int) -> str:
    """A line of the table: milliseconds per text, medians of the rounds."""
    bundle = Bundle.open(folder)
    runs: dict[str, Run] = {
        "bare": make_bare_run(folder, artifact, texts),
        "one": lambda: bundle.encode(texts, artifact=artifact),
        "several": lambda: bundle.encode(texts, artifact=artifact, threads=threads),
    }
    times = time_rounds(runs)
    ratios = times["one"].processor / times["bare"].processor
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    bare, one = (1e3 * np.median(times[name].processor) / len(texts) for name in ("bare", "one"))
    gain = np.median(times["one"].clock / times["several"].clock)
    opened, first = (1e3 * seconds for seconds in time_opening(folder, artifact))
    return (
        f"{artifact}\t{bare:.3f}\t{one:.3f}\t{middle:.3f} ({low:.3f} to {high:.3f})\t"
        f"{gain:.2f}\t{opened:.0f}\t{first:.0f}\n"
    )


def main() -> None:
    """Print a line for every artifact."""
    parser = argparse.ArgumentParser(description="Bundle.encode beside the bare runtime.")
    parser.add_argument("bundle", type=Path, help="the folder of a bundle")
    parser.add_argument("--artifacts", help="names, comma-separated; all by default")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    with error_boundary():
        manifest = Bundle.open(arguments.bundle).manifest
        names = [artifact.name for artifact in manifest.artifacts]
        if arguments.artifacts:
            names = arguments.artifacts.split(",")
        texts = default_sentences()[:TEXTS]
        sys.stdout.write(HEAD.format(arguments.threads))
        for name in names:
            sys.stdout.write(measure_artifact(arguments.bundle, name, texts, arguments.threads))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
