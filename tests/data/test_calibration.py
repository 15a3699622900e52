"""The calibration set: what we carry, what a user may give, and how it is split."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.data import calibration
from edge_bert.errors import DataError, InputError

SENTENCES = [f"Sentence number {number}." for number in range(40)]
POOLS = st.lists(st.text(min_size=1, max_size=20), min_size=30, max_size=60)


def test_default_set_is_large_and_varied() -> None:
    """Over 320 distinct sentences from one word to over 100, in many scripts."""
    sentences = calibration.default_sentences()
    pieces = [len(re.findall(r"\w+|[^\w\s]", sentence)) for sentence in sentences]
    assert len(sentences) == len(set(sentences)) >= 320
    assert min(pieces) <= 2
    assert sum(count >= 100 for count in pieces) >= 10
    for script in "äé日我عहи오😂":
        assert any(script in sentence for sentence in sentences), script


def test_default_file_is_clean() -> None:
    """One sentence per line, none twice, none that loading would change."""
    path = Path(calibration.__file__).with_name("sentences.txt")
    assert path.read_text(encoding="utf-8") == "".join(
        f"{s}\n" for s in calibration.default_sentences()
    )


@given(sentences=POOLS, count=st.integers(1, 60), seed=st.integers(0, 99), data=st.data())
def test_split_is_fixed_and_disjoint(
    sentences: list[str], count: int, seed: int, data: st.DataObject
) -> None:
    """A seed fixes the split whatever the file's order; no sentence is on both sides."""
    try:
        chosen = calibration.select_sentences(sentences, count, seed)
    except DataError:
        assert len({sentence.strip() for sentence in sentences}) < 40
        return
    shuffled = data.draw(st.permutations(sentences))
    assert calibration.select_sentences(shuffled, count, seed) == chosen
    assert not set(chosen.sentences) & set(chosen.held_out)
    assert len(set(chosen.sentences)) == len(chosen.sentences) == chosen.info.count <= count
    assert len(chosen.held_out) >= 2


@given(count=st.integers(1, 31), seed=st.integers(0, 99))
def test_smaller_count_is_a_part(count: int, seed: int) -> None:
    """Counts can be compared: the smaller set is in the larger, the held-out part the same."""
    small = calibration.select_sentences(SENTENCES, count, seed)
    large = calibration.select_sentences(SENTENCES, count + 1, seed)
    assert large.sentences[:count] == small.sentences
    assert large.held_out == small.held_out


def test_seed_matters() -> None:
    """Another seed gives another set."""
    first, second = (calibration.select_sentences(SENTENCES, 20, seed) for seed in (0, 1))
    assert first.sentences != second.sentences
    assert first.info.sha256 != second.info.sha256


def test_split_is_the_same_on_every_machine() -> None:
    """The recorded hash of a known set; it changes only when selection itself changes."""
    chosen = calibration.select_sentences(SENTENCES, 20, 7, source="numbers.txt")
    assert (chosen.info.source, chosen.info.seed, chosen.info.count) == ("numbers.txt", 7, 20)
    assert len(chosen.held_out) == 8
    assert chosen.info.sha256 == "e5ff083ee48b4ec4797fca80ad8fb516c2441f888df70a424b27cf543e0d5e56"


def test_digest_is_that_of_a_text_file() -> None:
    """`sha256sum` of the sentences, one per line, gives the manifest's hash."""
    expected = hashlib.sha256("zwei\nзавтра\n".encode()).hexdigest()
    assert calibration.digest_sentences(["zwei", "завтра"]) == expected


def test_large_count_takes_what_there_is() -> None:
    """The count in the info is the true one."""
    chosen = calibration.select_sentences(SENTENCES, 10_000, 0)
    assert chosen.info.count == len(chosen.sentences) == 32


def test_count_below_one_is_refused() -> None:
    """A set of nothing gives no ranges."""
    with pytest.raises(InputError, match="count of 0 is too small"):
        calibration.select_sentences(SENTENCES, 0, 0)


def test_lone_surrogates_can_be_hashed() -> None:
    """A string that UTF-8 cannot hold does not stop a build."""
    assert calibration.select_sentences([*SENTENCES, "half a \ud83d pair"], 99, 0).info.count == 33


