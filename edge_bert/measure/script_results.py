"""Read the results of a script that ran on a phone of someone else (android_harness/script/run.sh).

The text may come from anywhere: it is bounded, and only what its marks say is taken from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge_bert.errors import DataError

MAX_BYTES = 64 * 1024 * 1024
MAX_LINES = 2_000_000
MAX_JOBS = 1000
FIRST_LINE = "@results 1"
_MARK = re.compile(r"@([a-z]{1,10})(?: (.{0,200}))?")
_PHONE = re.compile(r"phone-[0-9a-f]{8}")
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOMENT = re.compile(r"20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\d\+00:00")
_CORES = re.compile(r"(?:\d{1,3}(?:,\d{1,3}){0,63})?")


@dataclass
class ScriptRun:
    """What the runner printed on standard output, its status, and the last line of its errors."""

    lines: list[str] = field(default_factory=list)
    status: int | None = None
    errors: list[str] = field(default_factory=list)

    @property
    def output(self) -> str:
        """Standard output."""
        return "\n".join(self.lines) + "\n"


@dataclass
class ScriptJob:
    """One file: when it began, the phone's state before and after, the timed and the cold run.

    Of a data set that was played there is no cold run; `source` names it, and `plan_sha256` is
    that of the stages and the rule that the runner got.
    """

    artifact: str
    signature: str
    started_at: str
    source: str = ""
    plan_sha256: str = ""
    states: dict[str, dict[str, str]] = field(default_factory=dict)
    runs: dict[str, ScriptRun] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether it was measured to the end."""
        return set(self.runs) == ({"run"} if self.source else {"run", "cold"})


@dataclass
class ScriptResults:
    """A phone's results. `facts` are texts by their source; `cores` are the CPUs it was bound to.

    `sessions` are logs of energy sessions by artifact and signature.
    """

    phone: str
    facts: dict[str, str]
    cores: tuple[int, ...]
    jobs: list[ScriptJob]
    sessions: dict[tuple[str, str], str]


def read_results(path: Path) -> ScriptResults:
    """The results in the file at `path`. Raises DataError where it is not such a text, whole."""
    try:
        if not path.is_file():  # a pipe would wait for a writer for ever
            raise DataError(f"{path} is missing or no regular file; give the script's results.txt.")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > MAX_BYTES:
        raise DataError(f"{path} is larger than {MAX_BYTES} bytes; no script's results are.")
    try:
        return parse_results(data.decode("utf-8", errors="replace"))
    except DataError as error:
        raise DataError(f"{path} {error}") from error


def parse_results(text: str) -> ScriptResults:
    """The results in a text. Raises DataError, which goes on after the file's name."""
    lines = text.replace("\r\n", "\n").split("\n", MAX_LINES)
    if lines[0] != FIRST_LINE:
        raise DataError("is not what the script of `invoke push --script` writes.")
    if "@done" not in lines[-3:]:
        raise DataError("is not whole: its last line is not @done; wait for the script's end.")
    reader = _Reader()
    for line in lines[1:]:
        mark = _MARK.fullmatch(line)
        if mark:
            reader.take(mark[1], (mark[2] or "").split())
        else:
            reader.target.append(line)
    return reader.finish()


class _Reader:
    """Takes marks in turn; `target` is where the lines after the last one belong."""

    def __init__(self) -> None:
        self.target: list[str] = []
        self._facts: dict[str, list[str]] = {}
        self._phone = ""
        self._cores: tuple[int, ...] = ()
        self._jobs: list[ScriptJob] = []
        self._states: list[tuple[dict[str, dict[str, str]], str, dict[str, list[str]]]] = []
        self._answers = self._facts
        self._run: ScriptRun | None = None
        self._sessions: dict[tuple[str, str], list[str]] = {}

    def take(self, name: str, words: list[str]) -> None:
        """Take one mark with its words; raises DataError for one that cannot be there."""
        self.target = []
        if name == "phone" and len(words) == 1 and _PHONE.fullmatch(words[0]):
            self._phone = words[0]
        elif name == "cores" and _CORES.fullmatch(" ".join(words)):
            self._cores = tuple(int(word) for word in " ".join(words).split(",") if word)
        elif name == "job" and len(words) == 3 and _MOMENT.fullmatch(words[2]):
            self._begin_job(*words)
        elif name == "data" and self._jobs and len(words) > 1 and _DIGEST.fullmatch(words[0]):
            self._jobs[-1].plan_sha256, self._jobs[-1].source = words[0], " ".join(words[1:])
        elif name == "from" and len(words) == 1 and _WORD.fullmatch(words[0]):
            self.target = self._answers.setdefault(words[0], [])
        elif name == "state" and self._jobs and words in (["before"], ["after"]):
            self._answers = {}
            self._states.append((self._jobs[-1].states, words[0], self._answers))
        elif name in ("run", "cold") and self._jobs and not words:
            self._run = self._jobs[-1].runs.setdefault(name, ScriptRun())
            self.target = self._run.lines
        elif name == "status" and self._run and re.fullmatch("[0-9]{1,3}", " ".join(words)):
            self._run.status = int(words[0])
            self.target = self._run.errors
        elif name == "energy" and len(words) == 2:
            self.target = self._sessions.setdefault((words[0], words[1]), [])
        elif name != "done":
            raise DataError(f"is damaged: a line @{name} is not where it belongs.")

    def finish(self) -> ScriptResults:
        """What was read. Raises DataError where the phone has no name or a job no runs."""
        if not self._phone:
            raise DataError("is damaged: it names no phone.")
        if not self._jobs or not all(job.whole for job in self._jobs):
            raise DataError("is damaged: a file of it was not measured to the end.")
        for states, moment, answers in self._states:
            states[moment] = _join(answers)
        sessions = {
            key: "\n".join(line.removeprefix("|") for line in lines)
            for key, lines in self._sessions.items()
        }
        return ScriptResults(self._phone, _join(self._facts), self._cores, self._jobs, sessions)

    def _begin_job(self, artifact: str, signature: str, started_at: str) -> None:
        if len(self._jobs) >= MAX_JOBS or not (
            _WORD.fullmatch(artifact) and _WORD.fullmatch(signature)
        ):
            raise DataError("is damaged: it names more files, or other ones, than a script has.")
        self._jobs.append(ScriptJob(artifact, signature, started_at))
        self._run = None


def _join(answers: Mapping[str, list[str]]) -> dict[str, str]:
    return {source: "\n".join(lines) + "\n" for source, lines in answers.items()}
