"""What is refused with advice, and the same after the advice was followed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import models

from edge_bert.data.buckets import check_lengths, choose_bucket, pad_encoding
from edge_bert.data.calibration import load_sentences, select_sentences
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.sentence_files import read_sentences
from edge_bert.data.tables import read_table
from edge_bert.data.tokenizing import Encoding, Tokenizer
from edge_bert.evaluate.answers import score_answers
from edge_bert.evaluate.choose_exit import check_exit_rule
from edge_bert.evaluate.entities import match_entity_types, score_entities
from edge_bert.evaluate.exit_trials import check_count
from edge_bert.pipeline.build.scoring.score_labels import check_data
from edge_bert.records.checkpoint import Head, Prompts, Task
from edge_bert.records.exits import ExitPoint, ExitRule
from edge_bert.records.spans import EntitySpan

LINES = [f"line {number}" for number in range(10)]
WORDS = "\n".join(LINES)
ANN = EntitySpan(0, 3, "person")
SENTIMENT = Head(task=Task.CLASSIFICATION, labels=("bad", "good"))
STARS = Head(task=Task.CLASSIFICATION, labels=("1 star", "2 stars", "3 stars"))
NUMBERED = Head(task=Task.CLASSIFICATION, labels=("1", "2"))
SIMILAR = Head(task=Task.CLASSIFICATION, labels=("a b", "a_b"))
SETS = Head(task=Task.CLASSIFICATION, labels=("a", "b"), activation="sigmoid")
NUMBER = Head(task=Task.CLASSIFICATION, labels=("LABEL_0",))
EMBEDDING = Head(task=Task.EMBEDDING)


@dataclass(frozen=True)
class Given:
    """A user's file under `name`, asked for with what stands before and behind it."""

    name: str
    content: str | bytes
    suffix: str = ""
    form: str = ""

    def written(self, folder: Path) -> str:
        """The reference of the file."""
        path = folder / self.name
        data = self.content if isinstance(self.content, bytes) else self.content.encode()
        path.write_bytes(data)
        return f"{self.form}{path}{self.suffix}"


@dataclass(frozen=True)
class Case:
    """What is refused, and the same after its advice was followed, by one reader."""

    read: Callable[[str], Any]
    bad: Given
    good: Given


@dataclass(frozen=True)
class Call:
    """What is refused without a file, and the same after its advice was followed."""

    bad: Callable[[], Any]
    good: Callable[[], Any]


def fits(head: Head) -> Callable[[str], None]:
    """Reads labelled data and holds them against a head."""
    return lambda spec: check_data(parse_reference(spec), head)


def rows(*values: Any) -> str:
    """Lines of JSON."""
    return "\n".join(map(json.dumps, values))


def row_case(bad: dict[str, Any], good: dict[str, Any]) -> Case:
    """Of a line of JSON, as labelled data."""
    return Case(
        parse_reference, Given("a.jsonl", json.dumps(bad)), Given("a.jsonl", json.dumps(good))
    )


def sentence_case(bad: Given, good: Given) -> Case:
    """Of `read_sentences`."""
    return Case(read_sentences, bad, good)


def table(*lines: str) -> str:
    """A CSV file."""
    return "\n".join(lines) + "\n"


GOOD_LINES = Given("good.txt", WORDS)
LABELS = table("text,label", "a,1", "b,0")
LABELLED = Given("good.csv", LABELS)
ANSWER = {"question": "q?", "context": "c"}

