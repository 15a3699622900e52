"""Trials of one kind of file in a process that may die: one line of JSON for each fault.

    python -m tests.hostile.trials KIND SOUND COUNT SEED

Every trial is a mutation by its own seed. Its number is printed before it, so that whoever started
this knows which one ended the process.
"""

from __future__ import annotations

import importlib
import json
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_bert.errors import EdgeBertError
from edge_bert.sources.load import UNFORESEEN
from tests.hostile.readers import KINDS, Kind

LONGEST_TRIAL_S = 20
MOST_BYTES = 2 * 1024**3
MOST_LETTERS = 2000


def main(name: str, sound: str, count: str, seed: str) -> None:
    """Run the trials, and print what they did that they must not."""
    kind = KINDS[name]
    _bound_memory()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "folder"
        shutil.copytree(Path(sound) / kind.sound, folder)
        kind.read(folder)  # sound files are read, and what is loaded once is loaded now
        data = (folder / kind.file).read_bytes()
        for number in range(int(seed), int(seed) + int(count)):
            _tell(str(number))
            (folder / kind.file).write_bytes(kind.mutate(data, number))
            for fault in _try_one(kind, folder):
                _tell(json.dumps({"kind": name, "seed": number, "fault": fault}))


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _try_one(kind: Kind, folder: Path) -> Iterator[str]:
    """What one trial did wrong: neither success nor one printable line, or too long a time."""
    signal.setitimer(signal.ITIMER_PROF, LONGEST_TRIAL_S)  # SIGPROF ends the process
    started = time.process_time()
    try:
        kind.read(folder)
    except EdgeBertError as error:
        message = str(error)
        if UNFORESEEN in message:
            yield traceback.format_exc()
        if len(message) > MOST_LETTERS:
            yield f"a line of {len(message)} letters"
    except BaseException:
        yield traceback.format_exc()
    signal.setitimer(signal.ITIMER_PROF, 0)
    if time.process_time() - started > LONGEST_TRIAL_S:
        yield "too long"


def _bound_memory() -> None:
    try:
        resource: Any = importlib.import_module("resource")
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main(*sys.argv[1:])
