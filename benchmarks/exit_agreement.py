"""Whether thresholds of exits that were found in float hold in an integer file.

    python -m benchmarks.exit_agreement build/checkpoints/NAME texts.txt --recipe wi8_ai8

For a model of embeddings that `invoke exits` made of `texts.txt`, whose held-out part is taken
again. Prints for each wanted agreement the mean share of layers and the agreement with the whole
model, in float and in the file, whose whole model is its own; first how far its predictions are
from the float ones.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge_bert.cli.console import error_boundary
from edge_bert.compress.train.backends.choose_backend import start_backend
from edge_bert.data.tokenizing import Encoding
from edge_bert.errors import InputError
from edge_bert.evaluate.exit_trials import ExitAnswers, try_rule, try_rules
from edge_bert.pipeline.build.artifacts import build_artifact, host_runtime
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.running.exit_outputs import run_exits
from edge_bert.pipeline.build.running.run_signatures import ModelUnderTest
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.train.corpus import Corpus, read_corpus, split_corpus
from edge_bert.pipeline.train.start_model import StartModel, open_model
from edge_bert.progress import no_progress
from edge_bert.records.recipe import RECIPES
from edge_bert.sources.training_run import read_training_run
from edge_bert.store.scratch import scratch_folder

WANTED = (0.8, 0.85, 0.9, 0.95, 0.97, 0.99)
HEAD = "wanted\tfloat: layers\tagreement\tfile: layers\tagreement"


def compare_agreement(folder: Path, texts: str, recipe: str, length: int) -> Iterator[str]:
    """The lines of a model. Raises InputError for one without exits or that names classes."""
    model = open_model(str(folder), with_exits=True)
    run, exits = read_training_run(folder), model.weights.exits
    if run is None or not exits or any(x.agreement is None for x in exits):
        raise InputError(f"{folder} has no exits that predict agreement; see `invoke exits`.")
    corpus = read_corpus([], [texts], model.weights.head)
    _, held_out = split_corpus(corpus, run.settings.held_out, run.settings.split_seed)
    in_float = _ask_float(model, held_out)
    in_file = _ask_file(folder, held_out, in_float, recipe, length)
    for after, ours, theirs in zip(
        in_float.after, in_file.predicted, in_float.predicted, strict=True
    ):
        gaps = ours - theirs
        yield f"after {after}: {np.mean(np.abs(gaps)):.4f} apart, {np.mean(gaps):+.4f} in the mean"
    yield HEAD
    for wanted in WANTED:
        rule = try_rules(in_float, wanted)[0].rule
        trials = [try_rule(answers, rule) for answers in (in_float, in_file)]
        cells = [f"{trial.layers:.1%}\t{trial.agreement:.4f}" for trial in trials]
        yield "\t".join([f"{wanted:g}", *cells])


def _ask_float(model: StartModel, corpus: Corpus) -> ExitAnswers:
    start_backend(0)
    from edge_bert.compress.train.exits.answer_texts import answer_texts
    from edge_bert.compress.train.keras_student import build_student

    weights = model.weights
    texts = corpus.tokenize(model.tokenizer)
    given = answer_texts(build_student(weights), weights.input_names, texts)
    after = tuple(exit_weights.after for exit_weights in weights.exits)
    return ExitAnswers(
        weights.head, after, weights.config.layers, given.exits, given.whole, given.agreements
    )


def _ask_file(
    folder: Path, corpus: Corpus, other: ExitAnswers, recipe: str, length: int
) -> ExitAnswers:
    """What a file of one length says of the same texts."""
    session = BuildSession.open(
        BuildOptions(profile="pixel", model=str(folder), lengths=(length,), calibration_count=100)
    )
    encodings: list[Encoding] = session.tokenizer.encode_batch(corpus.sentences)
    with scratch_folder() as scratch:
        path = scratch / f"{recipe}.tflite"
        path.write_bytes(build_artifact(session, RECIPES[recipe], no_progress))
        subject = ModelUnderTest.of(path, other.head)
        given = run_exits(subject, encodings, session.tokenizer.pad_id, host_runtime())
    return ExitAnswers(
        other.head,
        other.after,
        other.layers,
        given.answers[:-1],
        given.answers[-1],
        given.agreements[:-1],
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Thresholds of exits in float and in a file.")
    parser.add_argument("model", type=Path)
    parser.add_argument("texts")
    parser.add_argument("--recipe", default="wi8_ai8", choices=RECIPES)
    parser.add_argument("--length", type=int, default=64, help="tokens of the one bucket")
    arguments = parser.parse_args()
    with error_boundary():
        for line in compare_agreement(
            arguments.model, arguments.texts, arguments.recipe, arguments.length
        ):
            sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
