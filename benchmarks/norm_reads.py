"""How hybrid matrices should read LayerNorms: as the converter has it, or as calibration chooses.

    python -m benchmarks.norm_reads --models default,build/training/banking77-seed0 texts.txt

Prints for every model the squared error of `wi8_afp32` relative to the float32 file's outputs, in
1e-4, and the mean and least cosine, over texts that did not calibrate: the converter's form, and
the one that is built.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.float_deviation import run_file
from edge_bert.cli.console import error_boundary
from edge_bert.data.calibration import select_sentences
from edge_bert.data.sentence_files import read_sentences
from edge_bert.evaluate.drift import measure_drift
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.progress import no_progress
from edge_bert.quantize.apply_recipe import apply_weight_recipe
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.recipe import WI8_AFP32

DEFAULT = "default"  # the model that edge-bert takes by default
HEAD = "model\tconverter\tchosen\tcosine, converter\tcosine, chosen\n"


def describe_model(name: str, texts: Path, count: int) -> str:
    """A line of the table; half of the file's texts calibrate, and `count` others are scored."""
    sentences = read_sentences(texts)
    with TemporaryDirectory() as out:
        calibrating = Path(out) / "calibration.txt"
        calibrating.write_text("\n".join(sentences[::2]), "utf-8")
        model = None if name == DEFAULT else name
        options = BuildOptions(
            profile="pixel-9", model=model, out=out, calibration=str(calibrating)
        )
        session = BuildSession.open(options)
        others = select_sentences(sentences[1::2], count, seed=0).sentences
        float_file = artifacts.build_float_model(session, no_progress)
        expected = run_file(session, float_file, others)
        runtime = artifacts.host_runtime()
        files = [
            apply_weight_recipe(float_file, WI8_AFP32, runtime, None, None, norms)
            for norms in (None, session.norm_rows)
        ]
        outputs = [run_file(session, file, others) for file in files]
    errors = [f"{1e4 * _relative_error(values, expected):.2f}" for values in outputs]
    drifts = [measure_drift(values, expected) for values in outputs]
    cosines = [f"{drift.cosine_mean:.4f} / {drift.cosine_min:.4f}" for drift in drifts]
    return "\t".join([Path(name).name, *errors, *cosines])


def _relative_error(actual: FloatArray, expected: FloatArray) -> float:
    return float(np.sum((actual - expected) ** 2) / np.sum(expected**2))


def main() -> None:
    """Print a line for every model."""
    parser = argparse.ArgumentParser(description="How hybrid matrices read LayerNorms.")
    parser.add_argument("texts", type=Path, help="texts of the kind that the models are for")
    parser.add_argument("--models", default=DEFAULT, help="folders, comma separated, or default")
    parser.add_argument("--count", type=int, default=500, help="texts that are scored")
    arguments = parser.parse_args()
    with error_boundary():
        sys.stdout.write(HEAD)
        for name in arguments.models.split(","):
            sys.stdout.write(f"{describe_model(name, arguments.texts, arguments.count)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
