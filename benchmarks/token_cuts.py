"""What cuts of tokens save on the texts of data sets, with length buckets and without, and lose.

    python -m benchmarks.token_cuts stsb:sts-dev.csv banking77.csv:text=text
    python -m benchmarks.token_cuts --score stsb:sts-dev.csv

The first prints the mean multiply-adds of a text of the model's layers in millions, and the share
that each schedule leaves: in one bucket of the longest length, in 16,32,64,128, in four buckets
chosen for the texts, and at every text's own length, where nothing is padded. The second prints
what each schedule loses untrained, in numpy at own lengths. Nothing is built.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator

from benchmarks.float_deviation import make_pair_scorer
from edge_bert.cli.console import error_boundary
from edge_bert.data.evaluation import parse_reference
from edge_bert.encoder.config import EncoderConfig
from edge_bert.encoder.numpy_forward import run_encoder
from edge_bert.encoder.token_cuts import give_cuts
from edge_bert.errors import InputError
from edge_bert.estimate.length_buckets import Work, choose_buckets, expect_work
from edge_bert.estimate.macs import count_macs
from edge_bert.evaluate.drift import measure_drift
from edge_bert.pipeline.build.choices.chosen_lengths import DEFAULT_LENGTHS
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.records.recipe import FLOAT32
from edge_bert.records.text_lengths import TextLengths
from edge_bert.records.token_cuts import Cuts, TokenCut

SCHEDULES = ("3:50", "2:70,4:50", "1:75,3:50,5:25")
CHOSEN = 4  # buckets
LONGEST = max(DEFAULT_LENGTHS)


def parse_schedule(text: str) -> Cuts:
    """`2:70,4:50` as cuts: after layer 2 70 % of the tokens go on; nothing for none."""
    try:
        pairs = [part.split(":") for part in text.split(",") if part]
        return tuple(TokenCut(int(after), int(percent)) for after, percent in pairs)
    except ValueError:
        raise InputError(f"{text}: give LAYER:PERCENT,LAYER:PERCENT, such as 2:70,4:50.") from None


def describe_work(
    config: EncoderConfig, texts: TextLengths, schedules: tuple[str, ...]
) -> Iterator[str]:
    """A line for each way to choose lengths: the work of the whole, and what schedules leave."""
    works = [_work_of(give_cuts(config, parse_schedule(schedule))) for schedule in schedules]
    for name, lengths in _list_lengths(texts, _work_of(config)):
        whole, *left = (expect_work(texts, lengths, work) / 1e6 for work in works)
        cells = [f"{whole:.1f}", *(f"{value:.1f} ({value / whole:.1%})" for value in left)]
        yield "\t".join([f"{texts.source} ({texts.total})", name, *cells])


def _list_lengths(texts: TextLengths, work: Work) -> Iterator[tuple[str, list[int]]]:
    """The buckets that are compared, by their names; the chosen ones are those of the whole
    model's work."""
    yield f"one of {LONGEST}", [LONGEST]
    yield ",".join(map(str, DEFAULT_LENGTHS)), list(DEFAULT_LENGTHS)
    chosen = choose_buckets(texts.by_tokens, work, CHOSEN, LONGEST)
    yield f"chosen {','.join(map(str, chosen))}", chosen
    yield "own length, no padding", sorted(texts.by_tokens)


def _work_of(config: EncoderConfig) -> Work:
    return lambda length: count_macs(config, FLOAT32, length).float32


def describe_scores(model: str | None, reference: str, schedules: tuple[str, ...]) -> Iterator[str]:
    """A line for each schedule: Spearman in points of 100, and the cosines to the whole model."""
    session, data = _open(model), parse_reference(reference)
    sentences = tuple(dict.fromkeys((*data.sentences, *data.second)))
    inputs, score = session.encode_inputs(sentences), make_pair_scorer(data, sentences)
    whole = run_encoder(session.weights, inputs)
    for schedule in schedules:
        config = give_cuts(session.weights.config, parse_schedule(schedule))
        outputs = run_encoder(dataclasses.replace(session.weights, config=config), inputs)
        drift = measure_drift(outputs, whole)
        scores = [f"{score(outputs):.2f}", f"{score(outputs) - score(whole):+.2f}"]
        cosines = [f"{drift.cosine_mean:.4f}", f"{drift.cosine_min:.4f}"]
        yield "\t".join([data.name, schedule or "whole", *scores, *cosines])


def _open(model: str | None, calibration: str | None = None) -> BuildSession:
    options = BuildOptions(
        profile="pixel-9", model=model, lengths=DEFAULT_LENGTHS, calibration=calibration
    )
    return BuildSession.open(options)


def main() -> None:
    """Print the table of work, or that of scores."""
    parser = argparse.ArgumentParser(description="What cuts of tokens save, and lose.")
    parser.add_argument("data", nargs="*", help="texts, as --calibration takes them")
    parser.add_argument("--score", help="pairs with scores, as --data takes them")
    parser.add_argument("--model", help="a folder or a name on the Hub (default: the default)")
    parser.add_argument("--schedules", nargs="+", default=SCHEDULES, help="as 2:70,4:50")
    arguments = parser.parse_args()
    schedules = ("", *arguments.schedules)
    with error_boundary():
        if arguments.score:
            _print("data", "schedule", "spearman", "to whole", "cosine mean", "min")
            for line in describe_scores(arguments.model, arguments.score, schedules):
                _print(line)
        elif arguments.data:
            _print("texts", "lengths", "whole", *arguments.schedules)
        for reference in arguments.data:
            session = _open(arguments.model, reference)
            for line in describe_work(session.weights.config, session.text_lengths[0], schedules):
                _print(line)


def _print(*cells: str) -> None:
    sys.stdout.write("\t".join(cells) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
