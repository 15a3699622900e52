"""Trains the two tiny models that know tests/labelled: one tags entities, one answers questions.

    pip install "edge-bert[torch]"
    python -m tests.recordings.labelled.make

Each is a BERT of two layers, trained from nothing on four fifths of its set, in a few minutes on
one core; the rest is held out, and `split` says which rows those are. What is written is a folder
in Hugging Face's layout, its weights in float16.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, processors, trainers

from edge_bert.data.evaluation import parse_reference
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.records.spans import EntitySpan

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "labelled"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
EVERY = 5  # one row of so many is held out
SEED = 0
SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "max_position_embeddings": 128,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}


def read_entities() -> EvaluationSet:
    """The 200 sentences with their entities."""
    return parse_reference(str(DATA / "ner.jsonl"))


def read_questions() -> EvaluationSet:
    """The 100 questions with their answers."""
    return parse_reference(str(DATA / "qa.json"))


def split(count: int, *, held_out: bool) -> list[int]:
    """The rows that a model was trained on, or those that it never saw."""
    return [row for row in range(count) if (row % EVERY == EVERY - 1) is held_out]


def write_tokenizer(folder: Path, texts: Sequence[str], size: int) -> tokenizers.Tokenizer:
    """A cased WordPiece vocabulary of these texts, with the files that it has in a folder."""
    tokenizer = tokenizers.Tokenizer(models.WordPiece({}, **{"unk_token": "[UNK]"}))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, min_frequency=3, special_tokens=list(SPECIAL), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, SPECIAL.index(token)) for token in ("[CLS]", "[SEP]")],
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    config = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": 128}
    config |= dict(zip(names, SPECIAL, strict=True))
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    return tokenizer


def train(model: Any, epochs: Sequence[Sequence[dict[str, Any]]], rate: float) -> None:
    """Adam over batches of 16 rows, epoch by epoch, with a rate that falls to nothing.

    One token in ten is masked, so that no word alone decides.
    """
    import torch

    torch.set_num_threads(1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.05)
    steps = sum(-(-len(rows) // 16) for rows in epochs)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    model.train()
    for rows in epochs:
        for part in torch.randperm(len(rows)).split(16):
            batch = _pad(torch, [rows[at] for at in part.tolist()])
            ids = batch["input_ids"]
            masked = (torch.rand(ids.shape) < 0.1) & (ids >= len(SPECIAL))
            batch["input_ids"] = torch.where(masked, SPECIAL.index("[MASK]"), ids)
            loss = model(**batch).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def _pad(torch: Any, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    longest = max(len(row["input_ids"]) for row in rows)
    fillers = {"input_ids": 0, "token_type_ids": 0, "attention_mask": 0, "labels": -100}
    return {
        name: torch.tensor(
            [
                row[name] + [fillers[name]] * (longest - len(row[name]))
                if name in fillers
                else row[name]
                for row in rows
            ]
        )
        for name in rows[0]
    }


def _inputs(item: tokenizers.Encoding) -> dict[str, Any]:
    return {
        "input_ids": item.ids,
        "token_type_ids": item.type_ids,
        "attention_mask": item.attention_mask,
    }


def exchange_entities(
    text: str, entities: Sequence[EntitySpan], names: Mapping[str, Sequence[str]], draw: Random
) -> tuple[str, list[EntitySpan]]:
    """The text with most of its entities replaced by others of their type, with their places.

    Half of the replacements are made up of syllables, so that their letters are learned.
    """
    parts, spans, end = [], [], 0
    for entity in entities:
        parts.append(text[end : entity.start])
        name = text[entity.start : entity.end]
        if draw.random() < 0.8:
            name = draw.choice(names[entity.label])
            if entity.label != "date" and draw.random() < 0.5:
                name = " ".join(map(partial(_invent_word, draw), name.split()))
        start = sum(map(len, parts))
        parts.append(name)
        spans.append(EntitySpan(start, start + len(name), entity.label))
        end = entity.end
    return "".join([*parts, text[end:]]), spans


def _invent_word(draw: Random, word: str) -> str:
    if not word[:1].isupper() or len(word) < 4 or draw.random() < 0.3:
        return word
    made = "".join(draw.choice("bdfgklmnprstvz") + draw.choice("aeiou") for _ in range(3))
    return made.capitalize()[: draw.choice((4, 5, 6))]


def train_tagger(folder: Path, epochs: int = 130) -> None:
    """A tagger in the BIO scheme; the first token of an entity is B, the others are I."""
    import torch
    from transformers import BertConfig, BertForTokenClassification

    data = read_entities()
    rows = split(len(data), held_out=False)
    names: dict[str, list[str]] = {}
    for row in rows:
        for entity in data.entities[row]:
            name = data.sentences[row][entity.start : entity.end]
            names.setdefault(entity.label, []).append(name)
    tokenizer = write_tokenizer(folder, [data.sentences[row] for row in rows], 220)
    labels = ["O", *(f"{prefix}-{kind}" for kind in sorted(names) for prefix in "BI")]
    draw = Random(SEED)  # noqa: S311 (no secret)
    varied = [
        [
            _tag_tokens(
                tokenizer,
                labels,
                *exchange_entities(data.sentences[row], data.entities[row], names, draw),
            )
            for row in rows
        ]
        for _ in range(epochs)
    ]
    torch.manual_seed(SEED)
    numbered = dict(enumerate(labels))
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        id2label=numbered,
        label2id={name: number for number, name in numbered.items()},
        **SIZES | {"hidden_dropout_prob": 0.2},
    )
    model = BertForTokenClassification(config)
    train(model, varied, 2e-3)
    _save(model, folder)


def _tag_tokens(
    tokenizer: tokenizers.Tokenizer,
    labels: Sequence[str],
    text: str,
    entities: Sequence[EntitySpan],
) -> dict[str, Any]:
    """A row with a label for each token; special tokens have none."""
    item = tokenizer.encode(text)
    tags = [-100 if special else 0 for special in item.special_tokens_mask]
    for entity in entities:
        inside = [
            at
            for at, (start, end) in enumerate(item.offsets)
            if end > start >= entity.start and end <= entity.end
        ]
        for at in inside:
            tags[at] = labels.index(f"{'I' if at > inside[0] else 'B'}-{entity.label}")
    return {**_inputs(item), "labels": tags}


def train_reader(folder: Path, epochs: int = 200) -> None:
    """A model that gives the first answer of each question."""
    import torch
    from transformers import BertConfig, BertForQuestionAnswering

    data = read_questions()
    rows = split(len(data), held_out=False)
    texts = [*data.second, *(data.sentences[row] for row in rows)]
    tokenizer = write_tokenizer(folder, texts, 900)
    examples = []
    for row in rows:
        context, answer = data.second[row], data.answers[row][0]
        first = context.index(answer)
        item = tokenizer.encode(data.sentences[row], context)
        inside = [
            at
            for at, (start, end) in enumerate(item.offsets)
            if item.sequence_ids[at] == 1 and start >= first and end <= first + len(answer)
        ]
        positions = {"start_positions": inside[0], "end_positions": inside[-1]}
        examples.append({**_inputs(item), **positions})
    torch.manual_seed(SEED)
    model = BertForQuestionAnswering(BertConfig(vocab_size=tokenizer.get_vocab_size(), **SIZES))
    train(model, [examples] * epochs, 2e-3)
    _save(model, folder)


def _save(model: Any, folder: Path) -> None:
    model.half().eval().save_pretrained(folder)


if __name__ == "__main__":
    train_tagger(HERE / "tagger")
    train_reader(HERE / "reader")
