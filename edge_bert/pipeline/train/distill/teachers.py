"""The teachers of a student: opened, and held to be of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tokenizers

from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.architectures.registry import ARCHITECTURES
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import ModelError
from edge_bert.formats.huggingface.backend import same_tokens
from edge_bert.records.checkpoint import Checkpoint, Task
from edge_bert.sources.load import load_checkpoint
from edge_bert.store.cache import cache_folder

TEACHING = (Task.EMBEDDING, Task.CLASSIFICATION)


@dataclass(frozen=True)
class Teachers:
    """Models whose mean a student learns; it starts from the first one.

    `tokenizer` puts the models' default prompt before every text, as an app will.
    """

    checkpoints: tuple[Checkpoint, ...]
    weights: tuple[EncoderWeights, ...]
    tokenizer: Tokenizer


def open_teachers(references: Sequence[str]) -> Teachers:
    """The models of these references; all-MiniLM-L6-v2 without any.

    Raises ModelError for one that cannot teach or has another head, width, tokenizer or prompt than
    the first; and what `load_checkpoint` and `encoder_weights` raise.
    """
    names: Sequence[str | None] = references or (None,)
    checkpoints = [load_checkpoint(name, cache_folder("models")) for name in names]
    for checkpoint in checkpoints:
        _check_teaches(checkpoint)
    weights = [encoder_weights(checkpoint) for checkpoint in checkpoints]
    for checkpoint, encoder in zip(checkpoints[1:], weights[1:], strict=True):
        _check_head(checkpoint, encoder, checkpoints[0], weights[0])
        _check_texts(checkpoint, checkpoints[0])
    longest = min(checkpoint.max_length for checkpoint in checkpoints)
    first = checkpoints[0]
    tokenizer = Tokenizer.open_file(first.tokenizer, longest, first.prompts)
    return Teachers(tuple(checkpoints), tuple(weights), tokenizer)


def _check_teaches(checkpoint: Checkpoint) -> None:
    """A model whose layers are known, with a head that `distill` has losses for."""
    head = checkpoint.head
    if checkpoint.onnx is not None:
        raise ModelError(
            f"{checkpoint.name} is ONNX; `distill` takes the folder that it was exported from."
        )
    if checkpoint.architecture not in ARCHITECTURES:
        raise ModelError(
            f"{checkpoint.name} is a {checkpoint.architecture}, whose layers are not BERT's; "
            f"`distill` takes {', '.join(ARCHITECTURES)}."
        )
    if head.task not in TEACHING:
        raise ModelError(
            f"{checkpoint.name} is a model for {head.task.value.replace('_', ' ')}; `distill` "
            "takes embeddings and classifiers of texts."
        )
    if head.task is Task.CLASSIFICATION and (head.activation != "softmax" or len(head.labels) < 2):
        kind = "one number" if len(head.labels) < 2 else "several labels at once"
        raise ModelError(
            f"{checkpoint.name} gives {kind}; `distill` takes classifiers that give one of "
            "several classes."
        )


def _check_head(
    checkpoint: Checkpoint, encoder: EncoderWeights, first: Checkpoint, other: EncoderWeights
) -> None:
    """Outputs that can be averaged."""
    pairs = [
        ("task", checkpoint.head.task.value, first.head.task.value),
        ("labels", checkpoint.head.labels, first.head.labels),
        ("width", encoder.output_width, other.output_width),
    ]
    for noun, ours, theirs in pairs:
        if ours != theirs:
            raise ModelError(
                f"The teachers {first.name} and {checkpoint.name} have another {noun}: "
                f"{theirs!s:.80} and {ours!s:.80}; give teachers that agree."
            )


def _check_texts(checkpoint: Checkpoint, first: Checkpoint) -> None:
    """Teachers that read a text as the same tokens."""
    texts = [model.tokenizer.read_text("utf-8") for model in (checkpoint, first)]
    own, resolved = (tokenizers.Tokenizer.from_str(text).to_str() for text in texts)
    if not same_tokens(own.encode(), resolved):
        raise ModelError(
            f"The teacher {checkpoint.name} has another tokenizer than {first.name} (its words, "
            "lower-casing or special tokens); give teachers of one family."
        )
    prompts = [
        (model.prompts.texts.get(model.prompts.default or ""), model.head.pools_prompt)
        for model in (checkpoint, first)
    ]
    if prompts[0] != prompts[1]:
        raise ModelError(
            f"The teachers {first.name} and {checkpoint.name} put other prompts before their "
            "texts; give teachers that agree."
        )
