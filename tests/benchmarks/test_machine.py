"""How busy others keep the machine."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from benchmarks.machine import (
    MachineLoad,
    choose_last_cpu,
    count_other_cores,
    describe_machine,
    read_package_versions,
)

TICKS = os.sysconf("SC_CLK_TCK")


def test_busy_time_leaves_idle_and_guests_out(tmp_path: Path) -> None:
    """User, nice, system, irq, softirq and steal count; idle, iowait and guest columns do not."""
    stat = tmp_path / "stat"
    stat.write_text("cpu  1 2 4 1000 2000 8 16 32 4000 8000\ncpu0 1 1 1 1\n")
    assert MachineLoad.now(stat).busy_s == 63 / TICKS


@pytest.mark.parametrize("text", ["", "cpu", "cpu  0 0 0 0 0 0 0 0", "nonsense here", "cpu ä"])
def test_a_system_that_does_not_tell(tmp_path: Path, text: str) -> None:
    """No counts, zeros (some sandboxes) or nonsense: not known, rather than quiet."""
    stat = tmp_path / "stat"
    stat.write_text(text, encoding="utf-8")
    assert MachineLoad.now(stat).busy_s is None
    assert MachineLoad.now(tmp_path / "missing").busy_s is None


def test_what_others_used_is_what_we_did_not() -> None:
    """10 s of two cores, 12 s busy, 9 s of them ours: others used 0.3 cores."""
    assert count_other_cores(MachineLoad(100.0, 50.0), MachineLoad(110.0, 62.0), 9.0) == 0.3
    assert count_other_cores(MachineLoad(100.0, 50.0), MachineLoad(110.0, 58.9), 9.0) == 0.0
    assert count_other_cores(MachineLoad(100.0, None), MachineLoad(110.0, 62.0), 9.0) is None
    assert count_other_cores(MachineLoad(100.0, 50.0), MachineLoad(100.0, 62.0), 9.0) is None


def test_the_machine_is_named() -> None:
    """Processor, cores and versions, all from this machine."""
    machine = describe_machine()
    assert machine.properties["cpu"]
    assert machine.cores == len(os.sched_getaffinity(0))
    assert choose_last_cpu() in os.sched_getaffinity(0)
    assert read_package_versions()["python"] == platform.python_version()
    assert "numpy" in read_package_versions()
