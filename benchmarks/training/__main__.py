"""Train the rows of docs/training.md's tables, and print them.

    python -m benchmarks.training run DATA --rows banking77,stsb-3 --seeds 0,1,2
    python -m benchmarks.training speed source build/training/stsb-3-seed0
    python -m benchmarks.training subnetworks DATA --row stsb-many --seed 0
    python -m benchmarks.training table

DATA is a folder with stsb/, sst2/, banking77/ and clinc150/ as their authors publish them. A run
that has its record is not run again; one that was cut short goes on.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.training.records import read_training_records, write_training_record
from benchmarks.training.render_table import render_exit_table, render_file_table, render_table
from benchmarks.training.rows import ALONE_COMMANDS, ROWS
from benchmarks.training.run_row import run_row
from benchmarks.training.splits import write_splits
from edge_bert.cli.console import error_boundary

MODELS = Path("build/training")
TOKENS = 128


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, time or print what the arguments say."""
    options = _read_arguments(arguments)
    with error_boundary():
        options.act(options)
    return 0


def run_rows(options: argparse.Namespace) -> None:
    """Every row and seed that has no record yet."""
    splits = write_splits(options.data, options.models / "data")
    present = {(record.row, record.seed) for record in read_training_records()}
    for seed in map(int, options.seeds.split(",")):
        for row in options.rows.split(","):
            if (row, seed) in present:
                continue
            record = run_row(row, seed, splits, options.models)
            path = write_training_record(record)
            sys.stdout.write(f"{path.name}: {record.metric} {record.score:.2f}\n")


def print_speed(options: argparse.Namespace) -> None:
    """Milliseconds of two models, and their ratio."""
    from benchmarks.training.compare_speed import compare_speed

    whole = None if options.whole == "source" else options.whole
    times = compare_speed(whole, options.small, TOKENS)
    sys.stdout.write(
        f"{times[0]:.2f} and {times[1]:.2f} ms at {TOKENS} tokens, one thread: "
        f"{times[0] / times[1]:.2f} times as fast\n"
    )


def print_subnetworks(options: argparse.Namespace) -> None:
    """Five structures cut from a super-network, and the same trained alone."""
    from benchmarks.training.compare_subnetworks import HEAD, compare_subnetworks, render_pair

    splits = write_splits(options.data, options.models / "data")
    training = ALONE_COMMANDS[options.row]
    pairs = compare_subnetworks(options.row, options.seed, splits, options.models, training)
    for row in itertools.chain([HEAD], map(render_pair, pairs)):
        sys.stdout.write(f"{row}\n")
        sys.stdout.flush()  # the next one may take an hour


def print_table(_: argparse.Namespace) -> None:
    """The tables of all records: float models, files of quantized weights, exits."""
    records = list(read_training_records())
    tables = (render_table, render_file_table, render_exit_table)
    sys.stdout.write("\n\n".join(table(records) for table in tables) + "\n")


def _read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    acts = parser.add_subparsers(required=True)
    run = acts.add_parser("run", help="train rows, and keep a record of each")
    run.add_argument("data", type=Path)
    run.add_argument("--rows", default=",".join(ROWS), help="default: all")
    run.add_argument("--seeds", default="0,1,2")
    run.add_argument("--models", type=Path, default=MODELS, help=f"default: {MODELS}")
    run.set_defaults(act=run_rows)
    speed = acts.add_parser("speed", help="time two models in turns")
    speed.add_argument("whole", help="a model's folder (in float32), a .tflite file, or `source`")
    speed.add_argument("small")
    speed.set_defaults(act=print_speed)
    cuts = acts.add_parser("subnetworks", help="sub-networks beside the same trained alone")
    cuts.add_argument("data", type=Path)
    cuts.add_argument("--row", default="stsb-many", choices=tuple(ALONE_COMMANDS))
    cuts.add_argument("--seed", type=int, default=0)
    cuts.add_argument("--models", type=Path, default=MODELS, help=f"default: {MODELS}")
    cuts.set_defaults(act=print_subnetworks)
    acts.add_parser("table", help="print the tables").set_defaults(act=print_table)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
