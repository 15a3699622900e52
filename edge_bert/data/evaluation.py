"""Evaluation sets by reference: what `--data` takes."""

from __future__ import annotations

import re
from pathlib import Path

from edge_bert.data import huggingface
from edge_bert.data.columns import find_roles, parse_named
from edge_bert.data.evaluation_set import EvaluationSet, from_table, parse_score
from edge_bert.data.files import printable_name, read_lines
from edge_bert.data.tables import Row, Table, read_table
from edge_bert.errors import DataError, InputError

FORMS = "stsb:FILE, sst2:FILE, FILE.csv|tsv|jsonl[:ROLE=COLUMN,...] or hf:NAME[:SPLIT]"
_TABLE = re.compile(r"(?P<path>.+\.(?:csv|tsv|jsonl|ndjson))(?::(?P<named>.+=.+))?", re.I | re.S)
_STSB_FIELDS = 7
FILE_FORMS = ("stsb", "sst2")


def parse_reference(spec: str) -> EvaluationSet:
    """Reads the evaluation set that `spec` names, in one of `FORMS`.

    Raises InputError for another form, `DataError` for a file that is not what the form
    says, MissingToolError when the hub's package is not installed.
    """
    form, _, rest = spec.partition(":")
    reader = _FORMATS.get(form)
    if reader is not None and rest:
        return reader(rest)
    match = _TABLE.fullmatch(spec)
    if match is None:
        raise InputError(f"{printable_name(spec)!r} names no data; write {FORMS}")
    named = parse_named(match["named"]) if match["named"] else {}
    table = read_table(_path(match["path"]))
    return from_table(_path(match["path"]).name, table, find_roles(table, named))


def absolute_reference(spec: str) -> str:
    """`spec` with the whole path of its file, for processes that stand in another folder.

    What is of no known form stays as it is.
    """
    form, _, rest = spec.partition(":")
    if form in FILE_FORMS and rest:
        return f"{form}:{_path(rest).resolve()}"
    match = _TABLE.fullmatch(spec)
    if match is None:
        return spec
    named = f":{match['named']}" if match["named"] else ""
    return f"{_path(match['path']).resolve()}{named}"


def _stsb(reference: str) -> EvaluationSet:
    """The STS benchmark's own files: tabs, no header, no quoting, the score in field 5.

    Source of the layout: the benchmark's readme (genre, file, year, id, score, sentence 1,
    sentence 2; some rows have notes on their origin after these).
    """
    path = _path(reference)
    rows = [_stsb_row(path, number, line) for number, line in _filled(path)]
    return EvaluationSet(
        name=f"stsb:{path.name}",
        kind="pairs",
        sentences=tuple(first for _, first, _ in rows),
        second=tuple(second for _, _, second in rows),
        labels=tuple(score for score, _, _ in rows),
    )


def _stsb_row(path: Path, number: int, line: str) -> tuple[float, str, str]:
    fields = [field.strip() for field in line.split("\t")]
    if len(fields) < _STSB_FIELDS or not fields[5] or not fields[6]:
        raise DataError(
            f"{printable_name(path)}: line {number} is not of the STS benchmark, which has "
            "the score and two sentences in the fifth to seventh of its tab-separated fields"
        )
    return parse_score(fields[4], printable_name(path), number), fields[5], fields[6]


def _sst2(reference: str) -> EvaluationSet:
    """A sentence, a tab and a label per line; GLUE's header line is skipped."""
    path = _path(reference)
    lines = _filled(path)
    if lines[0][1].split("\t") == ["sentence", "label"]:
        lines = lines[1:]
    rows = [_sst2_row(path, number, line) for number, line in lines]
    table = Table(source=printable_name(path), columns=("sentence", "label"), rows=rows)
    return from_table(f"sst2:{path.name}", table, find_roles(table, {}))


def _sst2_row(path: Path, number: int, line: str) -> Row:
    fields = line.split("\t")
    if len(fields) != 2:
        raise DataError(
            f"{printable_name(path)}: line {number} has {len(fields)} tab-separated fields; SST-2 "
            "has a sentence and a label"
        )
    return Row(line=number, values=dict(zip(("sentence", "label"), fields, strict=True)))


def _filled(path: Path) -> list[tuple[int, str]]:
    return [(n, line) for n, line in enumerate(read_lines(path), start=1) if line.strip()]


def _path(text: str) -> Path:
    return Path(text).expanduser()


_FORMATS = {"stsb": _stsb, "sst2": _sst2, "hf": huggingface.load_hub_dataset}
