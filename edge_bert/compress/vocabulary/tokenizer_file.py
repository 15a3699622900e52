"""A `tokenizer.json` parsed, and written again with fewer tokens and new ids.

WordPiece (BERT, DistilBERT), byte-level BPE (RoBERTa) and Unigram (XLM-RoBERTa, ALBERT) are
supported; other kinds are refused, because nothing here could promise that their tokenizer still
takes every text.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from edge_bert.errors import ModelError
from edge_bert.text import shorten

WORDPIECE, BPE, UNIGRAM = "WordPiece", "BPE", "Unigram"
BYTE_TOKEN = re.compile(r"<0x[0-9A-F]{2}>")  # of Unigram: a byte of a character without a token
PADDING = ("[PAD]", "<pad>")
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError)


@dataclass(frozen=True)
class TokenizerFile:
    """The parts of a tokenizer.json that trimming reads.

    `tokens` has every token by its id, those added to the model's vocabulary too; `special` are
    the ids that must stay: added tokens, the unknown token, and all up to the padding token, whose
    id decides where RoBERTa's positions start. `prefix` is that of a word's later pieces. `scores`
    are Unigram's, the logarithms of probabilities, by id.
    """

    content: Mapping[str, Any]
    kind: str
    prefix: str
    tokens: Mapping[int, str]
    special: frozenset[int]
    merges: tuple[tuple[str, str], ...]
    scores: Mapping[int, float] = field(default_factory=dict)


def parse_tokenizer(text: str) -> TokenizerFile:
    """Parse a tokenizer.json. Raises ModelError for a damaged one and for other kinds."""
    try:
        return _read_content(msgspec.json.decode(text, type=dict[str, Any]))
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:120]
        raise ModelError(
            f"tokenizer.json: cannot be trimmed ({type(error).__name__}: {reason}); get the "
            "model's tokenizer.json again, or keep the whole vocabulary."
        ) from error


def _read_content(content: dict[str, Any]) -> TokenizerFile:
    model = content["model"]
    kind = _kind_of(model)
    _check_kind(kind, content)
    if kind == UNIGRAM:
        return _read_unigram(content)
    vocabulary = msgspec.convert(model["vocab"], dict[str, int])
    unknown = model.get("unk_token")
    return TokenizerFile(
        content=content,
        kind=kind,
        prefix=str(model.get("continuing_subword_prefix") or ""),
        tokens={number: token for token, number in vocabulary.items()} | _added_tokens(content),
        special=_special_ids(content, vocabulary)
        | ({vocabulary[unknown]} if unknown is not None else set()),
        merges=tuple(_parse_merge(merge) for merge in model.get("merges", ())),
    )


def _kind_of(model: Mapping[str, Any]) -> Any:
    """The kind of tokenizer, which older files do not name."""
    if model.get("type"):
        return model["type"]
    if isinstance(model["vocab"], list):
        return UNIGRAM
    return BPE if "merges" in model else WORDPIECE


def _read_unigram(content: Mapping[str, Any]) -> TokenizerFile:
    """Unigram keeps its tokens in a list, by id, each with its score.

    The unknown token's score follows from the lowest of all, so that a token which has it stays.
    """
    model = content["model"]
    entries = msgspec.convert(model["vocab"], list[tuple[str, float]])
    scores = {number: score for number, (_, score) in enumerate(entries)}
    vocabulary = {token: number for number, (token, _) in enumerate(entries)}
    required = {min(scores, key=lambda number: scores[number])}
    if model.get("unk_id") is not None:
        required.add(vocabulary[entries[model["unk_id"]][0]])
    required |= {number for token, number in vocabulary.items() if BYTE_TOKEN.fullmatch(token)}
    return TokenizerFile(
        content=content,
        kind=UNIGRAM,
        prefix="",
        tokens={number: token for number, (token, _) in enumerate(entries)}
        | _added_tokens(content),
        special=_special_ids(content, vocabulary) | required,
        merges=(),
        scores=scores,
    )


def _added_tokens(content: Mapping[str, Any]) -> dict[int, str]:
    return {int(item["id"]): str(item["content"]) for item in content.get("added_tokens") or ()}


def _special_ids(content: Mapping[str, Any], vocabulary: Mapping[str, int]) -> frozenset[int]:
    """Added tokens, those of the template, and all up to the padding token."""
    added = _added_tokens(content)
    tokens = {number: token for token, number in vocabulary.items()} | added
    padding = [number for number, token in tokens.items() if token in PADDING]
    padding += [content["padding"]["pad_id"]] if content.get("padding") else []
    fixed = {number for number in tokens if number <= max(padding, default=-1)}
    in_template = {number for _, _, number in _template_ids(content.get("post_processor"))}
    return frozenset(fixed | set(added) | in_template)


def _check_kind(kind: object, content: Mapping[str, Any]) -> None:
    model = content["model"]
    if kind == WORDPIECE and model.get("continuing_subword_prefix"):
        return
    outer = content.get("pre_tokenizer") or {}
    pre_tokenizers = {item["type"] for item in outer.get("pretokenizers", [outer]) if item}
    plain = not model.get("continuing_subword_prefix") and not model.get("end_of_word_suffix")
    if kind == BPE and "ByteLevel" in pre_tokenizers and plain:
        return
    if kind == UNIGRAM and (model.get("unk_id") is not None or model.get("byte_fallback")):
        return
    raise ModelError(
        f"tokenizer.json: is of the kind {shorten(kind)}; a vocabulary can be trimmed of "
        "WordPiece, byte-level BPE, and Unigram with an unknown token. Keep this model's whole "
        "vocabulary."
    )


def _parse_merge(merge: str | Sequence[str]) -> tuple[str, str]:
    """A merge, which older files write as one text."""
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return str(left), str(right)


def write_tokenizer(file: TokenizerFile, kept_ids: Sequence[int]) -> str:
    """The tokenizer.json with the tokens of `kept_ids`, whose indices become their ids.

    A merge stays where both its tokens and their result do.
    """
    new_ids = {old: new for new, old in enumerate(kept_ids)}
    content = copy.deepcopy(dict(file.content))
    model = content["model"]
    if file.kind == UNIGRAM:
        model["vocab"] = [entry for old, entry in enumerate(model["vocab"]) if old in new_ids]
        if model.get("unk_id") is not None:
            model["unk_id"] = new_ids[model["unk_id"]]
    else:
        model["vocab"] = {
            token: new_ids[old]
            for token, old in sorted(model["vocab"].items(), key=lambda item: item[1])
            if old in new_ids
        }
    if file.kind == BPE:
        model["merges"] = [
            merge
            for merge, (left, right) in zip(model["merges"], file.merges, strict=True)
            if {left, right, left + right} <= model["vocab"].keys()
        ]
    for item in content.get("added_tokens") or ():
        item["id"] = new_ids[item["id"]]
    if content.get("padding"):
        content["padding"]["pad_id"] = new_ids[content["padding"]["pad_id"]]
    for owner, key, old in _template_ids(content.get("post_processor")):
        owner[key] = new_ids[old]
    return json.dumps(content, ensure_ascii=False, indent=2)


def _template_ids(processor: Any) -> list[tuple[Any, Any, int]]:
    """The ids in a post-processor: the list or pair that holds one, its index there, and the id."""
    match (processor or {"type": "ByteLevel"})["type"]:
        case "Sequence":
            return [entry for inner in processor["processors"] for entry in _template_ids(inner)]
        case "TemplateProcessing":
            lists = [special["ids"] for special in processor["special_tokens"].values()]
            return [(ids, at, old) for ids in lists for at, old in enumerate(ids)]
        case "BertProcessing" | "RobertaProcessing":
            return [(processor[name], 1, processor[name][1]) for name in ("sep", "cls")]
        case "ByteLevel":
            return []
        case unknown:
            raise ModelError(
                f"tokenizer.json: the post-processor {shorten(unknown)} is not one that can be "
                "trimmed; keep this model's whole vocabulary."
            )
