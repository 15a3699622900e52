"""What the runner plays a data set by: the stages and the rule as text, and the texts' tokens.

android_harness/runner/README.md describes both files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from edge_bert.bundle.stage_chain import Chain, ChainLink, ExitPlan, order_stages
from edge_bert.data.buckets import choose_bucket, pad_encoding
from edge_bert.data.tokenizing import Encoding
from edge_bert.errors import InputError
from edge_bert.records.bundle import Artifact, Manifest, Stage, TensorSpec
from edge_bert.text import shorten

FIRST_LINE = "edge-bert exits 1"
MAGIC = b"EBTEXTS1"
PLAIN_NAME = re.compile(r"[!-~]{1,127}")  # what the runner's scanf takes as one word


def list_chains(artifact: Artifact, plan: ExitPlan | None) -> Mapping[int, Chain]:
    """The stages that texts of each length can go through; without a plan the whole model."""
    if plan is not None:
        return {
            length: tuple(link for link in chain if link.stage.last <= plan.last)
            for length, chain in order_stages(artifact).items()
        }
    layers = max((stage.last for stage in artifact.stages.values()), default=1)
    return {
        signature.length: (
            ChainLink(
                name,
                Stage(signature.length, 0, layers, signature.inputs, signature.outputs),
                signature.outputs[0],
                None,
                None,
            ),
        )
        for name, signature in artifact.signatures.items()
    }


def describe_plan(manifest: Manifest, artifact: Artifact, plan: ExitPlan | None) -> str:
    """The stages and the rule as the runner's `--exits` takes them.

    Raises InputError for names that it cannot take.
    """
    lines = [FIRST_LINE, *_describe_rule(manifest, plan)]
    for length, chain in sorted(list_chains(artifact, plan).items()):
        for link in chain:
            names = (_plain(link.name), _plain(link.answer.name))
            scales = (*_scaling(link.answer), *_scaling(link.agreement))
            lines.append(" ".join(map(str, ("stage", length, link.stage.last, *names, *scales))))
    return "".join(f"{line}\n" for line in lines)


def _describe_rule(manifest: Manifest, plan: ExitPlan | None) -> Iterator[str]:
    rule = plan.rule if plan else None
    if rule is None:
        yield "rule none none 0"
        return
    yield f"rule {rule.kind} {manifest.model.head.activation} {rule.patience or 0}"
    for point in rule.points:
        yield f"exit {point.after} {point.temperature!r} {point.threshold!r}"


def encode_texts(chains: Mapping[int, Chain], encodings: Sequence[Encoding], pad_id: int) -> bytes:
    """The tokens of every text, each padded to the smallest length that fits.

    A text is its length in tokens and the inputs of its first stage, sorted by name.
    """
    content = [MAGIC]
    for encoding in encodings:
        length = choose_bucket(len(encoding), chains)
        specs = sorted(chains[length][0].stage.inputs, key=lambda spec: spec.name)
        inputs = pad_encoding(encoding, length, pad_id, [spec.name for spec in specs])
        content.append(np.array(length, "<u4").tobytes())
        content += [inputs[x.name].astype(np.dtype(x.dtype)).tobytes() for x in specs]
    return b"".join(content)


def _plain(name: str) -> str:
    if not PLAIN_NAME.fullmatch(name):
        raise InputError(f"the runner cannot play the signature {shorten(name)}; build it again.")
    return name


def _scaling(spec: TensorSpec | None) -> tuple[str, int]:
    """The scale, 0 of a float tensor, and the zero point."""
    if spec is None or spec.scale is None:
        return "0", 0
    return repr(float(np.float32(spec.scale))), spec.zero_point or 0
