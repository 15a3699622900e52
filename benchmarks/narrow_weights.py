"""Weights of less than 8 bits: size, score and instructions beside those of 8 bits, untrained.

    python -m benchmarks.narrow_weights stsb:sts-dev.csv
    python -m benchmarks.narrow_weights stsb:sts-dev.csv --pairs 300 --recipes wi8_afp32,wi4c_afp32
    python -m benchmarks.narrow_weights stsb:sts-dev.csv --variants --count pixel-5,galaxy-s24

Prints each file's size, how far the computed size is from it, the drop in Spearman (points of 100;
below 0 it rose) and the cosine to float32 over all sentences of the data. `--count` also counts
the instructions of 128 tokens on the fastest core of each profile, under emulation.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.float_deviation import measure_deviation, run_float_file, take_first_pairs
from edge_bert.cli.console import error_boundary
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.estimate.file_size import predict_size
from edge_bert.pipeline.bench.emulated import open_counter
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.sizing.emulated_cost import write_candidate
from edge_bert.profiles import load_profile
from edge_bert.progress import no_progress
from edge_bert.quantize.apply_recipe import apply_weight_recipe
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.recipe import RECIPES, WI2C_AFP32, Recipe
from edge_bert.records.weight_bits import WeightBits

LENGTH = 128
DEFAULT = "wi8_afp32,wi4_afp32,wi4c_afp32,wi2c_afp32,wi8_ai8_afp32,wi4c_ai8_afp32,wi8_ai8,wi4c_ai8"
HEAD = "file\tMB\tcomputed\tSpearman drop\tcosine mean\tcosine min\n"
WIDE = {  # what keeps four bits in a file of two
    "the last layer": ((-1,), ()),
    "value and attention_output": ((), ("value", "attention_output")),
    "ffn_in and ffn_out": ((), ("ffn_in", "ffn_out")),
}


def vary_two_bits(layers: int) -> Iterator[tuple[str, WeightBits]]:
    """Two bits with something in four, and with the table as codebooks."""
    for title, (wide_layers, roles) in WIDE.items():
        bits = tuple(4 if layer - layers in wide_layers else 2 for layer in range(layers))
        yield (
            f"wi2c_afp32, 4 bits in {title}",
            WeightBits(matrix_bits=bits, embedding_bits=4, matrix_block=0, wide_roles=roles),
        )
    two = WeightBits(matrix_bits=(2,) * layers, embedding_bits=2, matrix_block=0)
    yield "wi2c_afp32, codebooks", two


def build_files(
    session: BuildSession, recipes: Sequence[Recipe], variants: bool
) -> Iterator[tuple[str, Recipe, WeightBits | None, bytes]]:
    """A title, the recipe, its bits and the bytes of every file."""
    for recipe in recipes:
        yield recipe.name, recipe, None, artifacts.build_artifact(session, recipe, no_progress)
        if variants and recipe == WI2C_AFP32:
            float_file, runtime = (
                artifacts.build_float_model(session, no_progress),
                artifacts.host_runtime(),
            )
            for title, bits in vary_two_bits(session.weights.config.layers):
                yield (
                    title,
                    recipe,
                    bits,
                    apply_weight_recipe(
                        float_file, recipe, runtime, bits, session.hessians, session.norm_rows
                    ),
                )


def format_size(session: BuildSession, recipe: Recipe, bits: WeightBits | None, file: bytes) -> str:
    """The size of a file in MB, and the computed one beside it, tab separated."""
    computed = predict_size(session.weights.config, recipe, session.lengths, bits)
    return f"{len(file) / 1e6:.3f}\t{computed / len(file) - 1:+.3%}"


def format_score(
    session: BuildSession, data: EvaluationSet, file: bytes, expected: FloatArray
) -> str:
    """The score of a file beside that of the float32 file, tab separated."""
    deviation = measure_deviation(session, data, file, expected)
    return f"{deviation.drop:+.2f}\t{deviation.cosine_mean:.4f}\t{deviation.cosine_min:.4f}"


def count_file(recipe: Recipe, file: bytes, profile: str) -> str:
    """Millions of instructions of one inference on the profile's fastest core."""
    with write_candidate(recipe, file) as candidate, open_counter(load_profile(profile)) as count:
        measurement = next(count(Path(candidate.path), candidate, f"length_{LENGTH}"))
    counts = measurement.counts
    return f"{profile} {counts.total / 1e6:.1f} M" if counts else f"{profile} not counted"


def main() -> None:
    """Print a line for every file."""
    parser = argparse.ArgumentParser(description="Weights of less than 8 bits, untrained.")
    parser.add_argument("data", help="pairs with scores, such as stsb:sts-dev.csv")
    parser.add_argument("--model", help="a folder or a name on the Hub (default: the default)")
    parser.add_argument("--pairs", type=int, help="the first so many pairs only")
    parser.add_argument("--variants", action="store_true", help="and wider parts of two bits")
    parser.add_argument("--recipes", default=DEFAULT, help="comma separated")
    parser.add_argument("--count", default="", help="profiles to count on, comma separated")
    arguments = parser.parse_args()
    with error_boundary(), TemporaryDirectory() as out:
        data = take_first_pairs(parse_reference(arguments.data), arguments.pairs)
        options = BuildOptions(profile="pixel-5", model=arguments.model, out=out)
        session = BuildSession.open(options)
        expected = run_float_file(session, data)
        sys.stdout.write(HEAD)
        recipes = [RECIPES[name] for name in arguments.recipes.split(",")]
        for title, recipe, bits, file in build_files(session, recipes, arguments.variants):
            profiles = [name for name in arguments.count.split(",") if name]
            counted = [count_file(recipe, file, name) for name in profiles]
            size = format_size(session, recipe, bits, file)
            score = format_score(session, data, file, expected)
            sys.stdout.write("\t".join([title, size, score, *counted]) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
