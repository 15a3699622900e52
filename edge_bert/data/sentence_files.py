"""Sentences by reference: what `--calibration`, `--corpus` and `--text` take."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edge_bert.data.column_names import LABEL_NAMES, RELEVANCE_NAMES, SCORE_NAMES, TEXT_COLUMNS
from edge_bert.data.columns import text_columns
from edge_bert.data.delimited import find_separator
from edge_bert.data.evaluation import absolute_reference, parse_reference
from edge_bert.data.files import printable_name, read_lines
from edge_bert.data.json_rows import parse_json
from edge_bert.data.references import (
    HUB_FORM,
    TABLE_ENDINGS,
    expand_path,
    parse_table_reference,
    split_form,
    split_table,
)
from edge_bert.data.tables import read_table
from edge_bert.errors import DataError

MAX_CHARACTERS = 10_000
LINE_ENDINGS = ("", ".txt")
_LINE_BREAKS = dict.fromkeys(map(ord, "\n\r\0"), " ")
_PACKED = {
    ".parquet": "save its rows as .jsonl or .csv",
    ".arrow": "save its rows as .jsonl or .csv",
    ".xlsx": "save its sheet as .csv",
    ".xls": "save its sheet as .csv",
    ".ods": "save its sheet as .csv",
    ".gz": "unpack it",
    ".zip": "unpack it",
    ".bz2": "unpack it",
    ".xz": "unpack it",
    ".zst": "unpack it",
}
_TABLE_WORDS = frozenset(
    (*TEXT_COLUMNS, *LABEL_NAMES, *SCORE_NAMES, *RELEVANCE_NAMES, "id", "idx", "index", "")
)


def read_sentences(spec: str | Path) -> list[str]:
    """The distinct sentences that `spec` names, at most `MAX_CHARACTERS` characters of each.

    A reference of labelled data, as `--data` takes it, gives its texts: the columns that it
    names, or every one with a usual name for text. Another file has one sentence per line. Raises
    DataError for a file that cannot be read so, or whose contents are no lines of text.
    """
    spec = str(spec)
    if split_form(spec) is not None:
        data = parse_reference(spec)
        return clean_sentences((*data.sentences, *data.second))
    if split_table(spec) is not None:
        return clean_sentences(_read_columns(spec))
    path = expand_path(spec)
    _check_ending(path)
    lines = read_lines(path)
    _check_lines(path, lines)
    return clean_sentences(lines)


def absolute_sentences(spec: str) -> str:
    """As `absolute_reference`, for sentences: what is of no known form is a file of lines."""
    if split_form(spec) or split_table(spec):
        return absolute_reference(spec)
    return str(expand_path(spec).resolve())


def name_source(spec: str | Path) -> str:
    """`spec` without the folders of its file, for a manifest."""
    spec = str(spec)
    form, table = split_form(spec), split_table(spec)
    if form is not None:
        return f"{form[0]}:{form[1] if form[0] == HUB_FORM else Path(form[1]).name}"
    if table is not None:
        return f"{Path(table[0]).name}{f':{table[1]}' if table[1] else ''}"
    return Path(spec).name


def clean_sentences(sentences: Iterable[str]) -> list[str]:
    """Sentences of one line each, none empty and none twice, in their order."""
    cleaned = (_one_line(sentence) for sentence in sentences)
    return list(dict.fromkeys(sentence for sentence in cleaned if sentence))


def _one_line(sentence: str) -> str:
    """A lone surrogate, which UTF-8 cannot hold, becomes a question mark."""
    cut = sentence.translate(_LINE_BREAKS).strip()[:MAX_CHARACTERS].strip()
    return cut.encode("utf-8", errors="replace").decode("utf-8")


def _read_columns(spec: str) -> list[str]:
    reference = parse_table_reference(spec)
    table = read_table(reference.path, reference.named.get("split"), join=True)
    columns = text_columns(table, reference.named)
    return [row.values.get(column, "") for row in table.rows for column in columns]


def _check_ending(path: Path) -> None:
    ending = path.suffix.lower()
    if ending in LINE_ENDINGS or not (path.is_file() or ending in _PACKED):
        return  # what is not there is said when it is read
    endings = ", ".join((*LINE_ENDINGS[1:], *TABLE_ENDINGS))
    advice = _PACKED.get(ending, f"name a file of lines .txt; what is read is {endings}")
    raise DataError(
        f"{printable_name(path)}: files that end in {printable_name(ending)} are not read; {advice}"
    )


def _check_lines(path: Path, lines: list[str]) -> None:
    """Raise DataError for JSON, and for a table, whose lines would be taken for sentences."""
    filled = [line for line in lines if line.strip()]
    if filled[0].lstrip().startswith(("{", "[")):
        if _is_json("\n".join(lines)):
            _refuse_name(path, "JSON", ".json")
        if all(_is_json(line) for line in filled[:10]):
            _refuse_name(path, "a JSON value on each line", ".jsonl")
    separator = find_separator(filled[0])
    cells = [cell.strip().strip('"').lower() for cell in filled[0].split(separator)]
    named = len(cells) > 1 and set(cells) <= _TABLE_WORDS and any(c in TEXT_COLUMNS for c in cells)
    if named and all(separator in line for line in filled[:10]):
        ending = ".tsv" if separator == "\t" else ".csv"
        _refuse_name(path, "a table with a header", ending)


def _is_json(text: str) -> bool:
    try:
        return isinstance(parse_json(text), list | dict)
    except ValueError:
        return False


def _refuse_name(path: Path, contents: str, ending: str) -> None:
    raise DataError(
        f"{printable_name(path)}: holds {contents}, not lines of text; name it "
        f"{printable_name(path.stem)}{ending}"
    )
