"""Evaluation sets: every form of reference, and files that are not what they were said to be."""

from __future__ import annotations

import os
import re
import sys
import types
from pathlib import Path

import pytest

from edge_bert.data import huggingface
from edge_bert.data.evaluation import absolute_reference, parse_reference
from edge_bert.errors import DataError, InputError, MissingToolError

STSB = (
    "main-news\tMSRpar\t2012test\t0000\t4.400\tHe said \"no.\tHe said 'no'.\n"
    "main-forums\tanswers\t2015\t0007\t0\tA cat.\tA planet.\textra\tnotes\n"
)


def written(folder: Path, name: str, content: str) -> Path:
    """A file with this content."""
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_stsb_layout(tmp_path: Path) -> None:
    """Tabs, no header, no quoting, and more columns than seven in some rows."""
    data = parse_reference(f"stsb:{written(tmp_path, 'sts-dev.csv', STSB)}")
    assert (data.name, data.kind, len(data)) == ("stsb:sts-dev.csv", "pairs", 2)
    assert data.sentences == ('He said "no.', "A cat.")
    assert data.second == ("He said 'no'.", "A planet.")
    assert data.labels == (4.4, 0.0)


@pytest.mark.parametrize(
    "spec", ["stsb:dev.csv", "sst2:./dev.csv", "dev.csv", "../{}/dev.csv:text=a,label=b"]
)
def test_a_reference_is_read_the_same_from_another_folder(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file's path becomes whole, the rest of it stays."""
    contents = {"stsb": STSB, "sst2": "a fine film\t1\ndull\t0\n"}
    form = spec.partition(":")[0]
    head = "text,label" if spec == "dev.csv" else "a,b"
    written(tmp_path, "dev.csv", contents.get(form, f"{head}\none,x\ntwo,y\n"))
    monkeypatch.chdir(tmp_path)
    spec = spec.format(tmp_path.name)
    found, whole = parse_reference(spec), absolute_reference(spec)
    monkeypatch.chdir("/")
    assert parse_reference(whole) == found
    assert absolute_reference(whole) == whole


@pytest.mark.parametrize("spec", ["hf:glue:validation", "nothing", "", "stsb:", ":", "x:y"])
def test_what_names_no_file_stays_as_it_is(spec: str) -> None:
    """The reader of references says what is wrong with it."""
    assert absolute_reference(spec) == spec


@pytest.mark.parametrize("header", ["", "sentence\tlabel\n"])
def test_sst2_layout(tmp_path: Path, header: str) -> None:
    """A sentence and a label per line, with or without GLUE's header."""
    path = written(tmp_path, "dev.tsv", header + 'a "fine film\t1\ndull\t0')
    data = parse_reference(f"sst2:{path}")
    assert (data.name, data.kind, data.second) == ("sst2:dev.tsv", "labelled", ())
    assert (data.sentences, data.labels) == (('a "fine film', "dull"), (1, 0))


TABLES = {
    "usual.csv": ("text,category\nhi,greet\nbye,leave\n", "", ("greet", "leave")),
    "named.csv": ("a,b,label\nhi,x,1\nbye,y,2\n", ":text=a,label=b", ("x", "y")),
    "upper.tsv": ("Query\tIntent\nhi\t3\nbye\t4\n", "", (3, 4)),
    "some.jsonl": (
        '{"sentence": "hi", "label": 0}\n{"label": true, "sentence": "bye"}\n',
        "",
        (0, 1),
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_labelled_tables(tmp_path: Path, name: str) -> None:
    """Columns by their usual names or as named; labels are ints where all of them are."""
    content, named, labels = TABLES[name]
    data = parse_reference(f"{written(tmp_path, name, content)}{named}")
    assert (data.name, data.kind) == (name, "labelled")
    assert (data.sentences, data.labels) == (("hi", "bye"), labels)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("sentence1,sentence2,score\na,b,0.5\n", ""),
        ("x,y,z\na,b,0.5\n", ":sentence1=x,sentence2=y,score=z"),
        ("text1,z,text2\na,0.5,b\n", ":score=z"),
    ],
)
def test_pair_tables(tmp_path: Path, content: str, named: str) -> None:
    """Two sentences and a score are pairs, whichever columns the user must name."""
    data = parse_reference(f"{written(tmp_path, 'p.csv', content)}{named}")
    assert (data.kind, data.sentences, data.second, data.labels) == (
        "pairs",
        ("a",),
        ("b",),
        (0.5,),
    )


def test_pairs_with_classes(tmp_path: Path) -> None:
    """Two sentences and a label are one labelled row, not a scored pair."""
    path = written(tmp_path, "nli.csv", "premise,hypothesis,label\na,b,neutral\n")
    data = parse_reference(str(path))
    assert (data.kind, data.second, data.labels) == ("labelled", ("b",), ("neutral",))


def test_named_label_wins_over_score(tmp_path: Path) -> None:
    """Who names the label column does not get the scores beside it."""
    path = written(tmp_path, "both.csv", "sentence1,sentence2,score,verdict\na,b,0.5,same\n")
    assert parse_reference(str(path)).labels == (0.5,)
    assert parse_reference(f"{path}:label=verdict").labels == ("same",)


def test_scored_sentences(tmp_path: Path) -> None:
    """One sentence and a number, which a model with one output gives."""
    path = written(tmp_path, "a.csv", "text,score\na,0.5\nb,2\n")
    data = parse_reference(str(path))
    assert (data.kind, data.second, data.labels) == ("scored", (), (0.5, 2.0))


@pytest.mark.parametrize(
    ("header", "kind"), [("text,label", "scored"), ("sentence1,sentence2,label", "pairs")]
)
def test_labels_with_fractions_are_scores(tmp_path: Path, header: str, kind: str) -> None:
    """As the hub's STS-B has them; whole numbers, also as floats, are classes."""
    texts = header.rpartition(",")[0].replace("text", "t").replace("sentence", "s")
    path = written(tmp_path, "a.csv", f"{header}\n{texts},3.8\n{texts},5.0\n")
    assert (parse_reference(str(path)).kind, parse_reference(str(path)).labels) == (
        kind,
        (3.8, 5.0),
    )
    path = written(tmp_path, "b.csv", f"{header}\n{texts},1.0\n{texts},0.0\n")
    assert parse_reference(str(path)).labels == (1, 0)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("query,passage,label\nq,p,1\nq,r,0\n", ""),
        ("Query,Document,Relevance\nq,p,1\nq,r,0\n", ""),
        ("sentence1,sentence2,label\nq,p,1\nq,r,0\n", ":query=sentence1,passage=sentence2"),
        ("a,b,c\nq,p,true\nq,r,false\n", ":query=a,passage=b,label=c"),
    ],
)
def test_rankings(tmp_path: Path, content: str, named: str) -> None:
    """A query, a passage, and how relevant it is."""
    data = parse_reference(f"{written(tmp_path, 'a.csv', content)}{named}")
    assert (data.kind, data.sentences, data.second) == ("ranking", ("q", "q"), ("p", "r"))
    assert data.labels == (1.0, 0.0)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", '{"text": "x", "label": ["a", "b"]}\n{"text": "y", "label": []}\n'),
        ("a.json", '[{"text": "x", "labels": ["a", "b"]}, {"text": "y", "labels": []}]'),
        ("a.csv", 'text,labels\nx,"[""a"", ""b""]"\ny,[]\n'),
        ("a.csv", "text,labels\nx,\"['a', 'b']\"\ny,[]\n"),
    ],
)
def test_lists_of_labels(tmp_path: Path, name: str, content: str) -> None:
    """As JSON, as its text, and as pandas writes Python's lists."""
    data = parse_reference(str(written(tmp_path, name, content)))
    assert (data.kind, data.label_sets) == ("label sets", (("a", "b"), ()))


