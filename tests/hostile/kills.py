"""A command stopped at a moment that chance decides, and what it left behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_bert.bundle.manifest import read_manifest
from edge_bert.store.digest import sha256_hex
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
MARK = "EDGE_BERT_TEST_RUN"  # in the environment of a command and of all that it starts
PATIENCE_S = 300


@dataclass(frozen=True)
class Place:
    """Where a command works: its output, cache and temporary files, all in `root`."""

    root: Path

    @property
    def out(self) -> Path:
        return self.root / "out"

    def environment(self) -> dict[str, str]:
        """Quiet, offline, and with every folder of the command in `root`."""
        (self.root / "tmp").mkdir(exist_ok=True)
        return os.environ | {
            "COLUMNS": "200",
            "HF_HUB_OFFLINE": "1",
            "EDGE_BERT_CACHE": str(self.root / "cache"),
            "TMPDIR": str(self.root / "tmp"),
            MARK: str(self.root),
        }

    def list_leftovers(self) -> list[str]:
        """What no command should leave: locks, scratch and half-written files."""
        left = list((self.root / "tmp").iterdir())
        left += self.out.glob(".*")
        left += [
            path
            for path in (self.root / "cache").rglob(".*")
            if path.name != ".lock" and "environments" not in path.parts
        ]
        return [str(path.relative_to(self.root)) for path in left]

    def list_processes(self) -> list[int]:
        """The command's processes that are alive."""
        return [
            int(folder.name)
            for folder in Path("/proc").iterdir()
            if folder.name.isdigit() and self._is_ours(folder)
        ]

    def _is_ours(self, folder: Path) -> bool:
        try:
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            return False
        return state != "Z" and f"{MARK}={self.root}".encode() in variables


def run_command(place: Place, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """`invoke WORDS` to its end."""
    command = [sys.executable, "-m", "invoke", *words]
    return subprocess.run(
        command, cwd=ROOT, env=place.environment(), capture_output=True, text=True, check=False
    )


def stop_command(place: Place, words: Sequence[str], number: int, delay_s: float) -> list[str]:
    """Start `invoke WORDS`, send it signal `number` after `delay_s`; what was wrong then."""
    process = subprocess.Popen(
        [sys.executable, "-m", "invoke", *words],
        cwd=ROOT,
        env=place.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    time.sleep(delay_s)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    if number == signal.SIGKILL:
        return _check_bundles(place)
    faults = [*_check_end(process.returncode, stderr, number), *_check_bundles(place)]
    try:
        wait_until(lambda: not place.list_processes(), patience_s=30)
    except AssertionError:
        faults.append(f"processes are left: {place.list_processes()}")
    left = place.list_leftovers()
    return [*faults, *([f"left behind: {left}"] if left else [])]


def _check_end(code: int, stderr: str, number: int) -> list[str]:
    """The exit code of the signal and one line, or an end before or after its time."""
    if code in (0, -number):  # before Python ran our code, or as it ended
        return [f"a traceback: {stderr}"] if "Traceback" in stderr else []
    lines = [line for line in stderr.splitlines() if not line.startswith("[")]
    sound = code == 128 + number and len(lines) == 1 and lines[0].startswith("error: stopped")
    return [] if sound else [f"exit code {code} after signal {number}: {stderr[-1500:]}"]


def _check_bundles(place: Place) -> list[str]:
    """Every bundle that is there is whole."""
    faults = []
    for manifest in place.out.glob("[!.]*/manifest.json"):  # not those that are being removed
        folder = manifest.parent
        content = read_manifest(folder)
        for member in (*content.artifacts, *content.files):
            if sha256_hex((folder / member.file).read_bytes()) != member.sha256:
                faults.append(f"{member.file} is not what the manifest says")
    return faults


def choose_moments(seconds: float, count: int, seed: int) -> list[float]:
    """Moments of a run that takes `seconds`: a share of them in its first and last tenth."""
    chance = random.Random(seed)  # noqa: S311
    spans = [(0.0, 1.0), (0.0, 1.0), (0.9, 1.02), (0.0, 0.1)]
    return [seconds * chance.uniform(*spans[index % len(spans)]) for index in range(count)]
