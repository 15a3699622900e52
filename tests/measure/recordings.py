"""Where the recorded outputs are."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "recordings"


def recording(name: str) -> str:
    """The text of `tests/recordings/<name>`."""
    return (FOLDER / name).read_text(encoding="utf-8")
