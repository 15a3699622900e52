"""Options become records by the types of the records' fields."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_bert.cli.command import CommandTask
from edge_bert.cli.options import parse_options
from edge_bert.cli.tasks.bench import bench
from edge_bert.cli.tasks.build import build
from edge_bert.cli.tasks.devices import push
from edge_bert.cli.tasks.export import export
from edge_bert.cli.tasks.matrix import matrix
from edge_bert.cli.tasks.verify import verify
from edge_bert.errors import InputError
from edge_bert.pipeline.bench.options import BenchOptions
from edge_bert.pipeline.bench.push import PushOptions
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.export.options import ExportOptions
from edge_bert.pipeline.verify import VerifyOptions
from tests.one_line import refused

RECORDS: list[tuple[CommandTask, type[msgspec.Struct]]] = [
    (build, BuildOptions),
    (bench, BenchOptions),
    (push, PushOptions),
    (verify, VerifyOptions),
    (export, ExportOptions),
]
DEFAULT = re.compile(r"\(default: ([^)\s]+)\)$")


def test_text_is_read_by_the_type_of_the_field() -> None:
    """Lists at commas, amounts with their units, paths, numbers; other arguments are left out."""
    options = parse_options(
        BuildOptions,
        {
            "profile": "pixel",
            "lengths": "16, 32",
            "recipes": "float32,wi8_afp32",
            "data": ["stsb:a.csv", "sst2:b.csv"],
            "max_size": "12MB",
            "min_score": "0.8",
            "seed": "7",
            "unpruned": True,
            "json": True,
        },
    )
    assert options == BuildOptions(
        profile="pixel",
        lengths=(16, 32),
        recipes=("float32", "wi8_afp32"),
        data=("stsb:a.csv", "sst2:b.csv"),
        max_size=12_000_000,
        min_score=0.8,
        seed=7,
        unpruned=True,
    )
    bench_options = parse_options(
        BenchOptions,
        {"profile": "pixel", "target": "host", "duration": "1.5", "benchmark_model": "a/b"},
    )
    assert bench_options.duration == 1.5
    assert bench_options.benchmark_model == Path("a/b")


def test_what_is_not_given_has_the_default_of_the_record() -> None:
    """Nothing, an empty text and an empty list are not given."""
    values: dict[str, Any] = {
        "profile": "pixel",
        "lengths": None,
        "out": "",
        "data": [],
        "seed": None,
    }
    assert parse_options(BuildOptions, values) == BuildOptions(profile="pixel")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "--profile is missing; "),
        ({"profile": ""}, "--profile is missing; "),
        ({"profile": "pixel", "lengths": "16,many"}, "--lengths many: give a whole number."),
        ({"profile": "pixel", "lengths": "16.5"}, "--lengths 16.5: give a whole number."),
        ({"profile": "pixel", "seed": "x"}, "--seed x: give a whole number."),
        ({"profile": "pixel", "calibration_count": "1e3"}, "--calibration-count 1e3: give a "),
        ({"profile": "pixel", "rounding": "up"}, "--rounding up: give nearest or gptq."),
        ({"profile": "pixel", "max_size": "12"}, "--max-size '12': give a number and its unit"),
        ({"profile": "pixel", "max_latency": "3MB"}, "--max-latency '3MB': no unit 'MB' here"),
    ],
)
def test_what_is_refused(values: dict[str, str], message: str) -> None:
    """One line that names the option as it is typed."""
    with refused(InputError, "^" + re.escape(message)):
        parse_options(BuildOptions, values)


@pytest.mark.parametrize(("task", "record"), RECORDS, ids=lambda value: value.__name__)
def test_every_field_has_an_option(task: CommandTask, record: type[msgspec.Struct]) -> None:
    """Of its name, or only `matrix` has it, or `--lengths auto` sets it."""
    options = {argument.name for argument in task.get_arguments()}
    elsewhere = {"auto_lengths", *(argument.name for argument in matrix.get_arguments())}
    without_option = {field.name for field in msgspec.structs.fields(record)} - options
    assert without_option <= elsewhere


@pytest.mark.parametrize(("task", "record"), RECORDS, ids=lambda value: value.__name__)
def test_defaults_in_help_are_those_of_the_record(
    task: CommandTask, record: type[msgspec.Struct]
) -> None:
    """Where the record has one that is not found out later."""
    arguments = {argument.name: argument for argument in task.get_arguments()}
    for field in msgspec.structs.fields(record):
        argument = arguments.get(field.name)
        stated = DEFAULT.search(argument.help or "") if argument else None
        if stated and field.default not in (None, (), msgspec.NODEFAULT):
            default = field.default if isinstance(field.default, tuple) else (field.default,)
            assert stated[1] == ",".join(map(str, default)), field.name
