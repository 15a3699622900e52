"""Labelled entities and answers in the layouts that people have."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from edge_bert.data.evaluation import parse_reference
from edge_bert.errors import DataError

LABELLED = Path(__file__).resolve().parents[1] / "labelled"
SHOWN = [("Ann Lee", "PER"), ("New York", "LOC")]
TOKENS = ["Ann", "Lee", "left", "New", "York", "."]
TAGS = ["B-PER", "I-PER", "O", "B-LOC", "I-LOC", "O"]
TEXT = "Ann Lee left New York ."
SPANS = [(0, 7, "PER"), (13, 21, "LOC")]
ENTITIES = [{"start": start, "end": end, "label": label} for start, end, label in SPANS]

CONLL = "\n".join(f"{token} NN {tag}" for token, tag in zip(TOKENS, TAGS, strict=True))
LAYOUTS: dict[str, tuple[str, str]] = {
    "conll": ("a.conll", f"-DOCSTART- -X- O\n\n{CONLL}\n\n"),
    "conll with tabs": ("a.txt", CONLL.replace(" ", "\t") + "\n\n\n"),
    "conll with comments": ("a.txt", f"# id 17 domain=en\n{CONLL}"),
    "tokens": ("a.jsonl", json.dumps({"tokens": TOKENS, "ner_tags": TAGS})),
    "tags": ("a.json", json.dumps([{"id": 1, "tokens": TOKENS, "tags": TAGS}])),
    "entities": ("a.jsonl", json.dumps({"text": TEXT, "entities": ENTITIES})),
    "triples": ("a.jsonl", json.dumps({"text": TEXT, "entities": SPANS[::-1]})),
    "types": (
        "a.json",
        json.dumps(
            [{"text": TEXT, "entities": [{"start": s, "end": e, "type": t} for s, e, t in SPANS]}]
        ),
    ),
}


def written(folder: Path, name: str, content: str) -> Path:
    """A file with this content."""
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_entities(tmp_path: Path, layout: str) -> None:
    """Offsets are those of the text that is tokenized."""
    name, content = LAYOUTS[layout]
    form = "conll:" if "conll" in layout else ""
    data = parse_reference(f"{form}{written(tmp_path, name, content)}")
    assert (data.kind, data.name, len(data)) == ("entities", f"{form}{name}", 1)
    (text,), (entities,) = data.sentences, data.entities
    assert [(text[entity.start : entity.end], entity.label) for entity in entities] == SHOWN


def test_spaces_around_a_text_stay(tmp_path: Path) -> None:
    """Offsets count them."""
    row = {"text": "  Ann left. ", "entities": [{"start": 2, "end": 5, "label": "PER"}]}
    data = parse_reference(str(written(tmp_path, "a.jsonl", json.dumps(row))))
    assert data.sentences == ("  Ann left. ",)
    assert data.entities[0][0].start == 2


def entity_row(**entity: Any) -> str:
    """A row with one entity."""
    return json.dumps({"text": "Ann left", "entities": [entity]})


BAD_ENTITIES = {
    "beyond the text": (
        entity_row(start=0, end=9, label="PER"),
        "line 1 has an entity that is none",
    ),
    "empty": (entity_row(start=3, end=3, label="PER"), "has an entity that is none"),
    "negative": (entity_row(start=-1, end=3, label="PER"), "has an entity that is none"),
    "huge": (entity_row(start=0, end=10**300, label="PER"), "has an entity that is none"),
    "a truth value": (entity_row(start=False, end=True, label="PER"), "has an entity that is none"),
    "a fraction": (entity_row(start=0.0, end=3.0, label="PER"), "has an entity that is none"),
    "no label": (entity_row(start=0, end=3), "has an entity that is none"),
    "a blank label": (entity_row(start=0, end=3, label=" "), "has an entity that is none"),
    "no object": ('{"text": "a", "entities": ["PER"]}', "has an entity that is none"),
    "no list": ('{"text": "a", "entities": "PER"}', "has no list of entities; give []"),
    "missing": ('{"text": "a", "entities": []}\n{"text": "b"}', "line 2 has no list of entities"),
    "overlap": (
        '{"text": "abc", "entities": [[0, 2, "X"], [1, 3, "Y"]]}',
        "has entities that overlap, at 1",
    ),
    "twice": ('{"text": "abc", "entities": [[0, 2, "X"], [0, 2, "X"]]}', "overlap, at 0"),
    "no text": ('{"text": " ", "entities": []}', "nothing in column 'text'"),
    "numbers as tags": ('{"tokens": ["a"], "ner_tags": [3]}', "has numbers as tags"),
    "too few tags": ('{"tokens": ["a", "b"], "ner_tags": ["O"]}', "has not a tag for each token"),
    "no tag": ('{"tokens": ["a"], "ner_tags": ["PER"]}', "has 'PER' as a tag; give O, or a prefix"),
    "null": ('{"tokens": [null], "ner_tags": ["O"]}', "as a tag"),
    "no tokens": ('{"tokens": [], "ner_tags": []}', "has no tokens"),
}


@pytest.mark.parametrize("case", BAD_ENTITIES)
def test_bad_entities_are_one_clear_line(tmp_path: Path, case: str) -> None:
    """With the line, and what to give instead."""
    content, message = BAD_ENTITIES[case]
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        parse_reference(str(written(tmp_path, "a.jsonl", content)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Ann\nleft\n", "line 1 has no token and tag"),
        ("Ann B-PER\nleft NN\n", "line 2 has no token and tag"),
        ("\tO\n", "line 1 has no token and tag"),
        ("-DOCSTART- O\n\n", "has no sentences"),
        ("", "is empty"),
    ],
)
def test_a_file_that_is_not_conll(tmp_path: Path, content: str, message: str) -> None:
    """Lines of another layout are not read as tokens."""
    with pytest.raises(DataError, match=message):
        parse_reference(f"conll:{written(tmp_path, 'a.txt', content)}")


QUESTION = {"question": "Who left?", "context": " Ann left."}
ANSWERS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "squad": (
        [{"text": "Ann", "answer_start": 1}, {"text": "Ann l", "answer_start": 1}],
        ("Ann", "Ann l"),
    ),
    "hub": ({"text": ["Ann"], "answer_start": [1]}, ("Ann",)),
    "texts": (["Ann"], ("Ann",)),
    "one text": ("Ann", ("Ann",)),
    "none": ([], ()),
    "none of the hub": ({"text": [], "answer_start": []}, ()),
}


@pytest.mark.parametrize("layout", ANSWERS)
def test_every_layout_gives_the_same_answers(tmp_path: Path, layout: str) -> None:
    """SQuAD's articles, and rows of a question each."""
    value, expected = ANSWERS[layout]
    rows = written(tmp_path, "rows.jsonl", json.dumps({**QUESTION, "answers": value}))
    paragraph = {"context": " Ann left.", "qas": [{"question": "Who left?", "answers": value}]}
    squad = written(tmp_path, "dev.json", json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    for spec in (str(rows), str(squad), f"squad:{squad}", f"squad:{rows}"):
        data = parse_reference(spec)
        assert (data.kind, data.sentences, data.second) == (
            "answers",
            ("Who left?",),
            (" Ann left.",),
        )
        assert data.answers == (expected,)


def test_squad_2_says_that_there_is_no_answer(tmp_path: Path) -> None:
    """What is plausible but wrong is no answer."""
    row = {**QUESTION, "is_impossible": True, "answers": [{"text": "Ann", "answer_start": 1}]}
    data = parse_reference(str(written(tmp_path, "a.jsonl", json.dumps(row))))
    assert data.answers == ((),)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**QUESTION, "answers": [{"answer_start": 1}]}, "has no list of answers with a text"),
        ({**QUESTION, "answers": [17]}, "has no list of answers with a text"),
        ({**QUESTION, "answers": None}, "has no list of answers with a text"),
        ({**QUESTION, "question": "", "answers": []}, "nothing in column 'question'"),
        ({"question": "Who?", "context": None, "answers": []}, "nothing in column 'context'"),
    ],
)
def test_bad_answers_are_one_clear_line(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    """With the line."""
    with pytest.raises(DataError, match=message):
        parse_reference(str(written(tmp_path, "a.jsonl", json.dumps(row))))


def test_our_own_labelled_data() -> None:
    """The sets of the tests are what their README says, and every answer is in its context."""
    entities = parse_reference(str(LABELLED / "ner.jsonl"))
    answers = parse_reference(f"squad:{LABELLED / 'qa.json'}")
    assert (len(entities), len(answers)) == (200, 100)
    types = {entity.label for spans in entities.entities for entity in spans}
    assert types == {"person", "place", "organisation", "date"}
    for context, texts in zip(answers.second, answers.answers, strict=True):
        assert texts
        assert all(text in context for text in texts)
