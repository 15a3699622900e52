"""How much a full-integer file depends on which sentences it was calibrated with.

    python -m benchmarks.calibration_seeds stsb:sts-dev.csv --counts 32,128,256 --seeds 5

Builds `wi8_ai8` once for every count and seed and prints, per build, the cosine to float32 over all
sentences of the data (mean and minimum) and the drop in Spearman, in points of 100.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from edge_bert.console import plainly
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.evaluate.drift import drift
from edge_bert.evaluate.labels import score_pairs
from edge_bert.pipeline import convert, running
from edge_bert.pipeline.build import host_runtime
from edge_bert.pipeline.request import BuildRequest, prepare
from edge_bert.progress import silent
from edge_bert.quantize.integer.convert import convert_integer
from edge_bert.records.checkpoint import FloatArray


def outputs(request: BuildRequest, data: bytes, sentences: tuple[str, ...]) -> FloatArray:
    """Embeddings of `sentences` from the file whose bytes are `data`."""
    tokenizer = convert.tokenizer_of(request)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(data)
        subject = running.Subject.of(path, request.checkpoint.head)
        encodings = tokenizer.encode_batch(sentences)
        return running.outputs(subject, encodings, tokenizer.pad_id, host_runtime())


def row(count: int, seed: int, data: EvaluationSet) -> str:
    """One build and what it shows, tab separated."""
    request = prepare("pixel", calibration_count=count, seed=seed)
    file = convert_integer(convert.calibrated(request), request.lengths)
    sentences = tuple(dict.fromkeys(data.sentences + data.second))
    place = {sentence: index for index, sentence in enumerate(sentences)}
    reference = outputs(request, convert.float_model(request, silent), sentences)
    found = outputs(request, file, sentences)
    first = [place[sentence] for sentence in data.sentences]
    second = [place[sentence] for sentence in data.second]
    labels = [float(label) for label in data.labels]
    scores = [
        score_pairs(data.name, values[first], values[second], labels).value
        for values in (reference, found)
    ]
    away = drift(found, reference)
    drop = 100 * (scores[0] - scores[1])
    return f"{count}\t{seed}\t{away.cosine_mean:.4f}\t{away.cosine_min:.4f}\t{drop:+.3f}\n"


def main() -> None:
    """Print a line for every count and seed."""
    parser = argparse.ArgumentParser(description="Full-integer files over calibration sets.")
    parser.add_argument("data", help="pairs with scores, such as stsb:sts-dev.csv")
    parser.add_argument("--counts", default="32,128,256")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    with plainly():
        data = parse_reference(arguments.data)
        sys.stdout.write("count\tseed\tcosine mean\tcosine min\tSpearman drop\n")
        for count in map(int, arguments.counts.split(",")):
            for seed in range(arguments.seeds):
                sys.stdout.write(row(count, seed, data))
                sys.stdout.flush()


if __name__ == "__main__":
    main()
