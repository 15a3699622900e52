"""Tokenizers of model folders: random configurations against transformers' AutoTokenizer."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from edge_bert.data.tokenizing import Tokenizer
from edge_bert.errors import InputError, ModelError
from edge_bert.formats.huggingface.tokenizer import TokenizerFolder, resolve_tokenizer
from tests.one_line import check, refused
from tests.tiny import tokenizer_files
from tests.tiny.models import change_json, write_json
from tests.tiny.sentences import PAIRS, SENTENCES

AutoTokenizer = pytest.importorskip("transformers").AutoTokenizer

# EDGE_BERT_TOKENIZERS=1000 is the count that the method was proven with.
COUNT = int(os.environ.get("EDGE_BERT_TOKENIZERS", "60"))
TEXTS = (
    *SENTENCES[::4],
    *("The Café in İzmir, ŒUVRE", "東京 is a CITY", "a<x>b [MASK] <mask>c</s>", "  <X> ẞtraße"),
)
LENGTH = 20
KINDS: dict[str, tuple[Callable[[Path], int], tuple[str, ...], str]] = {
    "bert": (tokenizer_files.write_wordpiece, ("bert", "distilbert", "electra"), "BertTokenizer"),
    "mpnet": (tokenizer_files.write_mpnet, ("mpnet",), "MPNetTokenizer"),
    "roberta": (tokenizer_files.write_byte_level, ("roberta",), "RobertaTokenizer"),
    "gpt2": (tokenizer_files.write_bare_byte_level, ("gpt2",), "GPT2Tokenizer"),
    "albert": (tokenizer_files.write_unigram, ("albert",), "AlbertTokenizer"),
}
OPTIONS: dict[str, tuple[Any, ...]] = {
    "do_lower_case": (True, False),
    "strip_accents": (None, True, False),
    "tokenize_chinese_chars": (True, False),
    "model_max_length": (10, 24, 512, int(1e30)),
    "truncation_side": ("left", "right"),
    "padding_side": ("left", "right"),
    "add_prefix_space": (True, False),
    "keep_accents": (True, False),
    "remove_space": (True, False),
    "trim_offsets": (True, False),
    "clean_up_tokenization_spaces": (True, False),
    "pad_token": ("<x>", "[MASK]", "</s>"),
    "cls_token": ("[SEP]", "</s>"),
    "sep_token": ("[MASK]", "<mask>"),
    "additional_special_tokens": (["<x>"], ["<x>", "the"]),
    "extra_special_tokens": (["<X>"], {"image_token": "<x>"}),
    "model_input_names": (["input_ids", "attention_mask"],),
    "tokenizer_class": (None, "PreTrainedTokenizerFast", "BertTokenizerFast"),
    "unknown_key": (1,),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of each kind, with nothing but its tokenizer."""
    root = tmp_path_factory.mktemp("tokenizers")
    for name, (write, _, _) in KINDS.items():
        (root / name).mkdir()
        write(root / name)
    return root


