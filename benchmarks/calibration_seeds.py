"""How much a calibrated file depends on its calibration sentences.

    python -m benchmarks.calibration_seeds stsb:sts-dev.csv --counts 32,128,256 --seeds 5

Builds every recipe of `--recipes` once for every count and seed and prints, per build, the cosine
to float32 over all sentences of the data (mean and minimum) and the drop in Spearman, in points of
100; then, per recipe and count, the mean and the standard deviation over the seeds.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator

import numpy as np

from benchmarks.float_deviation import FloatDeviation, measure_deviation
from edge_bert.cli.console import error_boundary
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession, find_recipes
from edge_bert.progress import no_progress
from edge_bert.records.recipe import Recipe

HEADER = "recipe\tcount\tseed\tcosine mean\tcosine min\tSpearman drop\n"


@dataclasses.dataclass(frozen=True)
class SeedRow:
    """One build and its deviation from float32."""

    recipe: str
    count: int
    seed: int
    deviation: FloatDeviation

    def __str__(self) -> str:
        build, deviation = f"{self.recipe}\t{self.count}\t{self.seed}", self.deviation
        cosines = f"{deviation.cosine_mean:.4f}\t{deviation.cosine_min:.4f}"
        return f"{build}\t{cosines}\t{deviation.drop:+.3f}\n"


def build_rows(
    count: int, seed: int, recipes: tuple[Recipe, ...], data: EvaluationSet
) -> Iterator[SeedRow]:
    """A build of each recipe from one calibration."""
    session = BuildSession.open(BuildOptions(profile="pixel", calibration_count=count, seed=seed))
    for recipe in recipes:
        file = artifacts.build_artifact(session, recipe, no_progress)
        yield SeedRow(recipe.name, count, seed, measure_deviation(session, data, file))


def summarize_rows(rows: list[SeedRow]) -> Iterator[str]:
    """Mean and standard deviation over the seeds, a line for each recipe and count."""
    yield "recipe\tcount\tcosine mean\tcosine min\tSpearman drop\n"
    for recipe, count in dict.fromkeys((row.recipe, row.count) for row in rows):
        deviations = [row.deviation for row in rows if (row.recipe, row.count) == (recipe, count)]
        values = np.array([dataclasses.astuple(deviation) for deviation in deviations])
        mean, spread = values.mean(axis=0), values.std(axis=0)
        columns = [
            f"{mean[0]:.4f} ± {spread[0]:.4f}",
            f"{mean[1]:.4f} ± {spread[1]:.4f}",
            f"{mean[2]:+.3f} ± {spread[2]:.3f}",
        ]
        yield "\t".join([recipe, str(count), *columns]) + "\n"


def main() -> None:
    """Print a line for every build, then the summary."""
    parser = argparse.ArgumentParser(description="Calibrated files over calibration sets.")
    parser.add_argument("data", help="pairs with scores, such as stsb:sts-dev.csv")
    parser.add_argument("--counts", default="32,128,256")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--recipes", default="wi8_ai8,wi8_ai8_afp32")
    arguments = parser.parse_args()
    with error_boundary():
        data = parse_reference(arguments.data)
        recipes = find_recipes(arguments.recipes.split(","))
        sys.stdout.write(HEADER)
        rows: list[SeedRow] = []
        for count in map(int, arguments.counts.split(",")):
            for seed in range(arguments.seeds):
                for row in build_rows(count, seed, recipes, data):
                    rows.append(row)
                    sys.stdout.write(str(row))
                    sys.stdout.flush()
        sys.stdout.writelines(summarize_rows(rows))


if __name__ == "__main__":
    main()
