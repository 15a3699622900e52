"""Sentences in every layout that people have them in, and files that only look like lines."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.data import calibration
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.sentence_files import absolute_sentences, name_source, read_sentences
from edge_bert.errors import DataError, InputError

SENTENCES = [f"Sentence number {number}." for number in range(40)]
ROWS = [{"text": text, "label": number % 2} for number, text in enumerate(SENTENCES)]
HALVES = (SENTENCES[:20], SENTENCES[20:])

JSON_LAYOUTS: dict[str, Any] = {
    "strings": SENTENCES,
    "objects": ROWS,
    "an object with one array": {"version": 1, "data": ROWS},
    "one array of strings": {"sentences": SENTENCES},
    "text and intent": [[text, "greet"] for text in SENTENCES],
    "splits of text and intent": {
        "train": [[text, "greet"] for text in HALVES[0]],
        "oos_val": [],
        "val": [[text, "leave"] for text in HALVES[1]],
    },
    "splits of objects": {"train": ROWS[:20], "test": ROWS[20:]},
    "columns": {"text": SENTENCES, "label": [0] * 40},
    "columns of pandas": {
        "text": {str(n): text for n, text in enumerate(SENTENCES)},
        "label": {str(n): 1 for n in range(40)},
    },
    "pandas, split": {
        "columns": ["text", "label"],
        "index": [],
        "data": [[s, 1] for s in SENTENCES],
    },
    "a header row": [["label", "text"], *([1, text] for text in SENTENCES)],
    "squad": {
        "version": "1.1",
        "data": [
            {
                "title": "t",
                "paragraphs": [
                    {"context": context, "qas": [{"id": "1", "question": question, "answers": []}]}
                ],
            }
            for context, question in zip(SENTENCES[1::2], SENTENCES[::2], strict=True)
        ],
    },
}


def written(folder: Path, name: str, content: str | bytes) -> Path:
    """A file with this content."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("layout", JSON_LAYOUTS)
def test_json_gives_its_texts(tmp_path: Path, layout: str, indent: int | None) -> None:
    """Every layout, on one line or indented; nothing of the syntax becomes a sentence."""
    content = json.dumps(JSON_LAYOUTS[layout], indent=indent)
    path = written(tmp_path, "data.json", content)
    assert sorted(calibration.load_sentences(path)) == sorted(SENTENCES)


OTHER_LAYOUTS = {
    "semicolons.csv": "id;text\n" + "".join(f"1;{s}\n" for s in SENTENCES),
    "tabs.csv": "id\ttext\n" + "".join(f'1\t"{s}"\n' for s in SENTENCES),
    "bars.csv": "text|id\n" + "".join(f"{s}|1\n" for s in SENTENCES),
    "excel.csv": "sep=;\r\nid;text\r\n" + "".join(f"1;{s}\r\n" for s in SENTENCES),
    "squad.jsonl": "\n".join(
        json.dumps({"context": a, "qas": [{"question": b}]})
        for a, b in zip(SENTENCES[::2], SENTENCES[1::2], strict=True)
    ),
    "pairs.jsonl": "\n".join(json.dumps([s, "greet"]) for s in SENTENCES),
    "rerank.jsonl": "\n".join(
        json.dumps({"query": a, "passage": b, "label": 1})
        for a, b in zip(SENTENCES[::2], SENTENCES[1::2], strict=True)
    ),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", OTHER_LAYOUTS)
def test_other_separators_and_encodings(tmp_path: Path, name: str, encoding: str) -> None:
    """What spreadsheets and Windows programs write is read as what it is."""
    path = written(tmp_path, name, OTHER_LAYOUTS[name].encode(encoding))
    assert sorted(read_sentences(path)) == sorted(SENTENCES)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "body,title\n" + "".join(f'"{s}",x\n' for s in SENTENCES)),
        ("a.tsv", "title\tbody\n" + "".join(f"x\t{s}\n" for s in SENTENCES)),
        ("a.jsonl", "\n".join(json.dumps({"title": "x", "body": s}) for s in SENTENCES)),
        ("a.json", json.dumps([{"title": "x", "body": s} for s in SENTENCES])),
    ],
)
def test_a_column_is_named_as_for_data(tmp_path: Path, name: str, content: str) -> None:
    """`FILE:text=COLUMN`, and a label beside it, which a calibration set does not need."""
    path = written(tmp_path, name, content)
    assert calibration.load_sentences(f"{path}:text=body") == SENTENCES
    assert calibration.load_sentences(Path(f"{path}:text=body,label=title")) == SENTENCES
    with pytest.raises(DataError, match="has no column 'bodi'"):
        read_sentences(f"{path}:text=bodi")


def test_a_split_is_named(tmp_path: Path) -> None:
    """One array of several, for sentences and for labelled data alike."""
    path = written(tmp_path, "a.json", json.dumps({"names": ["x"], "texts": SENTENCES}))
    assert read_sentences(f"{path}:split=texts") == SENTENCES
    with pytest.raises(DataError, match="holds the arrays 'names', 'texts'; name one"):
        read_sentences(path)
    splits = {"train": [["hi", "greet"]], "test": [["bye", "leave"]]}
    path = written(tmp_path, "clinc.json", json.dumps(splits))
    assert parse_reference(f"{path}:split=test").labels == ("leave",)
    with pytest.raises(DataError, match=r"name one, as in FILE\.json:split=train"):
        parse_reference(str(path))
    with pytest.raises(InputError, match=r"has no array 'dev' \(seen: 'train', 'test'\)"):
        parse_reference(f"{path}:split=dev")


