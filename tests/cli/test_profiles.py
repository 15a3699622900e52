"""`invoke profiles` and `invoke profile` as a user types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_bert import profiles
from tests.devices.running_phone import own_name, running_phone

ROOT = Path(__file__).resolve().parents[2]


def invoke(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "invoke", *arguments],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "200"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("name", ["profiles", "profile"])
def test_help_says_what_a_task_does(name: str) -> None:
    """With an example, and exit code 0."""
    completed = invoke(name, "--help")
    assert completed.returncode == 0
    assert "--json" in completed.stdout
    assert f"Example: invoke {name}" in completed.stdout


def test_the_list_has_a_line_for_each_profile() -> None:
    """Tab-separated where it is no terminal: chip, cores, features and budget; an alias says so."""
    lines = invoke("profiles").stdout.splitlines()
    rows = {line.split("\t")[0]: line.split("\t") for line in lines}
    assert len(lines) == 1 + len(profiles.profile_names())
    head = rows["profile"]
    assert head == ["profile", "device", "chip", "cores", "features", "runtime", "budget"]
    pixel = dict(zip(head, rows["pixel-9"], strict=True))
    assert pixel["chip"] == "Google Tensor G4"
    assert pixel["cores"].startswith("1 cortex-x4 3105 MHz + ")
    assert pixel["features"] == "dotprod i8mm bf16"
    assert "ms at 128 tokens" in pixel["budget"]
    assert rows["pixel -> pixel-9"][1:] == rows["pixel-9"][1:]


def test_the_list_for_programs_is_whole() -> None:
    """Every field of every profile, sources and reasons too."""
    document = json.loads(invoke("profiles", "--json").stdout)
    assert set(document) == set(profiles.profile_names())
    assert document["wear-watch"]["budget"]["reason"].startswith("ours, ")
    assert document["galaxy-s24"]["accelerators"][0]["kind"] == "npu"


def test_a_profile_of_ones_own_is_listed(tmp_path: Path) -> None:
    """And a broken one is one line that names it."""
    (tmp_path / "mine.toml").write_text('alias_of = "pixel-6"')
    assert "mine -> pixel-6" in invoke("profiles", EDGE_BERT_PROFILES=str(tmp_path)).stdout
    (tmp_path / "broken.toml").write_text("name = ")
    completed = invoke("profiles", EDGE_BERT_PROFILES=str(tmp_path))
    assert completed.returncode == 2
    assert completed.stderr.startswith("error: broken.toml is not valid TOML")
    assert completed.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("new",), "--name is missing"),
        (("old", "--name", "x"), "'old' is not one of new"),
        (("new", "--name", "pixel-9"), "is called pixel-9 already"),
        (("new", "--name", "No Name"), "is no name for a profile"),
        (("new", "--name", "x", "--out", "/nowhere/x.toml"), "is no folder"),
        (("new", "--name", "x", "--out", "y.toml"), "is called x.toml"),
    ],
)
def test_wrong_words(arguments: tuple[str, ...], message: str) -> None:
    """One line that says what to do, exit code 2, before any device is asked."""
    completed = invoke("profile", *arguments)
    assert completed.returncode == 2
    assert message in completed.stderr
    assert completed.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_profile_is_written_from_an_emulated_phone(tmp_path: Path) -> None:
    """Over adb, from the command line; the second time nothing is overwritten."""
    arguments = ("profile", "new", "--name", "from-adb", "--json")
    with running_phone(own_name("test-profile-task")) as phone:
        completed = invoke(*arguments, "--serial", phone.serial, EDGE_BERT_PROFILES=str(tmp_path))
        again = invoke(*arguments, "--serial", phone.serial, EDGE_BERT_PROFILES=str(tmp_path))
    assert completed.returncode == 0, completed.stderr
    document = json.loads(completed.stdout)
    assert document["profile"]["clusters"][0]["core"] == "cortex-x4"
    assert profiles.load_profile("from-adb", tmp_path).name == "from-adb"
    assert again.returncode == 2
    assert "already" in again.stderr