def _write_random(source: Path, folder: Path, kind: str, chance: random.Random) -> None:
    """A folder with some of the files that say what a tokenizer does, of any opinion."""
    shutil.copytree(source, folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    for option in chance.sample(sorted(OPTIONS), chance.randint(0, 5)):
        value = chance.choice(OPTIONS[option])
        config |= {option: value}
    if chance.random() < 0.3:
        content = json.loads((folder / "tokenizer.json").read_text())
        changed = chance.choice(content["added_tokens"])
        change = {
            name: chance.random() < 0.5 for name in ("lstrip", "rstrip", "normalized", "special")
        }
        config["added_tokens_decoder"] = {
            str(changed["id"]): {"content": changed["content"], "single_word": False, **change}
        }
    write_json(folder / "tokenizer_config.json", config)
    write_json(folder / "config.json", {"model_type": chance.choice(KINDS[kind][1])})
    if chance.random() < 0.2:
        write_json(folder / "special_tokens_map.json", {"pad_token": "<x>", "unk_token": "a"})
    if chance.random() < 0.2:
        (folder / "tokenizer_config.json").unlink()
    _change_tokenizer(folder, kind, chance)


def _change_tokenizer(folder: Path, kind: str, chance: random.Random) -> None:
    """tokenizer.json with an opinion of its own, or without one: only vocab.txt."""
    path = folder / "tokenizer.json"
    if kind == "bert" and chance.random() < 0.2:
        path.unlink()
        return
    tokenizer = tokenizers.Tokenizer.from_file(str(path))
    if chance.random() < 0.3:
        tokenizer.enable_truncation(12, direction=chance.choice(("left", "right")))
    if chance.random() < 0.3:
        tokenizer.enable_padding(length=16, pad_id=1, pad_token="<pad>")  # noqa: S106
    if kind == "bert" and chance.random() < 0.4:
        options = {"lowercase": chance.random() < 0.5, "strip_accents": chance.random() < 0.5}
        tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(**options)
    tokenizer.save(str(path))


def _tokens_of_transformers(folder: Path) -> list[tuple[list[int], list[int]]]:
    """Ids and types of every text and pair, as its own library gives them."""
    tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    options = {"truncation": True, "max_length": LENGTH, "return_token_type_ids": None}
    encodings = [tokenizer(text, **options) for text in TEXTS]
    encodings += [tokenizer(first, second, **options) for first, second in PAIRS]
    return [
        (item["input_ids"], item.get("token_type_ids") or [0] * len(item["input_ids"]))
        for item in encodings
    ]


def _our_tokens(folder: Path) -> list[tuple[list[int], list[int]]]:
    tokenizer = Tokenizer.open(folder / "tokenizer.json", LENGTH)
    firsts, seconds = zip(*PAIRS, strict=True)
    encodings = [*tokenizer.encode_batch(TEXTS), *tokenizer.encode_batch(firsts, seconds)]
    return [(list(item.ids), list(item.type_ids)) for item in encodings]


@pytest.mark.parametrize("seed", range(COUNT))
def test_tokens_are_those_of_transformers(seed: int, plain: Path, tmp_path: Path) -> None:
    """Whatever a folder's files say of each other: its tokens, or one line where it has none."""
    chance = random.Random(seed)  # noqa: S311
    kind = sorted(KINDS)[seed % len(KINDS)]
    folder = tmp_path / "model"
    _write_random(plain / kind, folder, kind, chance)
    try:
        expected = _tokens_of_transformers(folder)
    except Exception:
        with pytest.raises((ModelError, InputError)) as caught:
            _our_tokens(folder)
        check(caught.value, type(caught.value))
        return
    actual = _our_tokens(folder)
    types = json.loads((folder / "config.json").read_text())["model_type"] in ("bert", "electra")
    assert [ids for ids, _ in actual] == [ids for ids, _ in expected]
    if types:
        assert [kinds for _, kinds in actual] == [kinds for _, kinds in expected]


@pytest.fixture
def bert(plain: Path, tmp_path: Path) -> Path:
    """A BERT folder that may be changed."""
    shutil.copytree(plain / "bert", tmp_path / "bert")
    write_json(tmp_path / "bert" / "config.json", {"model_type": "bert"})
    return tmp_path / "bert"


def test_a_file_that_says_all_is_kept_as_it_is(bert: Path) -> None:
    """The bytes of a tokenizer.json that nothing overrules go into the bundle."""
    resolved = resolve_tokenizer(TokenizerFolder(bert, "bert"))
    assert resolved.path.parent != bert
    assert resolved.path.read_bytes() == (bert / "tokenizer.json").read_bytes()
    assert resolved.model_max_length == 128


def test_an_answer_is_kept_by_content(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers is asked once for the same files, and again for others."""
    change_json(bert / "tokenizer_config.json", do_lower_case=False)
    source = TokenizerFolder(bert, "bert")
    first = resolve_tokenizer(source).path
    assert first.parent != bert
    monkeypatch.setattr("edge_bert.formats.huggingface.tokenizer._load", _never)
    assert resolve_tokenizer(source).path == first
    change_json(bert / "tokenizer_config.json", strip_accents=False)
    with refused(ModelError, "asked again"):
        resolve_tokenizer(source)


def _never(*_: object) -> None:
    raise ModelError("transformers was asked again for the same files")


def test_a_damaged_copy_in_the_cache_is_written_again(bert: Path) -> None:
    """Whoever changed it, a build takes what AutoTokenizer said."""
    change_json(bert / "tokenizer_config.json", do_lower_case=False)
    path = resolve_tokenizer(TokenizerFolder(bert, "bert")).path
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    resolve_tokenizer(TokenizerFolder(bert, "bert"))
    assert path.read_bytes() == whole


def test_a_path_in_a_configuration_is_not_read(bert: Path, tmp_path: Path) -> None:
    """tokenizer_config.json may name files where it was saved; nothing outside is opened."""
    (tmp_path / "elsewhere.txt").write_text("[UNK]\nstolen\n")
    (bert / "tokenizer.json").unlink()
    change_json(bert / "tokenizer_config.json", vocab_file=str(tmp_path / "elsewhere.txt"))
    assert "stolen" not in resolve_tokenizer(TokenizerFolder(bert, "bert")).path.read_text()


def test_code_of_a_tokenizer_is_not_run(bert: Path) -> None:
    """A class of the folder's own is refused where transformers has none for it."""
    (bert / "own.py").write_text("raise SystemExit('run')\n")
    auto_map = {"AutoTokenizer": [None, "own.OwnTokenizer"]}
    change_json(bert / "tokenizer_config.json", tokenizer_class="OwnTokenizer", auto_map=auto_map)
    with refused(ModelError, "no tokenizer.json or other tokenizer"):
        resolve_tokenizer(TokenizerFolder(bert, "own"))


def test_special_tokens_that_are_split_are_refused(bert: Path) -> None:
    """A tokenizer.json cannot say it."""
    change_json(bert / "tokenizer_config.json", split_special_tokens=True)
    with refused(ModelError, "split_special_tokens"):
        resolve_tokenizer(TokenizerFolder(bert, "bert"))


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "vocab.txt"])
def test_a_pointer_in_place_of_a_file_is_named(name: str, bert: Path) -> None:
    """Git LFS leaves a few lines where the file should be."""
    (bert / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with refused(ModelError, f"{name} is a Git LFS pointer.*git lfs pull"):
        resolve_tokenizer(TokenizerFolder(bert, "bert"))
