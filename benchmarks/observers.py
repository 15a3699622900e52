"""What each range estimator of activations costs the recipes with calibrated integers.

    python -m benchmarks.observers stsb:sts-dev.csv

Builds each recipe of `--recipes` with every estimator from the default calibration set, and prints
the cosine to float32 over all sentences of the data and the drop in Spearman, in points of 100.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.float_deviation import measure_deviation
from edge_bert.cli.console import error_boundary
from edge_bert.data.evaluation import parse_reference
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession, find_recipes
from edge_bert.quantize.integer.calibrate.calibrate import convert_integer
from edge_bert.quantize.integer.statistics.range_estimators import RangeEstimator


def main() -> None:
    """Print a line for every recipe and estimator."""
    parser = argparse.ArgumentParser(description="Calibrated files over range estimators.")
    parser.add_argument("data", help="pairs with scores, such as stsb:sts-dev.csv")
    parser.add_argument("--recipes", default="wi8_ai8,wi8_ai8_afp32")
    arguments = parser.parse_args()
    with error_boundary():
        data = parse_reference(arguments.data)
        session = BuildSession.open(BuildOptions(profile="pixel"))
        sys.stdout.write("recipe\testimator\tcosine mean\tcosine min\tSpearman drop\n")
        for recipe in find_recipes(arguments.recipes.split(",")):
            for estimator in RangeEstimator:
                bits = recipe.activation_bits
                file = convert_integer(session.calibrated, session.lengths, bits, estimator)
                deviation = measure_deviation(session, data, file)
                cosines = f"{deviation.cosine_mean:.4f}\t{deviation.cosine_min:.4f}"
                build = f"{recipe.name}\t{estimator.value}"
                sys.stdout.write(f"{build}\t{cosines}\t{deviation.drop:+.3f}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
