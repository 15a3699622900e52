"""Every benchmark can be imported, and those that people run explain themselves."""

from __future__ import annotations

import importlib
import pkgutil
import runpy
import sys

import pytest

import benchmarks

NAMES = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__))
COMMANDS = (
    "calibration_seeds",
    "encode_speed",
    "exit_stages",
    "observers",
    "operator_counts",
    "probe",
    "runtime_rounding",
    "shrink",
    "table_bits",
    "table_forms",
    "token_cuts",
    "trained_grids",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_module_can_be_imported(name: str) -> None:
    """What a benchmark uses of the product is still there."""
    importlib.import_module(f"benchmarks.{name}")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_explains_itself(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m benchmarks.NAME --help` prints its usage and does nothing else."""
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    monkeypatch.delitem(sys.modules, f"benchmarks.{name}", raising=False)
    with pytest.raises(SystemExit) as stop:
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")
    assert not stop.value.code
    assert capsys.readouterr().out.startswith("usage: ")
