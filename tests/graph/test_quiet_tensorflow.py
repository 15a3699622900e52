"""TensorFlow says nothing of itself; what fails while it is imported still says why."""

from __future__ import annotations

import subprocess
import sys

IMPORT = "from edge_bert.graph.quiet_tensorflow import import_tensorflow as get; "


def said(code: str) -> tuple[int, str]:
    """Exit status and standard error of some Python in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT + code], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


def test_nothing_is_said() -> None:
    """Not a word on standard error, and what is written there later is seen."""
    found = said("get(); import sys; assert 'tensorflow' in sys.modules; sys.stderr.write('seen')")
    assert found == (0, "seen")


def test_a_failing_import_says_why() -> None:
    """The exception reaches the caller, whose standard error works again."""
    code, words = said("import sys; sys.modules['tensorflow.python'] = None; get()")
    assert code == 1
    assert "tensorflow.python" in words
