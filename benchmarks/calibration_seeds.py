"""How much a calibrated file depends on which sentences it was calibrated with.

    python -m benchmarks.calibration_seeds stsb:sts-dev.csv --counts 32,128,256 --seeds 5

Builds every recipe of `--recipes` once for every count and seed and prints, per build, the cosine
to float32 over all sentences of the data (mean and minimum) and the drop in Spearman, in points of
100; then, per recipe and count, the mean and the standard deviation over the seeds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.whole_file import Away, away
from edge_bert.cli.console import error_boundary
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession, find_recipes
from edge_bert.progress import no_progress
from edge_bert.records.recipe import Recipe

HEADER = "recipe\tcount\tseed\tcosine mean\tcosine min\tSpearman drop\n"


@dataclass(frozen=True)
class Row:
    """One build and what it shows."""

    recipe: str
    count: int
    seed: int
    away: Away

    def __str__(self) -> str:
        build = f"{self.recipe}\t{self.count}\t{self.seed}"
        return f"{build}\t{self.away.mean:.4f}\t{self.away.least:.4f}\t{self.away.drop:+.3f}\n"


def rows_of(count: int, seed: int, recipes: tuple[Recipe, ...], data: EvaluationSet) -> list[Row]:
    """One calibration, and a build of each recipe from it."""
    session = BuildSession.open(BuildOptions(profile="pixel", calibration_count=count, seed=seed))
    whole = artifacts.build_float_model(session, no_progress)
    return [
        Row(
            recipe.name,
            count,
            seed,
            away(session, data, artifacts.build_artifact(session, whole, recipe, no_progress)),
        )
        for recipe in recipes
    ]


def summary(rows: list[Row]) -> Iterator[str]:
    """Mean and standard deviation over the seeds, a line for each recipe and count."""
    yield "recipe\tcount\tcosine mean\tcosine min\tSpearman drop\n"
    for recipe, count in dict.fromkeys((row.recipe, row.count) for row in rows):
        alike = [row for row in rows if (row.recipe, row.count) == (recipe, count)]
        values = np.array([(row.away.mean, row.away.least, row.away.drop) for row in alike])
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
        rows: list[Row] = []
        for count in map(int, arguments.counts.split(",")):
            for seed in range(arguments.seeds):
                found = rows_of(count, seed, recipes, data)
                rows += found
                sys.stdout.writelines(map(str, found))
                sys.stdout.flush()
        sys.stdout.writelines(summary(rows))


if __name__ == "__main__":
    main()
