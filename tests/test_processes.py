"""Programs of this machine: their end, their names in errors. What is left behind: test_host.py."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from edge_bert import processes, program_output
from edge_bert.errors import EdgeBertError, MissingToolError, VerificationError


def test_any_exit_status_is_an_end(tmp_path: Path) -> None:
    """Output, status, folder and environment are the program's own; input is empty."""
    script = 'cat; echo "$PWD $WORD"; echo no >&2; exit 7'
    completed = processes.run_process(
        ["/bin/sh", "-c", script],
        timeout_s=60,
        failure=VerificationError,
        cwd=tmp_path,
        env={"WORD": "ünï"},
    )
    assert (completed.returncode, completed.stdout, completed.stderr) == (
        7,
        f"{tmp_path} ünï\n",
        "no\n",
    )


@pytest.mark.parametrize("failure", [VerificationError, MissingToolError])
@pytest.mark.parametrize(
    ("argv", "what", "says"),
    [
        (["sleep", "600"], "", "^sleep did not end within 0.2 s"),
        (["sleep", "600"], "pip for it", "^pip for it did not end"),
        (["/absent/program"], "", "^/absent/program could not be started"),
        (["sh", "nul\0"], "a shell", "^a shell could not be started"),
    ],
)
def test_other_ends_are_the_callers_error(
    argv: list[str], what: str, says: str, failure: type[EdgeBertError]
) -> None:
    """A program that hangs or cannot start is named as the caller wants, in the caller's error."""
    with pytest.raises(failure, match=says):
        processes.run_process(argv, timeout_s=0.2, failure=failure, what=what)


@pytest.mark.parametrize("stream", ["1", "2"])
def test_a_program_that_writes_without_end_is_ended(
    stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more than the bound is held in memory, and the message has the last line."""
    monkeypatch.setattr(program_output, "MAX_OUTPUT_BYTES", 3 << 20)
    endless = ["sh", "-c", f"exec yes 'one line' >&{stream}"]
    tracemalloc.start()
    with pytest.raises(VerificationError, match=r"yes wrote more than 3 MB.*: .*one line"):
        processes.run_process(endless, timeout_s=60, failure=VerificationError, what="yes")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20


def test_output_up_to_the_bound_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both streams are read while the program runs, however much is in either."""
    monkeypatch.setattr(program_output, "MAX_OUTPUT_BYTES", 1_000_000)
    script = "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; exit 3"
    done = processes.run_process(["sh", "-c", script], timeout_s=60, failure=VerificationError)
    assert (len(done.stdout), len(done.stderr), done.returncode) == (1_000_000, 1_000_000, 3)
