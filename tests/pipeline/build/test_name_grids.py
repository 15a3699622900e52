"""A build says which trained integers its files do not hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_bert.pipeline.build.name_grids import name_rewritten_grids, name_rounded_grids
from tests.pipeline import tiny_bundle as tiny
from tests.quantize.grids import file_with, place_on_grid
from tests.tiny import models


def test_lines_are_about_the_recipes_of_integers_that_were_built(tmp_path: Path) -> None:
    """One each; a float file has nothing to lose, and a model on no grid neither."""
    folder, plain = models.write(tmp_path / "m", "bert"), models.write(tmp_path / "p", "bert")
    codes = place_on_grid(folder, -127, 127)
    recipes = ["float16", "wi8_afp32", "wi8_ai8", "wi4_afp32"]
    for name in recipes[:-1]:
        held = codes.values() if name == "wi8_afp32" else [np.ones((4, 4), np.int8)]
        (tmp_path / f"{name}.tflite").write_bytes(file_with(*held))
    with tiny.own_cache():
        on_grid = tiny.open_session("pixel", model=str(folder), recipes=recipes)
        lines = name_rounded_grids(on_grid, tmp_path)
        (line,) = name_rewritten_grids(on_grid, ["float32", "wi8_ai8_afp32"])
        on_none = tiny.open_session("pixel", model=str(plain), recipes=recipes)
        assert name_rounded_grids(on_none, tmp_path) == ()
    assert lines == (
        "wi8_ai8 rounds 12 of 12 trained matrices again, because the rewrites for calibrated "
        "integers change them: layer.0.query.kernel, layer.0.key.kernel, layer.0.value.kernel, "
        "layer.0.attention_output.kernel, layer.0.ffn_in.kernel and 7 more",
    )
    assert line.startswith("wi8_ai8_afp32 rounds 12 trained matrices again, because the rewrites")
