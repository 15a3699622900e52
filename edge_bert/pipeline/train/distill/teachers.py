"""The teachers of a student: opened, and held to be of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import ModelError
from edge_bert.formats.huggingface.backend import same_tokens
from edge_bert.formats.huggingface.open_tokenizer import open_tokenizer
from edge_bert.pipeline.train.start_model import StartModel, open_teacher
from edge_bert.records.checkpoint import Checkpoint


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
    models = [open_teacher(name) for name in references or (None,)]
    for model in models[1:]:
        _check_head(model, models[0])
        _check_texts(model.checkpoint, models[0].checkpoint)
    return Teachers(
        checkpoints=tuple(model.checkpoint for model in models),
        weights=tuple(model.weights for model in models),
        tokenizer=min(
            (model.tokenizer for model in models), key=lambda tokenizer: tokenizer.max_length
        ),
    )


def _check_head(teacher: StartModel, first: StartModel) -> None:
    """Outputs that can be averaged."""
    mine, other = teacher.checkpoint, first.checkpoint
    pairs = [
        ("task", mine.head.task.value, other.head.task.value),
        ("labels", mine.head.labels, other.head.labels),
        ("width", teacher.weights.output_width, first.weights.output_width),
    ]
    for noun, ours, theirs in pairs:
        if ours != theirs:
            raise ModelError(
                f"The teachers {other.name} and {mine.name} have another {noun}: "
                f"{theirs!s:.80} and {ours!s:.80}; give teachers that agree."
            )


def _check_texts(checkpoint: Checkpoint, first: Checkpoint) -> None:
    """Teachers that read a text as the same tokens."""
    texts = [model.tokenizer.read_text("utf-8") for model in (checkpoint, first)]
    own, resolved = (open_tokenizer(text, "the teacher's tokenizer").to_str() for text in texts)
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
