"""What an artifact is kept under: all that it depends on, and nothing else."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build import session as session_module
from edge_bert.pipeline.build.options import Rounding
from edge_bert.progress import no_progress
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder, calibrate_encoder
from edge_bert.records.recipe import WI4_AFP32, WI8_AI8_AFP32
from tests.pipeline import tiny_bundle as tiny


def test_calibrated_integers_need_no_float_file() -> None:
    """A conversion by TensorFlow takes the longest of all; they are made once, without it."""
    session = tiny.open_session(lengths=[16], calibration_count=32)
    said: list[str] = []
    with tiny.own_cache("convert"):
        first = artifacts.build_artifact(session, WI8_AI8_AFP32, said.append)
        assert len(said) == 1
        assert artifacts.build_artifact(session, WI8_AI8_AFP32, said.append) == first
    assert len(said) == 1


def test_other_lengths_are_another_file() -> None:
    """Also where there is no float file that would tell them apart."""
    made = []
    for lengths in ([16], [16, 32]):
        session = tiny.open_session(model=str(tiny.model()), lengths=lengths, calibration_count=32)
        with tiny.own_cache("convert"):
            made.append(artifacts.build_artifact(session, WI8_AI8_AFP32, no_progress))
    assert len(made[0]) < len(made[1])


def test_other_rounding_is_another_file() -> None:
    """Of the same size, from the same calibration."""
    nearest = tiny.open_session(lengths=[16], calibration_count=32)
    options = msgspec.structs.replace(nearest.options, rounding=Rounding.GPTQ)
    by_gptq = dataclasses.replace(nearest, options=options)
    with tiny.own_cache("convert"):
        files = [
            artifacts.build_artifact(session, WI8_AI8_AFP32, no_progress)
            for session in (nearest, by_gptq)
        ]
    assert len(files[0]) == len(files[1])
    assert files[0] != files[1]


def test_what_sentences_gave_follows_the_tokenizer() -> None:
    """Warnings and 4-bit matrices come from tokens, which the float32 file does not tell apart."""
    session = tiny.open_session(model=str(tiny.model()), lengths=[16], calibration_count=32)
    checkpoint = dataclasses.replace(session.checkpoint, sha256="that of another tokenizer")
    other = dataclasses.replace(session, checkpoint=checkpoint)
    said: list[str] = []
    with tiny.own_cache("convert"):
        for each in (session, other):
            artifacts.build_float_model(each, no_progress)
        for each in (session, other, session):
            artifacts.session_warnings(each, said.append)
            artifacts.build_artifact(each, WI4_AFP32, said.append)
    assert len(said) == 4


def test_a_session_calibrates_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For all recipes with calibrated integers, and for what makes their ranges doubtful."""
    calls: list[int] = []

    def counted(*arguments: Any) -> CalibratedEncoder:
        calls.append(1)
        return calibrate_encoder(*arguments)

    monkeypatch.setattr(session_module, "calibrate_encoder", counted)
    tiny.build_in(
        tmp_path, cache_name="once", recipes=["wi8_ai8", "wi8_ai8_afp32"], calibration_count=32
    )
    assert len(calls) == 1