FILES: Sequence[Case] = (
    Case(load_sentences, Given("a.txt", "one\ntwo\n"), GOOD_LINES),
    sentence_case(Given("a.csv", "body\nx\n"), Given("a.csv", "body\nx\n", ":text=body")),
    sentence_case(Given("a.csv", "body\nx\n"), Given("a.csv", "sentence1\nx\n")),
    sentence_case(Given("a.csv", ",\n"), Given("a.csv", "text,id\nx,1\n")),
    sentence_case(Given("a.csv", "text,text\nx,1\n"), Given("a.csv", "text,text1\nx,1\n")),
    sentence_case(Given("a.csv", "text,id\na, b,1\n"), Given("a.csv", 'text,id\n"a, b",1\n')),
    sentence_case(Given("a.csv", 'text\n"a\n'), Given("a.csv", 'text\n"a"\n')),
    sentence_case(Given("a.tsv", "text;id\nx;1\n"), Given("a.csv", "text;id\nx;1\n")),
    sentence_case(Given("a.txt", "é\n".encode("utf-16-le")), Given("a.txt", "é\n")),
    sentence_case(Given("a.txt", "ab\n".encode("utf-16-le")), Given("a.txt", "ab\n")),
    sentence_case(Given("a.txt", b"\xff\xfea\0b"), Given("a.txt", "ab\n")),
    sentence_case(Given("a.txt", "é\n".encode("latin-1")), Given("a.txt", "é\n")),
    sentence_case(Given("a.txt", "\n"), GOOD_LINES),
    sentence_case(Given("a.txt", b"some text\0"), GOOD_LINES),
    sentence_case(Given("a.parquet", b"PAR1"), Given("a.jsonl", rows({"text": "x"}))),
    sentence_case(Given("a.md", WORDS), GOOD_LINES),
    sentence_case(Given("a.txt", '["x",\n"y"]'), Given("a.json", '["x",\n"y"]')),
    sentence_case(Given("a.txt", '["x"]\n["y"]'), Given("a.jsonl", '"x"\n"y"')),
    sentence_case(Given("a.txt", "text,label\nx,1\n"), Given("a.csv", "text,label\nx,1\n")),
    sentence_case(Given("a.json", "[]"), Given("a.json", '["x"]')),
    sentence_case(Given("a.json", "3"), Given("a.json", '["x"]')),
    sentence_case(Given("a.json", '{"a": "x"}'), Given("a.json", '{"a": [{"text": "x"}]}')),
    sentence_case(Given("a.json", "[3]"), Given("a.json", '[{"text": "3"}, "x"]')),
    sentence_case(
        Given("a.json", '{"a": ["x"], "b": ["y"]}'),
        Given("a.json", '{"a": ["x"], "b": ["y"]}', ":split=a"),
    ),
    sentence_case(Given("a.json", '["x"]', ":split=a"), Given("a.json", '["x"]')),
    sentence_case(Given("a.csv", "text\nx\n", ":split=a"), Given("a.csv", "text\nx\n")),
    Case(parse_reference, Given("a.txt", "x"), LABELLED),
    Case(parse_reference, Given("a.csv", "text\nx\n", ":body=x"), LABELLED),
    Case(
        parse_reference,
        Given("a.csv", "body,topic\nx,1\n"),
        Given("a.csv", "body,topic\nx,1\n", ":text=body,label=topic"),
    ),
    Case(
        parse_reference,
        Given("a.csv", "text,topic\nx,1\n"),
        Given("a.csv", "text,topic\nx,1\n", ":label=topic"),
    ),
    Case(
        parse_reference,
        Given("a.csv", "sentence1,sentence2,x\na,b,1\n"),
        Given("a.csv", "sentence1,sentence2,x\na,b,1\n", ":score=x"),
    ),
    Case(
        parse_reference,
        Given("a.csv", "q,p,label\na,b,1\n", ":query=q"),
        Given("a.csv", "q,p,label\na,b,1\n", ":query=q,passage=p"),
    ),
    Case(
        parse_reference,
        Given("a.csv", "a,b,c\nx,1,2\n", ":text=a,label=b,score=c"),
        Given("a.csv", "a,b,c\nx,1,2\n", ":text=a,score=c"),
    ),
    Case(parse_reference, Given("a.csv", "text,label\n"), LABELLED),
    Case(parse_reference, Given("a.csv", "text,label\nx,-1\n"), LABELLED),
    Case(
        parse_reference,
        Given("a.csv", "text,score\nx,high\n"),
        Given("a.csv", "text,score\nx,1.5\n"),
    ),
    row_case({"text": "x", "label": {"a": 1}}, {"text": "x", "label": ["a"]}),
    row_case({"text": "x", "label": [None]}, {"text": "x", "label": ["a", 1]}),
    Case(
        parse_reference,
        Given("a", "Ann\n", form="conll:"),
        Given("a", "Ann B-PER\n", form="conll:"),
    ),
    Case(
        parse_reference,
        Given("a", "-DOCSTART- O\n", form="conll:"),
        Given("a", "x O\n", form="conll:"),
    ),
    row_case({"text": "x", "entities": None}, {"text": "x", "entities": []}),
    row_case(
        {"text": "abc", "entities": [[0, 2, "X"], [1, 3, "Y"]]},
        {"text": "abc", "entities": [[0, 1, "X"], [1, 3, "Y"]]},
    ),
    row_case(
        {"text": "abc", "entities": [[0, 9, "X"]]}, {"text": "abc", "entities": [[0, 3, "X"]]}
    ),
    row_case({"tokens": ["a"], "tags": []}, {"tokens": ["a"], "tags": ["O"]}),
    row_case({"tokens": ["a"], "tags": [1]}, {"tokens": ["a"], "tags": ["B-PER"]}),
    row_case({"tokens": ["a"], "tags": ["PER"]}, {"tokens": ["a"], "tags": ["B-PER"]}),
    row_case({"tokens": [], "tags": []}, {"tokens": ["a"], "tags": ["O"]}),
    row_case({**ANSWER, "answers": None}, {**ANSWER, "answers": []}),
    Case(parse_reference, Given("a", "one line", form="sst2:"), Given("a", "x\t1", form="sst2:")),
    Case(
        fits(SIMILAR), Given("a.csv", "text,label\nx,A-B\n"), Given("a.csv", "text,label\nx,a_b\n")
    ),
    Case(
        fits(STARS), Given("a.csv", "text,label\nx,1\n"), Given("a.csv", "text,label\nx,1 star\n")
    ),
    Case(
        fits(NUMBERED),
        Given("a.csv", "text,label\nx,0\ny,1\n"),
        Given("a.csv", "text,label\nx,1\ny,2\n"),
    ),
    Case(
        fits(SETS),
        Given("a.csv", 'text,label\nx,"[0, 1]"\n'),
        Given("a.csv", 'text,label\nx,"[""a"", ""b""]"\n'),
    ),
    Case(fits(SETS), Given("a.csv", "text,label\nx,[]\n"), Given("a.csv", "text,label\nx,a\n")),
    Case(
        fits(NUMBER),
        Given("a.csv", "text,score\nx,1\ny,1\n"),
        Given("a.csv", "text,score\nx,1\ny,2\n"),
    ),
    Case(
        fits(EMBEDDING),
        Given("a.csv", "text1,text2,score\nx,y,1\ny,x,1\n"),
        Given("a.csv", "text1,text2,score\nx,y,1\ny,x,2\n"),
    ),
    Case(
        fits(NUMBER),
        Given("a.csv", "query,passage,label\nx,y,1\n"),
        Given("a.csv", "query,passage,label\nx,y,1\nx,z,0\n"),
    ),
    Case(
        fits(NUMBER),
        Given("a.csv", "query,passage,label\nx,y,1\nx,z,-1\n"),
        Given("a.csv", "query,passage,label\nx,y,1\nx,z,0\n"),
    ),
)