FILES = {
    "lines.txt": "\n".join(SENTENCES) + "\n\n",
    "windows.txt": "\ufeff" + "\r\n".join(SENTENCES),
    "noending": "\n".join([*SENTENCES, SENTENCES[0], "  "]),
    "table.csv": "id,Text\n" + "\n".join(f'{n},"{s}"' for n, s in enumerate(SENTENCES)),
    "table.tsv": "query\tid\n" + "\n".join(f"{s}\t1" for s in SENTENCES),
    "pairs.tsv": "sentence1\tsentence2\n"
    + "\n".join(f"{a}\t{b}" for a, b in zip(SENTENCES[::2], SENTENCES[1::2], strict=True)),
    "objects.jsonl": "\n".join(f'{{"id": 1, "question": "{s}"}}' for s in SENTENCES),
    "strings.jsonl": "\n".join(f'"{s}"' for s in SENTENCES),
}


@pytest.mark.parametrize("name", FILES)
def test_every_layout_gives_the_same_sentences(tmp_path: Path, name: str) -> None:
    """Plain lines, CSV, TSV and JSONL are read alike; blanks and repeats are dropped."""
    path = tmp_path / name
    path.write_text(FILES[name], encoding="utf-8", newline="")
    assert calibration.load_sentences(path) == SENTENCES


def test_quotes_in_tsv_and_breaks_in_csv(tmp_path: Path) -> None:
    """A stray quote swallows no TSV line; a quoted line break in CSV becomes a space."""
    rows = [f'"open {n}' for n in range(12)]
    (tmp_path / "a.tsv").write_text("text\n" + "\n".join(rows))
    assert calibration.load_sentences(tmp_path / "a.tsv") == rows
    (tmp_path / "a.csv").write_text('text\n"one\ntwo"\n' + "\n".join(SENTENCES))
    assert calibration.load_sentences(tmp_path / "a.csv")[0] == "one two"


def test_unicode_separators_do_not_end_a_line(tmp_path: Path) -> None:
    """U+2028 and U+0085 stay inside their sentence."""
    path = tmp_path / "a.txt"
    path.write_text("one\u2028two\u0085three\n" + "\n".join(SENTENCES), encoding="utf-8")
    assert calibration.load_sentences(path)[0] == "one\u2028two\u0085three"


def test_long_lines_are_cut(tmp_path: Path) -> None:
    """A line of a megabyte is kept to 10,000 characters."""
    path = tmp_path / "a.txt"
    path.write_text("\n".join([*SENTENCES, "word " * 200_000]))
    assert max(map(len, calibration.load_sentences(path))) <= 10_000


BAD = {
    "empty.txt": (b"", "is empty"),
    "blank.txt": (b"\n \n\t\n", "is empty"),
    "one.txt": (b"Just one sentence.\n", "1 distinct sentences are too few"),
    "same.txt": (b"again\n" * 50, "1 distinct sentences are too few"),
    "nine.txt": (b"".join(b"%d\n" % n for n in range(9)), "9 distinct sentences are too few"),
    "binary.txt": (b"abc\0def", "is binary (a NUL byte at offset 3)"),
    "latin1.txt": ("naïve\n".encode("latin-1") * 20, "bad byte 0xef at offset 2"),
    "utf16.txt": ("sentence\n".encode("utf-16-le"), "looks like UTF-16 without a byte order mark"),
    "columns.csv": (b"id,body\n1,hello\n", "no text column; name one of its columns"),
    "seen.tsv": (b"id\tbody\n1\thello\n", "(seen: 'id', 'body')"),
    "header.csv": (b",,\n", "has no header"),
    "twice.csv": (b"text,text\na,b\n", "names a column twice"),
    "ragged.csv": (b"text,id\na,1\nb\n", "line 3 has 1 fields, the header has 2"),
    "quote.csv": (b'text\n"open\n', "is not CSV"),
    "wide.csv": (b"text\n" + b"a" * 200_000, "is not CSV"),
    "bad.jsonl": (b'{"text": "a"}\n{"text": \n', "line 2 is not JSON"),
    "deep.jsonl": (b"[" * 100_000, "line 1 is not JSON"),
    "number.jsonl": (b"17\n", "line 1 is neither a JSON object nor a string"),
    "keys.jsonl": (b'{"body": "a"}\n', "(seen: 'body')"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_file_is_one_clear_line(tmp_path: Path, name: str) -> None:
    """Each fault is named, with the file, on one line."""
    content, message = BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        calibration.load_sentences(path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"), [("missing.txt", "not found"), (".", "is not a regular file")]
)
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, message: str) -> None:
    """A missing file and a folder are told apart."""
    with pytest.raises(DataError, match=message):
        calibration.load_sentences(tmp_path / name)


def test_too_large_file_is_refused(tmp_path: Path) -> None:
    """More than 64 MB is refused after reading no more than that."""
    path = tmp_path / "large.txt"
    with path.open("wb") as file:
        file.truncate(64_000_001)
    with pytest.raises(DataError, match="larger than 64 MB"):
        calibration.load_sentences(path)
