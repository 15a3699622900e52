"""Length buckets that fit the texts of data sets, and the work that they save.

    python -m benchmarks.text_lengths stsb:sts-dev.csv banking77.csv:text=text,label=label

Prints for 3, 4, 6 and 8 buckets the ones of least multiply-adds for the default model, and how much
less they take than 16,32,64,128; nothing is built. The last column is every text at its own length.
"""

from __future__ import annotations

import argparse
import sys

from edge_bert.cli.console import error_boundary
from edge_bert.pipeline.build.choices.chosen_lengths import describe_choice, find_config
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.records.text_lengths import TextLengths

COUNTS = (3, 4, 6, 8)


def describe_texts(reference: str, model: str | None) -> str:
    """A line of the table for the texts of one data set."""
    cells = []
    for count in COUNTS:
        session = BuildSession.open(
            BuildOptions(profile="pixel-9", model=model, auto_lengths=count, calibration=reference)
        )
        choice = session.length_choice
        saved = choice.saved if choice else 0.0
        cells.append(f"{','.join(map(str, session.lengths))} ({saved:.1%})")
    texts = session.text_lengths[0]
    cells.append(f"{_save_all(session, texts):.1%}")
    return "\t".join([f"{texts.source} ({texts.total})", *cells])


def _save_all(session: BuildSession, texts: TextLengths) -> float:
    """What a bucket for every length would save: no choice saves more."""
    lengths = (*texts.by_tokens, max(session.lengths))
    return describe_choice(find_config(session.checkpoint), (), lengths, [texts]).saved


def main() -> None:
    """Print a line for every data set."""
    parser = argparse.ArgumentParser(description="Length buckets that fit texts.")
    parser.add_argument("data", nargs="+", help="texts, as --calibration takes them")
    parser.add_argument("--model", help="a folder or a name on the Hub (default: the default)")
    arguments = parser.parse_args()
    with error_boundary():
        heads = [f"{count} buckets" for count in COUNTS]
        sys.stdout.write("\t".join(["texts", *heads, "one each"]) + "\n")
        for reference in arguments.data:
            sys.stdout.write(describe_texts(reference, arguments.model) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
