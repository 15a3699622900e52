"""The data of the training benchmark: what is trained on, and what is reported on.

Nothing of what is reported on is ever trained on, held out for a choice, or used as plain text.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_bert.store.content_store import write_atomic

DEV_ROWS = 2000
Row = Sequence[str]


@dataclass(frozen=True)
class Splits:
    """Files by what they are for; `folder` holds those that are written here."""

    source: Path
    folder: Path

    @property
    def texts(self) -> Path:
        """Every distinct sentence of the training parts, without labels."""
        return self.folder / "texts.txt"

    @property
    def few_texts(self) -> Path:
        """Every fifth of these sentences, for rows that need no more."""
        return self.folder / "few_texts.txt"

    def train(self, dataset: str) -> str:
        """The reference to what is trained on."""
        return self._reference(dataset, "train")

    def dev(self, dataset: str) -> str:
        """The reference to what is reported on."""
        return self._reference(dataset, "dev")

    def _reference(self, dataset: str, part: str) -> str:
        if dataset == "stsb":
            return f"stsb:{self.source / 'stsb' / f'sts-{part}.csv'}"
        if dataset == "sst2":
            return f"sst2:{self.source / 'sst2' / f'{part}.tsv'}"
        return f"{self.folder / f'{dataset}-{part}.csv'}:text=text,label=label"


def write_splits(source: Path, folder: Path) -> Splits:
    """Write what the data sets lack as files: 2,000 texts of banking77 to report on, clinc150 as
    tables, and the sentences of all training parts."""
    folder.mkdir(parents=True, exist_ok=True)
    splits = Splits(source, folder)
    banking = _read_table(source / "banking77" / "train.csv")
    dev = set(sorted(banking, key=_draw)[:DEV_ROWS])
    clinc = json.loads((source / "clinc150" / "data_full.json").read_text("utf-8"))
    tables = {
        "banking77-train": [row for row in banking if row not in dev],
        "banking77-dev": [row for row in banking if row in dev],
        "clinc150-train": clinc["train"],
        "clinc150-dev": clinc["val"],
    }
    for name, rows in tables.items():
        _write_table(folder / f"{name}.csv", rows)
    trained = [text for name in ("banking77-train", "clinc150-train") for text, _ in tables[name]]
    texts = [*_read_stsb(source, "train"), *_read_sst2(source, "train"), *trained]
    reported = {_squeeze(text) for text in _list_reported(source, tables)}
    distinct = dict.fromkeys(_squeeze(text) for text in texts)
    lines = [f"{text}\n" for text in distinct if text and text not in reported]
    write_atomic(splits.texts, "".join(lines).encode())
    write_atomic(splits.few_texts, "".join(lines[::5]).encode())
    return splits


def _list_reported(source: Path, tables: Mapping[str, Sequence[Row]]) -> list[str]:
    """The texts of everything that is reported on."""
    dev = [text for name in ("banking77-dev", "clinc150-dev") for text, _ in tables[name]]
    return [*_read_stsb(source, "dev"), *_read_sst2(source, "dev"), *dev]


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def _draw(row: Row) -> str:
    return hashlib.sha256(row[0].encode()).hexdigest()


def _read_table(path: Path) -> list[tuple[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["text"], row["category"]) for row in csv.DictReader(file)]


def _write_table(path: Path, rows: Iterable[Row]) -> None:
    table = io.StringIO(newline="")
    csv.writer(table).writerows([("text", "label"), *rows])
    write_atomic(path, table.getvalue().encode())


def _read_stsb(source: Path, part: str) -> list[str]:
    lines = (source / "stsb" / f"sts-{part}.csv").read_text("utf-8").splitlines()
    return [text for line in lines for text in line.split("\t")[5:7]]


def _read_sst2(source: Path, part: str) -> list[str]:
    lines = (source / "sst2" / f"{part}.tsv").read_text("utf-8").splitlines()
    return [line.split("\t")[0] for line in lines]