def tokenizer_of(folder: Path, *, pads: bool = True) -> Path:
    """A tokenizer without a token for padding, with a section for it or without."""
    tokenizer = tokenizers.Tokenizer(models.WordLevel({"a": 0, "b": 1}, "a"))
    if pads:
        tokenizer.enable_padding(pad_id=0)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


def calls(folder: Path) -> Iterator[Call]:
    """What needs no file of labels."""
    short = Encoding((1, 2), (0, 0))
    for bad, good in (((), (8,)), ((0,), (1,)), ((9,), (8,)), ((4, 4), (4,)), ((8, 4), (4, 8))):
        yield Call(partial(check_lengths, bad, 8), partial(check_lengths, good, 8))
    yield Call(lambda: choose_bucket(9, (4, 8)), lambda: choose_bucket(8, (4, 8)))
    yield Call(
        lambda: pad_encoding(short, 4, 0, ["ids"]), lambda: pad_encoding(short, 4, 0, ["input_ids"])
    )
    yield Call(
        lambda: select_sentences(LINES, 0, seed=0), lambda: select_sentences(LINES, 1, seed=0)
    )
    yield Call(
        lambda: Tokenizer.open(tokenizer_of(folder, pads=False), 8),
        lambda: Tokenizer.open(tokenizer_of(folder), 8).encode("a"),
    )
    yield Call(
        lambda: Tokenizer.open(tokenizer_of(folder), 0),
        lambda: Tokenizer.open(tokenizer_of(folder), 1),
    )
    prompts = Prompts({"query": "q: "})
    yield Call(
        lambda: Tokenizer.open(tokenizer_of(folder), 8).with_prompt(prompts, "passage"),
        lambda: Tokenizer.open(tokenizer_of(folder), 8).with_prompt(prompts, "query"),
    )
    unpooled = Prompts({"query": "a"}, pooled=False)
    yield Call(
        lambda: Tokenizer.open(tokenizer_of(folder), 1).with_prompt(unpooled, "query"),
        lambda: Tokenizer.open(tokenizer_of(folder), 4).with_prompt(unpooled, "query"),
    )
    yield Call(
        lambda: Tokenizer.open(tokenizer_of(folder), 1).encode_windows("a", "b", overlap=0),
        lambda: Tokenizer.open(tokenizer_of(folder), 2).encode_windows("a", "b", overlap=0),
    )
    classes = Head(Task.CLASSIFICATION, labels=("a", "b"), activation="softmax")
    yield Call(lambda: check_count(99, 0.99, classes), lambda: check_count(100, 0.99, classes))
    point = ExitPoint(1)
    yield Call(
        lambda: check_exit_rule(ExitRule("agreement", (point,), 0.9), classes),
        lambda: check_exit_rule(ExitRule("confidence", (point,), 0.9), classes),
    )
    (folder / "damaged.json").write_text("{}")
    yield Call(
        lambda: Tokenizer.open(folder / "damaged.json", 8),
        lambda: Tokenizer.open(tokenizer_of(folder), 8),
    )
    (folder / "utf16.json").write_bytes("{}".encode("utf-16"))
    yield Call(
        lambda: Tokenizer.open(folder / "utf16.json", 8),
        lambda: Tokenizer.open(tokenizer_of(folder), 8),
    )
    (folder / "good.txt").write_text(WORDS)
    yield Call(lambda: read_sentences(folder), lambda: read_sentences(folder / "good.txt"))
    yield Call(
        lambda: read_sentences(folder / "absent.txt"), lambda: read_sentences(folder / "good.txt")
    )
    (folder / "good.csv").write_text(LABELS)
    yield Call(lambda: read_table(folder / "good.txt"), lambda: read_table(folder / "good.csv"))
    yield Call(lambda: score_answers("d", [], []), lambda: score_answers("d", ["a"], [["a"]]))
    yield Call(lambda: score_entities("d", [[]], [[]]), lambda: score_entities("d", [[]], [[ANN]]))
    yield Call(
        lambda: match_entity_types("d", [[ANN]], ["PER"]),
        lambda: match_entity_types("d", [[EntitySpan(0, 3, "per")]], ["PER"]),
    )
