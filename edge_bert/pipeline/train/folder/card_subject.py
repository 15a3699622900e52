"""What a model card is about: the task, who opens the folder, what the source's card says."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_bert.encoder.architectures.registry import ARCHITECTURES
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.formats.model_file import has_model_file, open_model_file
from edge_bert.pipeline.train.folder.model_folder import layers_are_alike
from edge_bert.pipeline.train.folder.transformers_head import find_class
from edge_bert.records.checkpoint import Checkpoint, Task

CARD_FILE = "README.md"
INHERITED = ("license", "license_name", "license_link", "language", "base_model")
MAX_CARD_BYTES = 2**20
MAX_CHARACTERS, MAX_VALUES = 200, 50
FEWER_TOKENS = "Its later layers read fewer tokens, as `tokens.json` says"
CardField = str | list[str]


@dataclass(frozen=True)
class CardSubject:
    """What a card is about.

    `alike` says that other libraries open the folder: all layers have one shape and all tokens;
    `opened_by` names the class of transformers that does so with the head.
    `peculiarity` says what other libraries have no class for where they do not.
    `inherited` are the fields of the card of the model it comes from that hold for this one too.
    """

    task: Task
    labels: tuple[str, ...]
    alike: bool
    inherited: Mapping[str, CardField]
    opened_by: str | None = None
    peculiarity: str = "Its layers differ in their heads or neurons, which `edge_bert.json` lists"


def describe_subject(weights: EncoderWeights, checkpoint: Checkpoint) -> CardSubject:
    """The subject of the card of `weights`, which come from `checkpoint`."""
    folder = checkpoint.folder
    inherited = read_inherited_fields(folder / CARD_FILE) if folder else {}
    head = weights.head
    alike = layers_are_alike(weights)
    opened_by = find_class(weights, ARCHITECTURES[checkpoint.architecture]) if alike else None
    subject = CardSubject(head.task, head.labels, alike, inherited, opened_by)
    if weights.config.cuts:
        return dataclasses.replace(subject, peculiarity=FEWER_TOKENS)
    return subject


def read_inherited_fields(card: Path) -> dict[str, CardField]:
    """Licence, language and base model of a card; nothing where there is none to be read."""
    from huggingface_hub import metadata_load

    try:
        file = open_model_file(card, MAX_CARD_BYTES) if has_model_file(card) else None
        fields = (metadata_load(file.open_path) if file else None) or {}
    except Exception:  # a foreign file: whatever is wrong with it, we go without
        return {}
    return {name: fields[name] for name in INHERITED if _is_plain(fields.get(name))}


def _is_plain(value: object) -> bool:
    """Whether a field is a short text or a short list of them, as the hub's are."""
    texts = value if isinstance(value, list) else [value]
    short = all(isinstance(text, str) and len(text) <= MAX_CHARACTERS for text in texts)
    return short and 0 < len(texts) <= MAX_VALUES
