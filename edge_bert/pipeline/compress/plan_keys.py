"""The keys of a plan's results: digests over all that led to each of its models."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edge_bert import profiles
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.sentence_files import read_sentences
from edge_bert.pipeline.compress.options import CompressOptions
from edge_bert.records.plan import Plan, PlanStep
from edge_bert.store.content_store import key_of

VERSION = 1  # of the steps' methods; raised where the same steps would now give other models


def digest_steps(options: CompressOptions, plan: Plan, source_sha256: str) -> list[str]:
    """A key for each step: the source, the data, and the plan as far as this step.

    A later step that is changed leaves the keys of those before it as they are.
    """
    data = [parse_reference(reference) for reference in options.data]
    texts = [read_sentences(reference) for reference in options.text]
    start = key_of(VERSION, source_sha256, data, texts, plan.held_out, plan.split_seed)
    keys: list[str] = []
    for step in plan.steps:
        keys.append(key_of(keys[-1] if keys else start, *_describe_step(options, step)))
    return keys


def _describe_step(options: CompressOptions, step: PlanStep) -> Sequence[object]:
    """The step, and the device where it aims at a latency there."""
    device = profiles.load_profile(options.profile) if "max_latency" in step.options else None
    return msgspec.json.encode(step, order="deterministic"), device
