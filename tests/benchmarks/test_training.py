"""The training benchmark: splits that do not overlap, commands that exist, a table that adds up."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import msgspec
import pytest

from benchmarks.training.records import (
    ExitFigures,
    FileScore,
    TrainingRecord,
    read_training_records,
)
from benchmarks.training.render_table import render_exit_table, render_file_table, render_table
from benchmarks.training.rows import ROWS, SOURCE
from benchmarks.training.run_row import fill_command
from benchmarks.training.splits import DEV_ROWS, Splits, write_splits
from edge_bert.cli.program import TASKS


@pytest.fixture
def splits(tmp_path: Path) -> Splits:
    """Splits of small data sets in the forms of the real ones, some texts in several of them."""
    source = tmp_path / "data"
    for name in ("stsb", "sst2", "banking77", "clinc150"):
        (source / name).mkdir(parents=True)
    for part in ("train", "dev"):
        line = f"news\tx\t2012\t1\t2.5\tpair of {part}\tshared  pair\n"
        (source / "stsb" / f"sts-{part}.csv").write_text(line, "utf-8")
        (source / "sst2" / f"{part}.tsv").write_text(f"film of {part}\t1\n", "utf-8")
    with (source / "banking77" / "train.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [(f"question {index}", "card") for index in range(DEV_ROWS + 50)]
        csv.writer(file).writerows([("text", "category"), *rows])
    clinc = {"train": [["intent of train", "a"]], "val": [["intent of val", "a"]]}
    (source / "clinc150" / "data_full.json").write_text(json.dumps(clinc), "utf-8")
    return write_splits(source, tmp_path / "splits")


def test_no_text_that_is_reported_on_is_trained_on(splits: Splits) -> None:
    """Not as plain text either, also where spaces differ."""
    texts = splits.texts.read_text("utf-8").splitlines()
    assert len(texts) == len(set(texts)) == 50 + 3
    assert {"pair of train", "film of train", "intent of train"} < set(texts)
    assert "shared pair" not in texts
    assert splits.few_texts.read_text("utf-8").splitlines() == texts[::5]
    with (splits.folder / "banking77-dev.csv").open(newline="", encoding="utf-8") as file:
        dev = {row["text"] for row in csv.DictReader(file)}
    assert len(dev) == DEV_ROWS
    assert not dev & set(texts)


@pytest.mark.parametrize("name", ROWS)
def test_every_row_has_a_command_with_known_options(name: str, splits: Splits) -> None:
    """And what it is compared with is a row, or the source."""
    row = ROWS[name]
    task, *words = fill_command(row.command, splits, splits.folder)
    assert not any("{" in word for word in words)
    arguments = {known.name: known for known in TASKS}[task].get_arguments()
    options = {f"--{argument.name.replace('_', '-')}" for argument in arguments}
    assert {word for word in words if word.startswith("--")} <= options
    assert row.reference in (None, SOURCE, *ROWS)


RECORD = TrainingRecord(
    row="stsb-3", seed=0, command="invoke distill", dataset="stsb", metric="spearman",
    score=86.0, reference=86.5, start_score=0.8, held_out=0.9, epochs=6, wall_s=700.0,
    processor_s=1200.0, memory_bytes=2_500_000_000, other_cores=0.0, machine="x", date="2026",
    version="1",
)  # fmt: skip


def test_the_table_has_means_and_deviations() -> None:
    """Over the seeds of a row; one seed alone has no deviation."""
    other = msgspec.structs.replace(RECORD, seed=1, score=86.4)
    lines = render_table([RECORD, other]).splitlines()
    assert lines[2] == (
        "| embedding, 3 layers | 2 | 86.20 ± 0.28 spearman | -0.30 ± 0.28 | 0.800 | 10 | 2.5 GB |"
    )
    assert "| 86.00 spearman | -0.50 |" in render_table([RECORD])


def test_files_of_trained_weights_have_a_table_of_their_own() -> None:
    """Beside the file without training; means over seeds, the least cosine of all."""
    trained = FileScore(
        recipe="wi2c_afp32", bytes=9_000_000, score=86.0, cosine_mean=0.95, cosine_min=0.8
    )
    untrained = msgspec.structs.replace(trained, score=83.5, cosine_mean=0.7, cosine_min=0.31)
    run = msgspec.structs.replace(RECORD, row="stsb-wi2c", file=trained, untrained=untrained)
    better = msgspec.structs.replace(trained, score=86.2, cosine_mean=0.97, cosine_min=0.85)
    lines = render_file_table([RECORD, run, msgspec.structs.replace(run, seed=1, file=better)])
    assert lines.splitlines()[2:] == [
        "| embedding, 2 bits, `wi2c_afp32` | 2 | 9.00 | 86.10 ± 0.14 | -0.40 ± 0.14 | -3.00 "
        "| 0.9600, 0.800 | 0.7000, 0.310 | 10 |"
    ]
    assert "2 bits" not in render_table([RECORD, run])


def test_models_with_exits_have_a_table_of_their_own() -> None:
    """The score by the rule against the model without exits, and the share of layers."""
    figures = ExitFigures(
        rule="confidence", after=(2, 4), shares=(0.5, 0.3, 0.2), layers=0.45, agreement=0.99,
        wanted=0.99, whole=93.2,
    )  # fmt: skip
    run = msgspec.structs.replace(RECORD, row="banking77-exits", metric="accuracy", exits=figures)
    assert render_exit_table([RECORD, run]).splitlines()[2:] == [
        "| banking77, exits | 1 | 2, 4 | 86.00 accuracy | -0.50 | 93.20 | 99.00% | 45.0% |"
    ]
    assert "exits" not in render_table([RECORD, run])


def test_the_table_of_the_docs_is_that_of_the_records() -> None:
    """Figures in the docs come from runs."""
    docs = Path(__file__).resolve().parents[2] / "docs" / "training.md"
    text, records = docs.read_text("utf-8"), list(read_training_records())
    assert render_table(records) in text
    assert render_file_table(records) in text or not any(record.file for record in records)
    assert render_exit_table(records) in text or not any(record.exits for record in records)
