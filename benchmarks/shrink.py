"""The score that structurally smaller encoders lose: the tables of sizing.md.

    python -m benchmarks.shrink stsb:sts-dev.csv
    python -m benchmarks.shrink stsb:sts-dev.csv --pairs 300 --parts heads,neurons

Everything is float32 in numpy, so that only the structure is seen. Heads, neurons and layers are
chosen with the project's calibration sentences; the vocabulary with them, with the order of the
ids, or with the sentences of `--corpus`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.float_deviation import make_pair_scorer, take_first_pairs
from edge_bert.cli.console import error_boundary
from edge_bert.cli.progress import console_progress
from edge_bert.compress.prune import allocate_sparsity, ffn, heads, importance, layers
from edge_bert.compress.prune.reconstruction import reconstruct_outputs
from edge_bert.compress.prune.structure import prune_to_structure
from edge_bert.compress.vocabulary import trim
from edge_bert.data import calibration
from edge_bert.data.buckets import encode_unpadded
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder import numpy_forward
from edge_bert.encoder.checkpoint import encoder_weights, input_names
from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError
from edge_bert.evaluate.drift import measure_drift
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.progress import Progress
from edge_bert.records.checkpoint import Checkpoint, FloatArray
from edge_bert.store.content_store import write_atomic

TABLES = ("layers", "neurons", "heads", "vocabulary", "together")
SHARES = {"heads": (10 / 12, 8 / 12, 6 / 12, 4 / 12), "neurons": (0.75, 0.5, 0.25)}
VOCABULARIES = (20_000, 15_000, 10_000, 8_000)
# Layers dropped, share of heads, share of neurons.
TOGETHER = ((0, 0.75, 0.75), (0, 0.5, 0.75), (0, 0.5, 0.5), (1, 0.75, 0.75), (1, 0.5, 0.5))


@dataclass(frozen=True)
class ShrinkBench:
    """The model, the data, and what is computed once for all rows."""

    checkpoint: Checkpoint
    calibration: calibration.CalibrationSet
    data: EvaluationSet
    corpus: tuple[str, ...]
    scratch: Path
    progress: Progress

    @cached_property
    def weights(self) -> EncoderWeights:
        return encoder_weights(self.checkpoint)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return Tokenizer.open(self.checkpoint.tokenizer, self.checkpoint.max_length)

    @cached_property
    def sentences(self) -> list[Sentence]:
        return self.inputs(self.calibration.sentences, self.tokenizer)

    @cached_property
    def held_out(self) -> list[Sentence]:
        return self.inputs(self.calibration.held_out, self.tokenizer)

    @cached_property
    def importance(self) -> importance.Importance:
        return importance.measure_importance(self.weights, self.sentences, self.progress)

    @cached_property
    def curves(self) -> allocate_sparsity.ErrorCurves:
        return allocate_sparsity.measure_curves(
            self.weights, self.importance, self.held_out, self.progress
        )

    @cached_property
    def ranked(self) -> tuple[tuple[int, ...], ...]:
        return layers.rank_layers(self.weights, self.held_out, self.progress)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.data.sentences + self.data.second))

    @cached_property
    def reference(self) -> FloatArray:
        return numpy_forward.run_encoder(self.weights, self.inputs(self.texts, self.tokenizer))

    def inputs(self, texts: Sequence[str], tokenizer: Tokenizer) -> list[Sentence]:
        return [*encode_unpadded(tokenizer, input_names(self.checkpoint), texts)]

    def row(self, name: str, weights: EncoderWeights, tokenizer: Tokenizer | None = None) -> str:
        """One line of a table."""
        inputs = self.inputs(self.texts, tokenizer or self.tokenizer)
        outputs = numpy_forward.run_encoder(weights, inputs)
        drift = measure_drift(outputs, self.reference)
        size = sum(array.size for array in weights.arrays.values()) / 1e6
        change = self._score(outputs) - self._score(self.reference)
        return f"| {name} | {size:.2f} | {change:+.2f} | {drift.cosine_mean:.4f} |\n"

    def _score(self, outputs: FloatArray) -> float:
        return make_pair_scorer(self.data, self.texts)(outputs)


def build_rows(bench: ShrinkBench, table: str) -> Iterator[str]:
    """The lines of one table. Raises InputError for an unknown one."""
    weights = bench.weights
    match table:
        case "layers":
            for remaining in bench.ranked[1:4]:
                smaller = layers.prune_layers(weights, remaining)
                name = f"layers {', '.join(map(str, remaining))}"
                yield bench.row(name, smaller)
                corrected = reconstruct_outputs(
                    smaller, weights, remaining, bench.sentences, bench.progress
                )
                yield bench.row(f"{name}, corrected", corrected)
        case "neurons":
            yield from _share_rows(bench, table, weights.config.ffn)
        case "heads":
            yield from _share_rows(bench, table, weights.config.heads)
        case "vocabulary":
            yield from _vocabulary_rows(bench)
        case "together":
            yield from _structure_rows(bench)
        case _:
            raise InputError(f"No table is called {table!r}; there are {', '.join(TABLES)}.")


def _share_rows(bench: ShrinkBench, table: str, counts: tuple[int, ...]) -> Iterator[str]:
    """Rows with equal shares of the `counts` of all layers, and with allocated ones."""
    prune, curves, granularity = (
        (heads.prune_heads, bench.curves.heads, 1)
        if table == "heads"
        else (ffn.prune_ffn, bench.curves.neurons, allocate_sparsity.NEURONS_AT_ONCE)
    )
    for share in SHARES[table]:
        equal = [round(count * share) for count in counts]
        allocated = allocate_sparsity.allocate_sparsity(curves, sum(equal), granularity)
        for allocation, remaining in (("each", equal), ("shared out", allocated)):
            name = f"{table} {', '.join(map(str, remaining))} ({allocation})"
            yield bench.row(name, prune(bench.weights, bench.importance, remaining))


def _vocabulary_rows(bench: ShrinkBench) -> Iterator[str]:
    text = bench.checkpoint.tokenizer.read_text("utf-8")
    size = bench.tokenizer.largest_id + 1
    for name, sentences in (
        ("order of the ids", ()),
        ("calibration sentences", calibration.default_sentences()),
        ("corpus", bench.corpus),
    ):
        if name == "corpus" and not sentences:
            continue
        encodings = bench.tokenizer.encode_batch(sentences)
        counts = trim.count_tokens([encoding.ids for encoding in encodings], size)
        for tokens in (count for count in VOCABULARIES if count < size):
            trimmed = trim.trim_vocabulary(text, counts if sentences else None, tokens)
            path = bench.scratch / f"{tokens}.json"
            write_atomic(path, trimmed.tokenizer.encode())
            tokenizer = Tokenizer.open(path, bench.checkpoint.max_length)
            smaller = trim.prune_embeddings(bench.weights, trimmed.kept_ids)
            yield bench.row(f"{tokens} tokens, {name}", smaller, tokenizer)


def _structure_rows(bench: ShrinkBench) -> Iterator[str]:
    for dropped, heads_share, neurons_share in TOGETHER:
        remaining = bench.ranked[dropped]
        structure = allocate_sparsity.plan_structure(
            bench.curves, remaining, heads_share, neurons_share, bench.weights.config.vocabulary
        )
        smaller = prune_to_structure(bench.weights, bench.importance, structure, bench.sentences)
        name = (
            f"{len(remaining)} layers, {heads_share:.0%} of heads, {neurons_share:.0%} of neurons"
        )
        yield bench.row(name, smaller)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="The score that smaller encoders lose.")
    parser.add_argument("data", help="pairs with scores, such as stsb:sts-dev.csv")
    parser.add_argument("--model", help="a folder or a name on the hub; all-MiniLM-L6-v2 if absent")
    parser.add_argument("--pairs", type=int, help="only so many pairs")
    parser.add_argument("--parts", default=",".join(TABLES), help=f"of {', '.join(TABLES)}")
    parser.add_argument("--corpus", type=Path, help="sentences whose tokens stay, one per line")
    arguments = parser.parse_args()
    with error_boundary(), console_progress() as progress, tempfile.TemporaryDirectory() as scratch:
        session = BuildSession.open(BuildOptions(profile="pixel", model=arguments.model))
        bench = ShrinkBench(
            checkpoint=session.checkpoint,
            calibration=session.calibration,
            data=take_first_pairs(parse_reference(arguments.data), arguments.pairs),
            corpus=tuple(calibration.load_sentences(arguments.corpus)) if arguments.corpus else (),
            scratch=Path(scratch),
            progress=progress,
        )
        sys.stdout.write(bench.row("whole", bench.weights))
        for table in arguments.parts.split(","):
            sys.stdout.write(f"\n| {table} | million weights | Spearman x100 | cosine |\n")
            sys.stdout.write("|---|---|---|---|\n")
            for row in build_rows(bench, table):
                sys.stdout.write(row)
                sys.stdout.flush()


if __name__ == "__main__":
    main()
