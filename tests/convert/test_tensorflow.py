"""TensorFlow says nothing of itself; what fails while it is imported still says why."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

IMPORT = "from edge_bert.encoder.tensorflow import import_tensorflow as get; "


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


def test_a_failing_import_says_why(tmp_path: Path) -> None:
    """What was written while it failed is shown, then the exception."""
    package = tmp_path / "tensorflow.py"
    package.write_text(
        "import os; os.write(2, b'the loader said this\\n'); raise OSError('broken')"
    )
    code, words = said(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); get()")
    assert code == 1
    assert words.startswith("the loader said this\n")
    assert words.endswith("OSError: broken\n")