def test_labelled_forms_give_their_texts(tmp_path: Path) -> None:
    """What `--data` reads calibrates as well."""
    lines = "".join(
        f"a\tb\tc\t0\t1.5\t{a}\t{b}\n" for a, b in zip(SENTENCES[::2], SENTENCES[1::2], strict=True)
    )
    path = written(tmp_path, "sts.csv", lines)
    assert sorted(read_sentences(f"stsb:{path}")) == sorted(SENTENCES)
    path = written(tmp_path, "ner.txt", "".join(f"{s.replace(' ', '_')} O\n\n" for s in SENTENCES))
    assert len(read_sentences(f"conll:{path}")) == 40


def test_two_sentences_are_enough_to_look_at(tmp_path: Path) -> None:
    """Only calibration has a minimum."""
    path = written(tmp_path, "two.txt", "One.\nTwo.\n")
    assert read_sentences(path) == ["One.", "Two."]
    with pytest.raises(DataError, match="2 distinct sentences are too few for calibration"):
        calibration.load_sentences(path)


def test_lines_that_begin_with_a_bracket_are_lines(tmp_path: Path) -> None:
    """Neither a tag in front nor a comma makes a file JSON or a table."""
    texts = ["[chorus] la la, la", "{curly} words", "text, label and query", "[1]", "a, b"]
    path = written(tmp_path, "a.txt", "\n".join(texts))
    assert read_sentences(path) == texts


BAD: dict[str, tuple[str | bytes, str]] = {
    "array.txt": (
        json.dumps(SENTENCES, indent=1),
        "holds JSON, not lines of text; name it array.json",
    ),
    "object": (json.dumps({"data": ROWS}, indent=1), "name it object.json"),
    "rows.txt": ("\n".join(map(json.dumps, ROWS)), "name it rows.jsonl"),
    "table.txt": ('"text","label"\n"a, b",1\n', "name it table.csv"),
    "table": ("id\tsentence\n1\ta\n", "name it table.tsv"),
    "a.parquet": (b"PAR1", "files that end in .parquet are not read; save its rows as .jsonl"),
    "a.xlsx": (b"PK", "save its sheet as .csv"),
    "a.csv.gz": (b"\x1f\x8b", "files that end in .gz are not read; unpack it"),
    "a.md": ("# A\n", "files that end in .md are not read; name a file of lines .txt"),
    "a.yaml": ("- a\n", "what is read is .txt, .csv, .tsv, .jsonl, .ndjson, .json"),
    "no rows.json": ("[]", "holds an empty array"),
    "number.json": ("17", "holds no array of rows"),
    "flat.json": ('{"hello": "greet"}', "holds no array of rows (seen: 'hello')"),
    "numbers.json": ("[1, 2]", "entry 1 is neither a JSON object nor a string"),
    "mixed.json": ('["a", null]', "entry 2 is neither a JSON object nor a string"),
    "ragged.json": ('{"text": ["a", "b"], "label": [1]}', "have different lengths"),
    "keys.json": ('[{"body": "a"}]', "no text column"),
    "nan.json": ('[{"text": "a", "score": NaN}]', "holds NaN"),
    "twice.json": ('[{"text": "a", "text": "b"}]', "the key 'text' is in one object twice"),
    "twice.jsonl": ('{"text": "a", "text": "b"}', "line 1 is not JSON (the key 'text'"),
    "deep.json": ("[" * 200_000, "is not JSON"),
    "deep objects.json": ('{"a":' * 200_000, "is not JSON"),
    "huge.json": ("[" + "9" * 5000 + "]", "is not JSON"),
    "cut.json": ('[{"text": "a"}', "is not JSON"),
    "semicolons.tsv": ("text;label\na;1\n", "has no tab in its header, but ';'; name it .csv"),
    "half.txt": (b"\xff\xfea\0b", "is damaged UTF-16"),
    "nul.txt": ("a\0b\n".encode("utf-16"), "is binary (a NUL byte at offset 1)"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_list_of_sentences_is_named(tmp_path: Path, name: str) -> None:
    """On one line, with the file, and never read as lines."""
    content, message = BAD[name]
    path = written(tmp_path, name, content)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_sentences(path)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["text", "data", "label", "paragraphs", "qas", "x"]), inner
        )
    ),
    max_leaves=20,
)


@given(value=JSON_VALUES)
def test_any_json_gives_sentences_or_one_line(
    value: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever is in a file, its reader ends in texts or in an error that a user can read."""
    path = written(tmp_path_factory.mktemp("json"), "a.json", json.dumps(value))
    for read in (read_sentences, lambda path: parse_reference(str(path))):
        message = ""
        try:
            read(path)
        except (DataError, InputError) as error:
            message = str(error)
        assert "\n" not in message


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("in/a.csv:text=b", "a.csv:text=b"),
        ("in/a.txt", "a.txt"),
        ("stsb:in/dev.csv", "stsb:dev.csv"),
        ("hf:owner/name:test", "hf:owner/name:test"),
    ],
)
def test_sources_have_names_without_folders(spec: str, name: str) -> None:
    """For the manifest, which another machine reads."""
    assert name_source(spec) == name


def test_references_are_read_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers stand elsewhere."""
    written(tmp_path, "a.csv", "body\none\n")
    written(tmp_path, "a.txt", "one\n")
    monkeypatch.chdir(tmp_path)
    whole = [absolute_sentences(spec) for spec in ("a.csv:text=body", "a.txt")]
    monkeypatch.chdir("/")
    assert [read_sentences(spec) for spec in whole] == [["one"], ["one"]]
    assert absolute_sentences("hf:owner/name") == "hf:owner/name"