def test_true_and_false_stay_what_they_are(tmp_path: Path) -> None:
    """A model's classes may be called so; only beside numbers they are numbers."""
    path = written(tmp_path, "a.csv", "text,label\na,True\nb,False\n")
    assert parse_reference(str(path)).labels == ("True", "False")


BAD = {
    "no label": ("a.csv", "text\nhi\n", "", "no label column"),
    "no text": ("a.csv", "body,label\nhi,1\n", "", "(seen: 'body', 'label')"),
    "no score": ("a.csv", "sentence1,sentence2\na,b\n", "", "no score column"),
    "no such column": ("a.csv", "text,label\nhi,1\n", ":text=body", "has no column 'body'"),
    "bad score": ("a.csv", "text1,text2,score\na,b,high\n", "", "line 2 has the score 'high'"),
    "infinite score": ("a.csv", "text1,text2,score\na,b,inf\n", "", "the score 'inf'"),
    "empty cell": ("a.csv", "text,label\nhi,1\n,2\n", "", "line 3 has nothing in column 'text'"),
    "no key": (
        "a.jsonl",
        '{"text":"a","label":1}\n{"text":"b"}\n',
        "",
        "nothing in column 'label'",
    ),
    "nested": ("a.jsonl", '{"text":["a"],"label":1}\n', "", "nothing in column 'text'"),
    "no rows": ("a.csv", "text,label\n", "", "has a header and no rows"),
    "no passage": ("a.csv", "query,label\na,1\n", ":query=query", "no passage column"),
    "nested labels": ("a.jsonl", '{"text":"a","label":[[1]]}\n', "", "something that is no label"),
    "labels as object": ("a.jsonl", '{"text":"a","label":{"a":1}}\n', "", "an object in column"),
    "no split": ("a.csv", "text,label\na,1\n", ":split=test", "has no splits"),
    "hidden": ("a.csv", "text,label\na,-1\nb,-1\n", "", "its labels are hidden"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_table_is_one_clear_line(tmp_path: Path, case: str) -> None:
    """Each fault is named with its line or with the columns that were seen."""
    name, content, named, message = BAD[case]
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        parse_reference(f"{written(tmp_path, name, content)}{named}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("form", "content", "message"),
    [
        ("stsb", "sentence one\tsentence two\n", "line 1 is not of the STS benchmark"),
        ("stsb", STSB.replace("4.400", "four"), "line 1 has the score 'four'"),
        ("sst2", "fine\t1\nno tab here\n", "line 2 has 1 tab-separated fields"),
        ("sst2", "", "is empty"),
        ("sst2", "sentence\tlabel\n", "no rows"),
    ],
)
def test_bad_benchmark_file(tmp_path: Path, form: str, content: str, message: str) -> None:
    """A file of another layout is not read as if it were a benchmark's."""
    with pytest.raises(DataError, match=re.escape(message)):
        parse_reference(f"{form}:{written(tmp_path, 'x.tsv', content)}")


@pytest.mark.parametrize("spec", ["", "stsb:", "photo.png", "glue", "hf:", "hf:../up", "hf:a/b/c"])
def test_unknown_form_is_refused(spec: str) -> None:
    """What is no reference is answered with the forms there are."""
    with pytest.raises(InputError, match=r"stsb:FILE|OWNER/NAME"):
        parse_reference(spec)


@pytest.mark.parametrize("named", ["text=", "body=a", "text=a,text=b", "text=a,label"])
def test_malformed_columns_are_refused(named: str) -> None:
    """A role that does not exist, or is given twice or empty, is named."""
    with pytest.raises(InputError, match="ROLE=COLUMN"):
        parse_reference(f"a.csv:{named},score=c")


def test_columns_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """A label beside a score is not ignored silently."""
    path = written(tmp_path, "a.csv", "text,topic,points\nhi,1,2\n")
    with pytest.raises(InputError, match="topic do not fit the others"):
        parse_reference(f"{path}:text=text,score=points,label=topic")


def test_missing_file_is_named() -> None:
    """The path is in the message."""
    with pytest.raises(DataError, match=r"nowhere\.csv: not found"):
        parse_reference("nowhere.csv")


def test_hub_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message is the command that installs it."""
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingToolError, match=re.escape('pip install "datasets>=4"')):
        parse_reference("hf:owner/name")


def test_old_hub_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Releases before 4 can run a dataset's code, so they are not asked for anything."""
    old = types.ModuleType("datasets")
    monkeypatch.setattr(old, "__version__", "3.6.0", raising=False)
    monkeypatch.setitem(sys.modules, "datasets", old)
    with pytest.raises(MissingToolError, match="datasets 4 or newer"):
        parse_reference("hf:owner/name")


class _Rows(list[dict[str, object]]):
    """Rows as the hub's package gives them, with the features of their columns."""

    def __init__(self, features: dict[str, object], rows: list[dict[str, object]]) -> None:
        super().__init__(rows)
        self.features, self.column_names = features, list(features)


def hub_of(rows: _Rows) -> types.ModuleType:
    """A hub's package that has these rows, because the real one may not be installed."""
    package = types.ModuleType("datasets")
    vars(package).update(__version__="4.0.0", load_dataset=lambda *_, **__: rows)
    return package


def test_hub_features_name_classes_and_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    """Class numbers come with their names, and tags are their names."""
    classes = types.SimpleNamespace(names=["bad", "good"])
    rows = _Rows({"text": None, "label": classes}, [{"text": "a", "label": 1}])
    monkeypatch.setitem(sys.modules, "datasets", hub_of(rows))
    data = parse_reference("hf:tiny")
    assert (data.labels, data.label_names) == ((1,), ("bad", "good"))
    tags = types.SimpleNamespace(feature=types.SimpleNamespace(names=["O", "B-PER"]))
    rows = _Rows({"tokens": None, "ner_tags": tags}, [{"tokens": ["Ann"], "ner_tags": [1]}])
    monkeypatch.setitem(sys.modules, "datasets", hub_of(rows))
    assert parse_reference("hf:tiny").entities[0][0].label == "PER"
    with pytest.raises(InputError, match="has its split after the name"):
        parse_reference("hf:tiny:split=test")


def test_hub_package_reads_a_dataset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The real package, on a dataset folder in place of the hub."""
    pytest.importorskip("datasets", reason=f"needs: {huggingface.INSTALL}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "tiny").mkdir()
    written(tmp_path / "tiny", "validation.csv", "text,label\nhi,1\nbye,0\n")
    data = parse_reference("hf:tiny")
    assert (data.name, data.kind) == ("hf:tiny:validation", "labelled")
    assert (data.sentences, data.labels) == (("hi", "bye"), (1, 0))
    with pytest.raises(DataError, match="cannot be had"):
        parse_reference("hf:tiny:unheard-of")


def test_real_benchmarks(request: pytest.FixtureRequest) -> None:
    """The published dev splits have their published sizes."""
    fallback = request.config.rootpath.parent / "shared" / "data"
    folder = Path(os.environ.get("EDGE_BERT_DATA", fallback))
    if not (folder / "stsb/sts-dev.csv").exists():
        pytest.skip("set EDGE_BERT_DATA to a folder with stsb/sts-dev.csv and sst2/dev.tsv")
    pairs = parse_reference(f"stsb:{folder}/stsb/sts-dev.csv")
    labelled = parse_reference(f"sst2:{folder}/sst2/dev.tsv")
    assert (len(pairs), len(labelled)) == (1500, 872)
    assert set(labelled.labels) == {0, 1}
