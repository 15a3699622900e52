"""How training's integers differ from the runtime's, operator by operator.

    python -m benchmarks.integer_codes --model build/checkpoints/NAME --recipe wi8_ai8

Held-out sentences are run on the host's runtime in the bucket of 32 tokens. Every operator of the
graph that training runs then gets the inputs that the runtime gave it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.cli.console import error_boundary
from edge_bert.compress.train.backends.choose_backend import start_backend
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.train.qat.compare_codes import compare_codes
from edge_bert.pipeline.train.qat.integer_start import start_encoder
from edge_bert.progress import no_progress
from edge_bert.records.code_agreement import CodeAgreement
from edge_bert.records.recipe import RECIPES

LENGTH = 32


def run_comparison(model: str | None, name: str, count: int) -> tuple[CodeAgreement, ...]:
    """The agreement on the first `count` held-out sentences that fit into the bucket."""
    recipe = RECIPES[name]
    session = BuildSession.open(
        BuildOptions("pixel", model=model, recipes=(name,), lengths=(LENGTH,))
    )
    learned = session.learned_for(recipe)
    if learned is None:
        calibrated = start_encoder(session.calibrated, recipe)
    else:
        calibrated = learned.complete(session.weights)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.tflite"
        path.write_bytes(artifacts.build_artifact(session, recipe, no_progress))
        inputs = pad_sentences(session, session.calibration.held_out, count)
        return compare_codes(calibrated, recipe, path, inputs)


def pad_sentences(
    session: BuildSession, sentences: Sequence[str], count: int
) -> dict[str, npt.NDArray[Any]]:
    """Inputs [count, LENGTH] of the first sentences that fit."""
    rows = [
        row
        for row in session.encode_inputs(sentences[: 4 * count])
        if row["input_ids"].shape[1] <= LENGTH
    ][:count]
    inputs = {name: np.zeros((len(rows), LENGTH), np.int32) for name in rows[0]}
    for index, row in enumerate(rows):
        for name, values in row.items():
            inputs[name][index, : values.shape[1]] = values[0]
    return inputs


def main() -> int:
    """Print a line for each kind of operator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--recipe", default="wi8_ai8")
    parser.add_argument("--sentences", type=int, default=8)
    options = parser.parse_args()
    start_backend(1)
    lines = [f"{'operator':<18}{'integers':>12}{'differ':>10}{'share':>10}{'steps':>7}"]
    for one in run_comparison(options.model, options.recipe, options.sentences):
        share = f"{100 * one.differing / one.values:.3f} %"
        counts = f"{one.values:>12}{one.differing:>10}{share:>10}{one.largest:>7}"
        lines.append(f"{one.operator:<18}{counts}")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    with error_boundary():
        sys.exit(main())
