"""The longer run of hostile trials: its commands are those of the command line, and its record."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from invoke.collection import Collection

from benchmarks.hostile.commands import COMMANDS, prepare_work, spoil_file
from benchmarks.hostile.records import HostileRecord
from edge_bert.cli.program import TASKS, EdgeBertProgram

RECORDS = Path(__file__).parents[2] / "benchmarks/hostile/records"


@pytest.mark.parametrize("name", COMMANDS)
def test_its_commands_can_be_typed(name: str) -> None:
    """Every option is one that the command has, so that what is tried is the hostile file."""
    program = EdgeBertProgram(namespace=Collection(*TASKS), binary="edge-bert")
    program.create_config()
    program.parse_core(["edge-bert", *COMMANDS[name].line.split()])
    program.collection = Collection(*TASKS)
    program.parse_tasks()
    assert [task.name for task in program.tasks] == [COMMANDS[name].line.split()[0]]


def test_one_file_is_hostile(tmp_path: Path) -> None:
    """All else in the folder is sound, and a seed decides how the one is changed."""
    sound = tmp_path / "sound"
    for name in ("model", "onnx", "toml", "bundle"):
        (sound / name).mkdir(parents=True)
        (sound / name / "plan.toml").write_text("a = 1\nb = 2\n" * 20)
    command = COMMANDS["compress"]
    contents = []
    for seed in (1, 1, 2):
        prepare_work(sound, tmp_path / "work")
        words = spoil_file(command, tmp_path / "work", seed)
        contents.append((tmp_path / "work" / command.file).read_bytes())
    assert contents[0] == contents[1] != contents[2]
    assert str(tmp_path / "work" / "toml" / "plan.toml") in words


@pytest.mark.parametrize("path", sorted(RECORDS.glob("*.json")), ids=lambda path: path.stem)
def test_records_are_read(path: Path) -> None:
    """Each says what was tried, and names every fault of it."""
    record = msgspec.json.decode(path.read_bytes(), type=HostileRecord)
    assert sum(tried.faults for tried in record.tried) == len(record.faults)
    assert all(tried.count for tried in record.tried)
    assert len(record.tried) > 10
