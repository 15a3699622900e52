"""Size against score: bits of the matrices and of the word table, blocks and rounding.

    python -m benchmarks.table_bits stsb:sts-dev.csv
    python -m benchmarks.table_bits stsb:sts-dev.csv --pairs 300 --layers

Builds a hybrid file for every choice and prints its size, how far the computed size is from it,
the drop in Spearman (points of 100; below 0 it rose) and the cosine to float32 over all sentences
of the data. `--layers` puts one layer at a time into the other number of bits instead.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from benchmarks.float_deviation import measure_deviation, take_first_pairs
from edge_bert.cli.console import error_boundary
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.estimate.file_size import predict_size
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.progress import no_progress
from edge_bert.quantize.hybrid import convert_hybrid
from edge_bert.records.recipe import WI4_AFP32, WI8_AFP32
from edge_bert.records.weight_bits import BLOCKS, WeightBits

Choice = tuple[str, WeightBits, bool]  # a title, the bits, whether matrices are rounded by GPTQ
HEAD = "choice\tMB\tcomputed\tSpearman drop\tcosine mean\tcosine min\n"


def vary_all_layers(layers: int) -> Iterator[Choice]:
    """Blocks, roundings and tables, from the largest file to the smallest."""
    eight, four = (8,) * layers, (4,) * layers
    for table in (8, 4):
        yield f"8 bits, table {table}", WeightBits(matrix_bits=eight, embedding_bits=table), False
    for gptq in (False, True):
        rounding = "GPTQ" if gptq else "nearest"
        for block in BLOCKS:
            bits = WeightBits(matrix_bits=four, embedding_bits=4, matrix_block=block)
            yield f"4 bits in {block}, {rounding}, table 4", bits, gptq
    bits = WeightBits(matrix_bits=four, embedding_bits=8, matrix_block=32)
    yield "4 bits in 32, GPTQ, table 8", bits, True
    bits = WeightBits(matrix_bits=four, embedding_bits=4, matrix_block=32, embedding_block=64)
    yield "4 bits in 32, GPTQ, table 4 in 64", bits, True
    last = (*four[:-1], 8)
    for title, matrix_bits in (("4 bits in 64", four), ("4 bits in 64, last layer 8", last)):
        bits = WeightBits(matrix_bits=matrix_bits, embedding_bits=2)
        yield f"{title}, GPTQ, table 2", bits, True


def vary_one_layer(layers: int) -> Iterator[Choice]:
    """All layers but one in 8 bits, then all but one in 4."""
    for base, own in ((8, 4), (4, 8)):
        for layer in range(layers):
            matrix_bits = tuple(own if index == layer else base for index in range(layers))
            bits = WeightBits(matrix_bits=matrix_bits, embedding_bits=4)
            yield f"layer {layer} in {own}, others in {base}", bits, True


def build_row(session: BuildSession, data: EvaluationSet, choice: Choice) -> str:
    """One build and its figures, tab separated."""
    title, bits, gptq = choice
    float_file = artifacts.build_float_model(session, no_progress)
    file = convert_hybrid(float_file, bits, session.hessians if gptq else None)
    recipe = WI4_AFP32 if bits.embedding_bits < 8 else WI8_AFP32
    computed = predict_size(session.weights.config, recipe, session.lengths, bits)
    deviation = measure_deviation(session, data, file)
    return (
        f"{title}\t{len(file) / 1e6:.3f}\t{computed / len(file) - 1:+.3%}\t"
        f"{deviation.drop:+.2f}\t{deviation.cosine_mean:.4f}\t{deviation.cosine_min:.4f}\n"
    )


def main() -> None:
    """Print a line for every choice."""
    parser = argparse.ArgumentParser(description="Size and score over bits of weights.")
    parser.add_argument("data", help="pairs with scores, such as stsb:sts-dev.csv")
    parser.add_argument("--pairs", type=int, help="the first so many pairs only")
    parser.add_argument("--layers", action="store_true", help="one layer apart from the others")
    arguments = parser.parse_args()
    with error_boundary():
        data = take_first_pairs(parse_reference(arguments.data), arguments.pairs)
        session = BuildSession.open(BuildOptions(profile="pixel"))
        choices = vary_one_layer if arguments.layers else vary_all_layers
        sys.stdout.write(HEAD)
        for choice in choices(session.weights.config.layers):
            sys.stdout.write(build_row(session, data, choice))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
