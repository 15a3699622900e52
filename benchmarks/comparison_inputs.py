"""The inputs that all peers of a comparison get: sentences, tokens, labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_bert.bundle import manifest as manifests
from edge_bert.data import calibration
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.tokenizing import Encoding, Tokenizer
from edge_bert.errors import DataError, InputError
from edge_bert.records.bundle import CalibrationInfo, Manifest
from edge_bert.records.checkpoint import Checkpoint, Task

SEED = 0
Encodings = tuple[Encoding, ...]


@dataclass(frozen=True)
class ComparisonInputs:
    """The inputs of a comparison.

    `timed` has a sentence for each number of tokens. `held_out` gives drift, and is `sentences` in
    at most `longest` tokens; `calibration` goes to the peers that need ranges. `labelled` holds the
    sentences of `data`: two groups for pairs, one for a classifier, none without data.
    """

    bundle: Path
    manifest: Manifest
    checkpoint: Checkpoint
    pad_id: int
    longest: int
    timed: dict[int, Encoding]
    sentences: tuple[str, ...]
    held_out: Encodings
    calibration: Encodings
    calibration_info: CalibrationInfo
    data: EvaluationSet | None
    labelled: tuple[Encodings, ...]


def prepare_inputs(
    bundle: Path, checkpoint: Checkpoint, data: EvaluationSet | None, tokens: tuple[int, ...]
) -> ComparisonInputs:
    """Read the bundle and tokenize everything at its longest bucket.

    Raises InputError for a bundle that is missing, damaged or of another model, or for a number
    of tokens that no bucket holds; DataError for labels that do not fit the model's task.
    """
    manifest = manifests.read_manifest(bundle)
    if manifest.model.sha256 != checkpoint.sha256:
        raise InputError(
            f"{bundle} was built from {manifest.model.name}, not from {checkpoint.name} as it is "
            "now; build it again, or give the model that it was built from."
        )
    _check_data(data, checkpoint)
    longest = min(
        max(signature.length for signature in artifact.signatures.values())
        for artifact in manifest.artifacts
    )
    tokenizer = Tokenizer.open(checkpoint.tokenizer, longest)
    chosen = calibration.select_sentences(
        calibration.default_sentences(), calibration.DEFAULT_COUNT, SEED
    )
    return ComparisonInputs(
        bundle=bundle,
        manifest=manifest,
        checkpoint=checkpoint,
        pad_id=tokenizer.pad_id,
        longest=longest,
        timed={
            count: _join_sentences(chosen.held_out, checkpoint, count, longest) for count in tokens
        },
        sentences=tuple(chosen.held_out),
        held_out=tuple(tokenizer.encode_batch(chosen.held_out)),
        calibration=tuple(tokenizer.encode_batch(chosen.sentences)),
        calibration_info=chosen.info,
        data=data,
        labelled=_encode_labelled(data, tokenizer),
    )


def _check_data(data: EvaluationSet | None, checkpoint: Checkpoint) -> None:
    if data is None:
        return
    if data.kind != ("pairs" if checkpoint.head.task is Task.EMBEDDING else "labelled"):
        raise DataError(
            f"{data.name} has {data.kind} rows; an embedding model is compared on pairs with "
            "scores, a classifier on labelled sentences."
        )


def _join_sentences(
    texts: tuple[str, ...], checkpoint: Checkpoint, tokens: int, longest: int
) -> Encoding:
    """Held-out sentences one after the other, cut at `tokens` tokens."""
    if not 1 <= tokens <= longest:
        raise InputError(f"A length of {tokens} tokens is not within the buckets, 1 to {longest}.")
    encoding = Tokenizer.open(checkpoint.tokenizer, tokens).encode(" ".join(texts))
    if len(encoding) < tokens:
        raise InputError(f"The held-out sentences give no text of {tokens} tokens; give fewer.")
    return encoding


def _encode_labelled(data: EvaluationSet | None, tokenizer: Tokenizer) -> tuple[Encodings, ...]:
    if data is None:
        return ()
    if data.kind == "pairs":
        return tuple(
            tuple(tokenizer.encode_batch(texts)) for texts in (data.sentences, data.second)
        )
    return (tuple(tokenizer.encode_batch(data.sentences, data.second or None)),)
