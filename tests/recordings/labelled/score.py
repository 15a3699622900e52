"""Builds the two trained models in every recipe and scores each on what it learned and did not.

python -m tests.recordings.labelled.score
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from edge_bert.pipeline.build.build import build_bundle
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.records.bundle import Manifest
from tests.recordings.labelled import make

RECIPES = ("float32", "float16", "wi8_afp32", "wi8_ai8", "wi8_ai16", "wi8_ai8_afp32")


def write_entities(path: Path, *, held_out: bool) -> Path:
    """The sentences of one part, in the form that --data reads."""
    data = make.read_entities()
    rows = [
        {
            "text": data.sentences[row],
            "entities": [[item.start, item.end, item.label] for item in data.entities[row]],
        }
        for row in make.split(len(data), held_out=held_out)
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return path


def write_questions(path: Path, *, held_out: bool) -> Path:
    """The questions of one part, in the form that --data reads."""
    data = make.read_questions()
    rows = [
        {
            "question": data.sentences[row],
            "context": data.second[row],
            "answers": list(data.answers[row]),
        }
        for row in make.split(len(data), held_out=held_out)
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return path


def build_scored(model: Path, data: tuple[Path, ...], lengths: tuple[int, ...]) -> Manifest:
    """The manifest of a bundle with every recipe, scored on `data`."""
    with tempfile.TemporaryDirectory() as folder:
        options = BuildOptions(
            profile="pixel",
            model=str(model),
            recipes=RECIPES,
            lengths=lengths,
            out=folder,
            data=tuple(map(str, data)),
        )
        return build_bundle(BuildSession.open(options)).report.manifest


def score_models() -> dict[str, Manifest]:
    """Both models' manifests; the first data set is what each learned, the second held out."""
    writers: dict[str, tuple[Callable[..., Path], tuple[int, ...]]] = {
        "tagger": (write_entities, (32, 64)),
        "reader": (write_questions, (64, 128)),
    }
    manifests = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (write, lengths) in writers.items():
            data = tuple(
                write(Path(folder) / f"{name}-{part}.jsonl", held_out=part == "held-out")
                for part in ("learned", "held-out")
            )
            manifests[name] = build_scored(make.HERE / name, data, lengths)
    return manifests


if __name__ == "__main__":
    for name, manifest in score_models().items():
        for artifact in manifest.artifacts:
            drift = artifact.scores.drift
            scores = [f"{x.metric} {x.value:.3f} ({x.count})" for x in artifact.scores.labels]
            cosine = f"{drift.cosine_mean:.4f}" if drift else "-"
            print(name, artifact.name, artifact.size_bytes, cosine, *scores, sep="\t")  # noqa: T201
