"""A tokenizer's backend as a tokenizer.json that needs no other file beside it."""

from __future__ import annotations

import json
from typing import Any

import tokenizers

from edge_bert.errors import ModelError
from edge_bert.formats.huggingface.open_tokenizer import open_tokenizer

# What decides the tokens of a text; how text is made of tokens again decides nothing here.
PARTS = ("model", "normalizer", "pre_tokenizer", "post_processor", "added_tokens")
# GPT-2 has none and pads with the end of the text; what pads is masked, so any token does.
PAD_TOKENS = ("[PAD]", "<pad>", "<|endoftext|>")


def describe_backend(tokenizer: Any, *, lowercase: bool) -> str:
    """The tokenizer.json of a tokenizer of transformers, with all that it does outside of one.

    That is the side that is cut, the padding token and, where a model takes no token types, their
    absence for a second text. With `lowercase`, texts are lower-cased before all else, unless they
    are already.

    Raises ModelError for what a tokenizer.json cannot say.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError("tokenizer_config.json: the tokenizer is one without a fast backend.")
    if tokenizer.split_special_tokens:
        raise ModelError(
            "tokenizer_config.json: split_special_tokens is set, which a tokenizer.json cannot "
            "say; take it out where texts hold no special tokens."
        )
    backend = tokenizer.backend_tokenizer
    content = json.loads(backend.to_str())
    content["truncation"] = _truncation(tokenizer.truncation_side, content["truncation"])
    content["padding"] = None
    if lowercase:
        content["normalizer"] = _lower_first(content["normalizer"])
    if "token_type_ids" not in tokenizer.model_input_names:
        content["post_processor"] = _without_types(content["post_processor"])
    if tokenizer.pad_token_id is not None and tokenizer.pad_token_id != pad_id_of(content):
        content["padding"] = _padding(tokenizer)
    return json.dumps(content, ensure_ascii=False, indent=2)


def same_tokens(own: bytes, resolved: str) -> bool:
    """Whether the tokenizer.json `own` means what `resolved` says: same tokens, same ends cut."""
    text = own.decode("utf-8", errors="replace")
    ours = json.loads(open_tokenizer(text, "tokenizer.json").to_str())
    theirs = json.loads(resolved)
    sides = [(content["truncation"] or {}).get("direction", "Right") for content in (ours, theirs)]
    pads = [pad_id_of(content) for content in (ours, theirs)]
    return (
        all(ours[part] == theirs[part] for part in PARTS)
        and sides[0] == sides[1]
        and (pads[0] == pads[1])
    )


def pad_id_of(content: dict[str, Any]) -> int | None:
    """The id that a parsed tokenizer.json pads with; None where it has none."""
    if content["padding"]:
        return int(content["padding"]["pad_id"])
    backend = tokenizers.Tokenizer.from_str(json.dumps(content))
    ids = (backend.token_to_id(token) for token in PAD_TOKENS)
    return next((number for number in ids if number is not None), None)


def _truncation(side: str, own: dict[str, Any] | None) -> dict[str, Any] | None:
    """The side that is cut, where it is not the usual one; lengths are set by whoever opens it."""
    if side == "right" and own is None:
        return None
    length = own["max_length"] if own else 512
    return {
        "direction": side.capitalize(),
        "max_length": length,
        "strategy": "LongestFirst",
        "stride": 0,
    }


def _padding(tokenizer: Any) -> dict[str, Any]:
    return {
        "strategy": "BatchLongest",
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": tokenizer.pad_token_id,
        "pad_type_id": 0,
        "pad_token": str(tokenizer.pad_token),
    }


def _lower_first(normalizer: dict[str, Any] | None) -> dict[str, Any]:
    """Lower-casing in front, unless a Lowercase is there: as sentence-transformers' Transformer."""
    steps = [] if normalizer is None else [normalizer]
    if normalizer is not None and normalizer["type"] == "Sequence":
        steps = normalizer["normalizers"]
    lower = {"type": "Lowercase"}
    if lower in steps:
        return normalizer or {}
    return {"type": "Sequence", "normalizers": [lower, *steps]}


def _without_types(processor: dict[str, Any] | None) -> dict[str, Any] | None:
    """The same special tokens with type 0 everywhere."""
    if processor is None or processor["type"] in ("ByteLevel", "RobertaProcessing"):
        return processor
    if processor["type"] == "Sequence":
        inner = [_without_types(step) for step in processor["processors"]]
        return {**processor, "processors": inner}
    if processor["type"] != "TemplateProcessing":
        raise ModelError(
            "tokenizer_config.json: model_input_names has no token_type_ids, which a "
            f"{processor['type']} post-processor cannot leave out."
        )
    return {**processor, **{name: _zero_types(processor[name]) for name in ("single", "pair")}}


def _zero_types(template: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{kind: {**item, "type_id": 0} for kind, item in part.items()} for part in template]
