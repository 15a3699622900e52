"""Evaluation sets by reference: what `--data` takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge_bert.data import huggingface
from edge_bert.data.columns import find_roles
from edge_bert.data.evaluation_set import EvaluationSet, from_table, parse_score
from edge_bert.data.files import printable_name, read_lines
from edge_bert.data.references import (
    HUB_FORM,
    expand_path,
    parse_table_reference,
    split_form,
    split_table,
)
from edge_bert.data.table_kinds import read_evaluation_set
from edge_bert.data.tables import JSON_ENDINGS, Row, Table, read_json_table, read_table
from edge_bert.data.token_labels import from_question_rows, read_conll
from edge_bert.errors import DataError

_STSB_FIELDS = 7


def parse_reference(spec: str) -> EvaluationSet:
    """Reads the evaluation set that `spec` names, in one of `FORMS`.

    Raises InputError for another form, `DataError` for a file that is not what the form
    says, MissingToolError when the hub's package is not installed.
    """
    form = split_form(spec)
    if form is not None:
        name, rest = form
        return _FORMATS[name](rest)
    reference = parse_table_reference(spec)
    table = read_table(reference.path, reference.named.get("split"))
    return read_evaluation_set(reference.path.name, table, reference.named)


def absolute_reference(spec: str) -> str:
    """`spec` with the whole path of its file, for processes that stand in another folder.

    What is of no known form stays as it is.
    """
    form = split_form(spec)
    if form is not None:
        name, rest = form
        return spec if name == HUB_FORM else f"{name}:{expand_path(rest).resolve()}"
    parts = split_table(spec)
    if parts is None:
        return spec
    path, named = parts
    return f"{expand_path(path).resolve()}{f':{named}' if named else ''}"


def _stsb(reference: str) -> EvaluationSet:
    """The STS benchmark's own files: tabs, no header, no quoting, the score in field 5.

    Source of the layout: the benchmark's readme (genre, file, year, id, score, sentence 1,
    sentence 2; some rows have notes on their origin after these).
    """
    path = expand_path(reference)
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
    score = parse_score(fields[4], f"{printable_name(path)}: line {number}")
    return score, fields[5], fields[6]


def _sst2(reference: str) -> EvaluationSet:
    """A sentence, a tab and a label per line; GLUE's header line is skipped."""
    path = expand_path(reference)
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


def _conll(reference: str) -> EvaluationSet:
    path = expand_path(reference)
    return read_conll(f"conll:{path.name}", path)


def _squad(reference: str) -> EvaluationSet:
    path = expand_path(reference)
    table = read_table(path) if path.suffix.lower() in JSON_ENDINGS else read_json_table(path)
    return from_question_rows(f"squad:{path.name}", table)


_FORMATS: dict[str, Callable[[str], EvaluationSet]] = {
    "stsb": _stsb,
    "sst2": _sst2,
    "conll": _conll,
    "squad": _squad,
    "hf": huggingface.load_hub_dataset,
}
