"""Tokenizing: bounds that hold for every text, and tokenizer files that cannot be trusted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.data.tokenizing import Tokenizer
from edge_bert.errors import InputError, ModelError
from tests.tiny.tokenizer_files import write_bare_byte_level

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
ENDS = {"bert": (2, 3), "roberta": (0, 2)}


def ends(path: Path) -> tuple[int, int]:
    """The ids of the first and the last special token."""
    tokens = json.loads(path.read_text())["model"]["vocab"]
    return ENDS["bert" if "[CLS]" in tokens else "roberta"]


@given(text=ANY_TEXT, max_length=st.integers(2, 40))
def test_every_text_fits_and_keeps_its_special_tokens(
    tokenizer_file: Path, text: str, max_length: int
) -> None:
    """Any string, lone surrogates included, gives 2 to max_length tokens between the ends."""
    encoding = Tokenizer.open(tokenizer_file, max_length).encode(text)
    assert 2 <= len(encoding) <= max_length
    assert (encoding.ids[0], encoding.ids[-1]) == ends(tokenizer_file)
    assert len(encoding.type_ids) == len(encoding)


@given(first=ANY_TEXT, second=ANY_TEXT, max_length=st.integers(4, 40))
def test_every_pair_fits_and_keeps_its_special_tokens(
    tokenizer_file: Path, first: str, second: str, max_length: int
) -> None:
    """Two texts together stay within max_length, too."""
    encoding = Tokenizer.open(tokenizer_file, max_length).encode(first, second)
    assert 3 <= len(encoding) <= max_length
    assert (encoding.ids[0], encoding.ids[-1]) == ends(tokenizer_file)


@given(text=st.text("the cat sat. ", max_size=80), short=st.integers(2, 20))
def test_truncation_keeps_the_start(tokenizer_file: Path, text: str, short: int) -> None:
    """A truncated encoding is the start of the full one and the last special token."""
    full = Tokenizer.open(tokenizer_file, 200).encode(text)
    cut = Tokenizer.open(tokenizer_file, short).encode(text)
    assert cut.ids == (*full.ids[: min(short, len(full)) - 1], full.ids[-1])


@given(texts=st.lists(ANY_TEXT, max_size=6))
def test_batch_is_one_by_one(tokenizer_file: Path, texts: list[str]) -> None:
    """A batch is not padded and gives what single calls give, in order."""
    tokenizer = Tokenizer.open(tokenizer_file, 16)
    assert tokenizer.encode_batch(texts) == [tokenizer.encode(text) for text in texts]


def test_known_tokens(bert_file: Path) -> None:
    """The ids are the vocabulary's own, and segments tell the two texts apart."""
    tokenizer = Tokenizer.open(bert_file, 16)
    vocab = json.loads(bert_file.read_text())["model"]["vocab"]
    words = ["[CLS]", "the", "cat", "##s", "[SEP]", "un", "##happy", "!", "[SEP]"]
    encoding = tokenizer.encode("The CATS", "unhappy!")
    assert encoding.ids == tuple(vocab[word] for word in words)
    assert encoding.type_ids == (0, 0, 0, 0, 0, 1, 1, 1, 1)
    assert (tokenizer.pad_id, tokenizer.largest_id) == (0, max(vocab.values()))


def test_surrogates_are_read_as_utf16_does(roberta_file: Path) -> None:
    """Two halves of a pair are one character; a lone half is U+FFFD."""
    tokenizer = Tokenizer.open(roberta_file, 16)
    assert tokenizer.encode("a\ud83d\ude00b") == tokenizer.encode("a😀b")
    assert tokenizer.encode("a\ud83db") == tokenizer.encode("a\ufffdb")


def test_truncation_side_is_the_files(tmp_path: Path, bert_file: Path) -> None:
    """A file that cuts the start of long texts keeps doing so."""
    content = json.loads(bert_file.read_text())
    content["truncation"]["direction"] = "Left"
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content))
    right = Tokenizer.open(bert_file, 4).encode("the cat sat on")
    left = Tokenizer.open(path, 4).encode("the cat sat on")
    assert right == Tokenizer.open(bert_file, 9).encode("the cat")
    assert left == Tokenizer.open(bert_file, 9).encode("sat on")


def test_pad_id_from_section_or_token(bert_file: Path, roberta_file: Path) -> None:
    """The padding section is asked first, then the tokens [PAD] and <pad>."""
    assert Tokenizer.open(bert_file, 8).pad_id == 0
    assert Tokenizer.open(roberta_file, 8).pad_id == 1


def test_the_end_of_the_text_pads_where_nothing_else_does(tmp_path: Path) -> None:
    """GPT-2's tokenizers have no padding token, and what pads is masked."""
    largest = write_bare_byte_level(tmp_path) - 1
    tokenizer = Tokenizer.open(tmp_path / "tokenizer.json", 8)
    assert (tokenizer.pad_id, tokenizer.largest_id) == (largest, largest)
    assert tokenizer.encode("").ids == ()


def test_no_pad_token_is_an_error(tmp_path: Path) -> None:
    """A tokenizer that cannot pad is refused with the names that were looked for."""
    path = tmp_path / "tokenizer.json"
    tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "?": 1}, "?")).save(str(path))
    with pytest.raises(ModelError, match=r"\[PAD\], <pad>"):
        Tokenizer.open(path, 8)


