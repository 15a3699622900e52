"""What an artifact is kept under: all that it depends on, and nothing else."""

from __future__ import annotations

import dataclasses

from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.session import prepare_session
from edge_bert.progress import no_progress
from edge_bert.records.recipe import WI4_AFP32, WI8_AI8_AFP32
from tests.pipeline import tiny_bundle as tiny


def test_calibrated_integers_are_made_once_with_and_without_the_float_file() -> None:
    """A search has no float file for them; the build that follows takes what it made."""
    request = prepare_session(
        tiny.PROFILE, model=str(tiny.model()), lengths=[16], calibration_count=32
    )
    said: list[str] = []
    with tiny.own_cache("convert"):
        first = artifacts.build_artifact(request, b"", WI8_AI8_AFP32, said.append)
        assert len(said) == 1
        assert (
            artifacts.build_artifact(request, b"a float file", WI8_AI8_AFP32, said.append) == first
        )
    assert len(said) == 1


def test_other_lengths_are_another_file() -> None:
    """Also where there is no float file that would tell them apart."""
    made = []
    for lengths in ([16], [16, 32]):
        request = prepare_session(
            tiny.PROFILE, model=str(tiny.model()), lengths=lengths, calibration_count=32
        )
        with tiny.own_cache("convert"):
            made.append(artifacts.build_artifact(request, b"", WI8_AI8_AFP32, no_progress))
    assert len(made[0]) < len(made[1])


def test_what_sentences_gave_follows_the_tokenizer() -> None:
    """Doubts and 4-bit matrices come from tokens, which the float32 file does not tell apart."""
    request = prepare_session(
        tiny.PROFILE, model=str(tiny.model()), lengths=[16], calibration_count=32
    )
    checkpoint = dataclasses.replace(request.checkpoint, sha256="that of another tokenizer")
    other = dataclasses.replace(request, checkpoint=checkpoint)
    said: list[str] = []
    with tiny.own_cache("convert"):
        data = artifacts.build_float_model(request, no_progress)
        for each in (request, other, request):
            artifacts.session_warnings(each, said.append)
            artifacts.build_artifact(each, data, WI4_AFP32, said.append)
    assert len(said) == 4


def test_requests_of_one_content_share_their_calibration() -> None:
    """A build for a budget calibrates once, for the count and for the bundle."""
    first, second = (
        prepare_session(tiny.PROFILE, model=str(tiny.model()), lengths=[16], calibration_count=32)
        for _ in range(2)
    )
    assert artifacts.calibrate_session(first) is artifacts.calibrate_session(second)
    fewer = prepare_session(
        tiny.PROFILE, model=str(tiny.model()), lengths=[16], calibration_count=31
    )
    assert artifacts.calibrate_session(fewer) is not artifacts.calibrate_session(first)
