"""How much a calibrated file depends on which sentences it was calibrated with.

    python -m benchmarks.calibration_seeds stsb:sts-dev.csv --counts 32,128,256 --seeds 5

Builds every recipe of `--recipes` once for every count and seed and prints, per build, the cosine
to float32 over all sentences of the data (mean and minimum) and the drop in Spearman, in points of
100; then, per recipe and count, the mean and the standard deviation over the seeds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_bert.console import plainly
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.evaluate.drift import drift
from edge_bert.evaluate.labels import score_pairs
from edge_bert.pipeline import convert, running
from edge_bert.pipeline.build import host_runtime
from edge_bert.pipeline.request import BuildRequest, chosen_recipes, prepare
from edge_bert.progress import silent
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.recipe import Recipe

HEADER = "recipe\tcount\tseed\tcosine mean\tcosine min\tSpearman drop\n"


@dataclass(frozen=True)
class Row:
    """One build and what it shows; `drop` is in points of 100."""

    recipe: str
    count: int
    seed: int
    mean: float
    least: float
    drop: float

    def __str__(self) -> str:
        build = f"{self.recipe}\t{self.count}\t{self.seed}"
        return f"{build}\t{self.mean:.4f}\t{self.least:.4f}\t{self.drop:+.3f}\n"


def outputs(request: BuildRequest, data: bytes, sentences: tuple[str, ...]) -> FloatArray:
    """Embeddings of `sentences` from the file whose bytes are `data`."""
    tokenizer = convert.tokenizer_of(request)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(data)
        subject = running.Subject.of(path, request.checkpoint.head)
        encodings = tokenizer.encode_batch(sentences)
        return running.outputs(subject, encodings, tokenizer.pad_id, host_runtime())


def rows_of(count: int, seed: int, recipes: tuple[Recipe, ...], data: EvaluationSet) -> list[Row]:
    """One calibration, and a build of each recipe from it."""
    request = prepare("pixel", calibration_count=count, seed=seed)
    sentences = tuple(dict.fromkeys(data.sentences + data.second))
    whole = convert.float_model(request, silent)
    reference = outputs(request, whole, sentences)
    best = _score(data, sentences, reference)
    rows = []
    for recipe in recipes:
        file = convert.artifact(request, whole, recipe, silent)
        found = outputs(request, file, sentences)
        away, drop = drift(found, reference), best - _score(data, sentences, found)
        rows.append(Row(recipe.name, count, seed, away.cosine_mean, away.cosine_min, drop))
    return rows


def _score(data: EvaluationSet, sentences: tuple[str, ...], values: FloatArray) -> float:
    """Spearman in points of 100."""
    place = {sentence: index for index, sentence in enumerate(sentences)}
    first = values[[place[sentence] for sentence in data.sentences]]
    second = values[[place[sentence] for sentence in data.second]]
    labels = [float(label) for label in data.labels]
    return 100 * score_pairs(data.name, first, second, labels).value


def summary(rows: list[Row]) -> Iterator[str]:
    """Mean and standard deviation over the seeds, a line for each recipe and count."""
    yield "recipe\tcount\tcosine mean\tcosine min\tSpearman drop\n"
    for recipe, count in dict.fromkeys((row.recipe, row.count) for row in rows):
        alike = [row for row in rows if (row.recipe, row.count) == (recipe, count)]
        values = np.array([(row.mean, row.least, row.drop) for row in alike])
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
    with plainly():
        data = parse_reference(arguments.data)
        recipes = chosen_recipes(arguments.recipes.split(","))
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