@pytest.mark.parametrize("max_length", [1, 0, -3])
def test_length_without_room_is_refused(tokenizer_file: Path, max_length: int) -> None:
    """The library would give more tokens than asked for; we refuse instead."""
    with pytest.raises(InputError, match="no room for the 2 special tokens"):
        Tokenizer.open(tokenizer_file, max_length)


def test_pair_without_room_is_refused(roberta_file: Path) -> None:
    """A pair has more special tokens than a single text."""
    with pytest.raises(InputError, match="no room for the 4 special tokens of a pair"):
        Tokenizer.open(roberta_file, 3).encode("a", "b")


def test_what_is_no_text_is_refused(bert_file: Path) -> None:
    """None and bytes are named, not passed on; so is a missing second text."""
    tokenizer = Tokenizer.open(bert_file, 8)
    none: Any = None
    with pytest.raises(InputError, match="must be text, not NoneType"):
        tokenizer.encode_batch(["a", none])
    with pytest.raises(InputError, match="2 texts and 1 second"):
        tokenizer.encode_batch(["a", "b"], ["c"])


def hostile(**changes: object) -> bytes:
    """A tokenizer file with some of its sections replaced."""
    content: dict[str, object] = {
        "version": "1.0",
        "added_tokens": [],
        "model": {"type": "WordLevel", "vocab": {"[PAD]": 0, "a": 1}, "unk_token": "a"},
    }
    return json.dumps(content | changes).encode()


SHORT_TEMPLATE = [{"SpecialToken": {"id": "X", "type_id": 0}}]
HOSTILE = {
    "no JSON": b"{",
    "not UTF-8": b"\xff\xfe\x00",
    "empty": b"",
    "deeply nested": b"[" * 200_000,
    "no model": hostile(model=None),
    "unknown model": hostile(model={"type": "Pickle"}),
    "text for the message": hostile(
        truncation={
            "direction": "Up\n" * 300,
            "max_length": 8,
            "strategy": "LongestFirst",
            "stride": 0,
        }
    ),
    "bad pattern": hostile(
        pre_tokenizer={
            "type": "Split",
            "pattern": {"Regex": "(a"},
            "behavior": "Isolated",
            "invert": False,
        }
    ),
    "charsmap that panics": hostile(
        normalizer={"type": "Precompiled", "precompiled_charsmap": "/////w=="}
    ),
    "template that panics": hostile(
        post_processor={
            "type": "TemplateProcessing",
            "single": SHORT_TEMPLATE,
            "pair": SHORT_TEMPLATE,
            "special_tokens": {},
        }
    ),
    "id beyond 32 bits": hostile(
        model={"type": "WordLevel", "vocab": {"[PAD]": 0, "a": 4_000_000_000}, "unk_token": "a"}
    ),
    "special id beyond 32 bits": hostile(
        post_processor={
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}],
            "pair": SHORT_TEMPLATE,
            "special_tokens": {"X": {"id": "X", "ids": [4_000_000_000], "tokens": ["X"]}},
        }
    ),
    "pad id beyond 32 bits": hostile(
        padding={
            "strategy": {"Fixed": 10**15},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 4_000_000_000,
            "pad_type_id": 0,
            "pad_token": "[PAD]",
        }
    ),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    """A damaged tokenizer file is a ModelError of one short line, never a panic."""
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        Tokenizer.open(path, 8)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_harmless_variant_of_the_hostile_files_opens(tmp_path: Path) -> None:
    """The frame that the hostile files share is itself sound."""
    path = tmp_path / "tokenizer.json"
    path.write_bytes(hostile())
    assert Tokenizer.open(path, 8).encode("a").ids == (1,)


@given(data=st.data())
def test_damaged_file_opens_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, tokenizer_file: Path, data: st.DataObject
) -> None:
    """Bytes overwritten anywhere, or a file cut short, never escape as another exception."""
    content = bytearray(tokenizer_file.read_bytes())
    start = data.draw(st.integers(0, len(content) - 1))
    content[start : start + 4] = data.draw(st.binary(max_size=4))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    path = tmp_path_factory.mktemp("damaged") / "tokenizer.json"
    path.write_bytes(content)
    try:
        encoding = Tokenizer.open(path, 8).encode("the cat")
    except ModelError:
        return
    assert len(encoding) <= 8


@pytest.mark.parametrize(
    ("name", "message"), [("missing.json", "missing.json: not found"), (".", "not a regular file")]
)
def test_unreadable_file_is_named(tmp_path: Path, name: str, message: str) -> None:
    """A missing file and a folder are refused by name."""
    with pytest.raises(ModelError, match=message):
        Tokenizer.open(tmp_path / name, 8)


def test_endless_file_is_refused() -> None:
    """A device or a pipe is not read, so it cannot hang a build."""
    with pytest.raises(ModelError, match="not a regular file"):
        Tokenizer.open(Path(os.devnull), 8)


def test_import_is_light() -> None:
    """Tokenizing loads neither TensorFlow nor transformers."""
    code = (
        "import sys, edge_bert.data.tokenizing, edge_bert.data.buckets, "
        "edge_bert.data.calibration, edge_bert.data.evaluation; "
        "print({'tensorflow', 'transformers', 'torch', 'datasets'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "set()"
