"""A bundle of an older format: every command that opens one says to build it again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from invoke.context import Context

from edge_bert import Bundle
from edge_bert.bundle import manifest as manifests
from edge_bert.cli import program
from edge_bert.errors import DataError
from edge_bert.records.bundle import FORMAT_VERSION
from tests.one_line import refused
from tests.pipeline import tiny_bundle as tiny
from tests.pipeline.small_bundle import small_bundle

PROFILE = "pixel-9"
REFUSAL = (
    f"manifest.json has format version 1, this edge-bert reads {FORMAT_VERSION}; "
    "build the bundle again."
)
COMMANDS: dict[str, dict[str, Any]] = {
    "bench": {"target": "host"},
    "compare": {},
    "explain": {},
    "push": {},
    "verify": {},
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle with the manifest that edge-bert wrote before its second format."""
    folder = small_bundle(tmp_path, PROFILE)
    manifest = json.loads((folder / manifests.FILE).read_bytes())
    manifest["format_version"] = 1
    manifest["left_out"] = manifest.pop("skipped")
    manifest["calibration"]["doubts"] = manifest["calibration"].pop("warnings", [])
    for artifact in manifest["artifacts"]:
        artifact["proof"] = artifact.pop("runtime_check")
    (folder / manifests.FILE).write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_to_build_again(
    name: str, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on standard error, exit code 2, and the folder stays as it was."""
    before = sorted(bundle.rglob("*"))
    options = COMMANDS[name] | ({"model": str(tiny.model())} if name == "compare" else {})
    command = getattr(program, name)
    with pytest.raises(SystemExit) as stop:
        command(Context(), profile=PROFILE, out=str(bundle.parent), **options)
    assert stop.value.code == DataError.exit_code
    said = capsys.readouterr()
    (line,) = [line for line in said.err.splitlines() if not line.startswith("[")]
    assert line.startswith("error: ")
    assert line.endswith(REFUSAL)
    assert said.out == ""
    assert sorted(bundle.rglob("*")) == before


def test_a_program_is_told_the_same(bundle: Path) -> None:
    """`Bundle.open` raises DataError with that line."""
    with refused(DataError, re.escape(REFUSAL)):
        Bundle.open(bundle)
