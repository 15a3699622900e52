"""Builds of a folder that holds what training found for a recipe of integers."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from edge_bert.errors import ModelError
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.name_grids import name_rewritten_grids
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.progress import no_progress
from edge_bert.quantize.integer.calibrate.assign_quant_params import assign_quant_params
from edge_bert.quantize.integer.calibrate.calibrate import convert_integer, default_estimator
from edge_bert.quantize.integer.calibrate.learned_encoder import (
    LearnedEncoder,
    choose_ranges,
    learn_encoder,
)
from edge_bert.quantize.integer.calibrate.learned_file import FILE, encode_learned
from edge_bert.records.recipe import WI4C_AI8, WI8_AI8, WI8_AI8_AFP32
from tests.pipeline import tiny_bundle as tiny


def opened(folder: Path) -> BuildSession:
    """A session of the model in `folder`."""
    return tiny.open_session(model=str(folder), lengths=[16], calibration_count=32)


def taught(session: BuildSession) -> LearnedEncoder:
    """Its calibration, as if training had changed one range."""
    start = session.calibrated
    graph = start.graph(8)
    params = assign_quant_params(graph, start.ranges, default_estimator(8))
    ranges = choose_ranges(graph, start.ranges, default_estimator(8))
    learned = learn_encoder(WI8_AI8.name, start, params, {}, ranges)
    low, high = ranges["layer.0.context"]
    return dataclasses.replace(learned, ranges={**ranges, "layer.0.context": (2 * low, 2 * high)})


def test_a_build_takes_them_for_their_recipe_alone(tmp_path: Path) -> None:
    """In place of calibration; other recipes are calibrated as ever, and caches know the two."""
    folder = tmp_path / "model"
    shutil.copytree(tiny.model(), folder)
    session = opened(folder)
    learned = taught(session)
    with tiny.own_cache("learned"):
        plain = [
            artifacts.build_artifact(session, r, no_progress) for r in (WI8_AI8, WI8_AI8_AFP32)
        ]
        (folder / FILE).write_bytes(encode_learned(learned, session.checkpoint.sha256))
        again = opened(folder)
        assert artifacts.build_artifact(again, WI8_AI8_AFP32, no_progress) == plain[1]
        built = artifacts.build_artifact(again, WI8_AI8, no_progress)
    assert built != plain[0]
    assert built == convert_integer(learned.complete(session.weights), [16])
    (line,) = name_rewritten_grids(again, [WI8_AI8_AFP32.name, WI8_AI8.name])
    assert line.startswith("wi8_ai8: the integers and ranges that training found are for TFLite")


def test_their_recipe_is_built_without_being_named(tmp_path: Path) -> None:
    """Beside those that are built of every model."""
    folder = tmp_path / "model"
    shutil.copytree(tiny.model(), folder)
    session = opened(folder)
    learned = dataclasses.replace(taught(session), recipe=WI4C_AI8.name)
    (folder / FILE).write_bytes(encode_learned(learned, session.checkpoint.sha256))
    assert opened(folder).recipes == (*session.recipes, WI4C_AI8)


def test_those_of_another_model_are_refused(tmp_path: Path) -> None:
    """A folder whose weights were replaced is never built with integers that were not theirs."""
    folder = tmp_path / "model"
    shutil.copytree(tiny.model(), folder)
    (folder / FILE).write_bytes(encode_learned(taught(opened(folder)), "0" * 64))
    with pytest.raises(ModelError, match=f"{FILE} was trained with other weights"):
        artifacts.build_artifact(opened(folder), WI8_AI8, no_progress)
