"""`tokens.json`: read with its model, and refused in one line where it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.errors import ModelError
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.tiny import cuts


def test_cuts_are_part_of_the_model(tmp_path: Path) -> None:
    """They are in its configuration and in its digest."""
    folder = cuts.write(tmp_path / "m")
    with_cuts = load_checkpoint(str(folder), folder)
    assert encoder_weights(with_cuts).config.cuts == with_cuts.cuts == cuts.CUTS
    (folder / "tokens.json").unlink()
    without = load_checkpoint(str(folder), folder)
    assert encoder_weights(without).config.cuts == without.cuts == ()
    assert with_cuts.sha256 != without.sha256


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"format_version": 2}, "format version 2"),
        ({"cuts": []}, "JSON it should"),
        ({"cuts": [{"after": 1, "percent": 100}]}, "JSON it should"),
        ({"cuts": [{"after": 0, "percent": 50}]}, "JSON it should"),
        ({"cuts": [{"after": 3, "percent": 50}]}, "after layer 3 of 3 saves nothing"),
        ({"cuts": [{"after": 1, "percent": 50}, {"after": 2, "percent": 50}]}, "keeps fewer"),
        ({"cuts": [{"after": 2, "percent": 50}, {"after": 1, "percent": 25}]}, "rising order"),
        ({"cuts": [{"after": 2, "percent": 50, "by": "key"}]}, "JSON it should"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    tmp_path: Path, values: dict[str, Any], match: str
) -> None:
    """A cut that nothing would come of is no cut either."""
    folder = cuts.write(tmp_path / "m", **values)
    with refused(ModelError, match):
        encoder_weights(load_checkpoint(str(folder), folder))
