"""Data sets that a bench plays through the artifacts of a bundle, text by text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from edge_bert.bundle.bundle import TOKENIZER
from edge_bert.bundle.open_bundle import OpenBundle
from edge_bert.bundle.stage_chain import AUTO, plan_exit
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.model_inputs import Input, encode_inputs, list_inputs
from edge_bert.data.sentence_files import name_source, read_sentences
from edge_bert.data.tokenizing import Encoding, Tokenizer
from edge_bert.errors import InputError
from edge_bert.pipeline.bench.exit_inputs import describe_plan, encode_texts, list_chains
from edge_bert.pipeline.bench.subjects import select_artifacts
from edge_bert.pipeline.bench.text_job import WHOLE, TextJob, parse_exit
from edge_bert.records.bundle import Artifact, Manifest
from edge_bert.records.checkpoint import Task


def list_text_jobs(
    bundle: OpenBundle, names: Sequence[str], data: str, exits: Sequence[str], limit: int | None
) -> list[tuple[Artifact, TextJob]]:
    """A job for each artifact of `names` (none: all) and each of `exits`, in this order.

    No `exits` mean the bundle's rule where an artifact has one, and the whole model. Of more texts
    than `limit` as many are taken, evenly spaced. Raises InputError for an exit that an artifact
    has not, or a model that answers for each token.
    """
    manifest = bundle.manifest
    if manifest.model.head.gives_tokens or not bundle.holds(TOKENIZER):
        raise InputError("--data is for models that give one row for a text; leave it out.")
    path = bundle.folder / TOKENIZER
    tokenizer = Tokenizer.open_bytes(
        bundle.read_member(TOKENIZER), path, manifest.model.max_length, manifest.model.prompts
    )
    source, encodings = _read_texts(data, tokenizer, manifest.model.head.task, limit)
    return [
        (artifact, _make_job(manifest, artifact, word, source, encodings, tokenizer.pad_id))
        for artifact in select_artifacts(manifest, names) or manifest.artifacts
        for word in exits or _usual_exits(manifest, artifact)
    ]


def _usual_exits(manifest: Manifest, artifact: Artifact) -> Iterator[str]:
    if artifact.stages and manifest.exits:
        yield AUTO
    yield WHOLE


def _make_job(
    manifest: Manifest,
    artifact: Artifact,
    word: str,
    source: str,
    encodings: Sequence[Encoding],
    pad_id: int,
) -> TextJob:
    plan = plan_exit(manifest, artifact, parse_exit(word))
    return TextJob(
        source=source,
        exit=word,
        plan=describe_plan(manifest, artifact, plan),
        texts=encode_texts(list_chains(artifact, plan), encodings, pad_id),
        count=len(encodings),
    )


def _read_texts(
    data: str, tokenizer: Tokenizer, task: Task, limit: int | None
) -> tuple[str, list[Encoding]]:
    """The name of the data, and as many of its inputs as `limit` says."""
    inputs: Sequence[Input]
    if Path(data).suffix.lower() == ".txt":
        source, inputs = name_source(data), [(text, None) for text in read_sentences(data)]
    else:
        rows = parse_reference(data)
        source, inputs = rows.name, list_inputs(rows, task)
    count = min(limit or len(inputs), len(inputs))
    chosen = [inputs[place * len(inputs) // count] for place in range(count)]
    return source, encode_inputs(tokenizer, chosen)
