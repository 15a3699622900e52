"""Measurements on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_bert.bundle.measurement_files import load_measurement, save_measurement
from edge_bert.errors import DataError
from edge_bert.measure.measurement import (
    build_emulated_measurement,
    build_measurement,
    describe_subject,
)
from edge_bert.records.measurement import Evidence, Measurement
from tests.estimate.test_latency_model import MOBILENET_V1, cluster
from tests.measure.test_measurement import OUTPUT, described_device

RUN = build_measurement(
    OUTPUT, described_device(Evidence.DEVICE), describe_subject(OUTPUT, "a b/../wi8.tflite")
)
COUNTED = build_emulated_measurement(
    OUTPUT,
    MOBILENET_V1,
    described_device(Evidence.EMULATED),
    describe_subject(OUTPUT, "f.tflite"),
    cluster(),
)


@pytest.mark.parametrize("measurement", [RUN, COUNTED])
def test_what_is_saved_is_loaded(measurement: Measurement, tmp_path: Path) -> None:
    """The file holds all of it; a second file of the same second gets another name."""
    first = save_measurement(measurement, tmp_path / "new")
    second = save_measurement(measurement, tmp_path / "new")
    assert first != second
    assert first.parent == tmp_path / "new"
    assert load_measurement(first) == load_measurement(second) == measurement
    assert len(list((tmp_path / "new").iterdir())) == 2


def test_names_that_are_taken_beside_are_left(tmp_path: Path) -> None:
    """Files that come together later do not cover each other."""
    old, new = tmp_path / "old", tmp_path / "new"
    first = save_measurement(RUN, old)
    second = save_measurement(RUN, new, beside=old)
    assert first.name != second.name
    assert save_measurement(RUN, new, beside=tmp_path / "none").name == first.name


def test_other_versions_and_damage_are_named(tmp_path: Path) -> None:
    """A file of another version says so; a cut file is an error."""
    path = save_measurement(RUN, tmp_path)
    content = path.read_text()
    path.write_text(content.replace('"format_version": 2', '"format_version": 1'))
    with pytest.raises(DataError, match="format version 1, this edge-bert reads 2; measure again"):
        load_measurement(path)
    for text in (content[:-9], "", "[]", "{}", "\0", "[" * 100_000):
        path.write_text(text)
        with pytest.raises(DataError):
            load_measurement(path)
    with pytest.raises(DataError):
        load_measurement(tmp_path / "absent")


def test_a_flipped_bit_is_never_taken(tmp_path: Path) -> None:
    """In any place of the file, of a figure above all: it is damaged, whatever JSON it is."""
    path = save_measurement(RUN, tmp_path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        data = bytearray(whole)
        data[place] ^= 1 << place % 7
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"damaged|reads 2"):
            load_measurement(path)
    path.write_bytes(whole)
    assert load_measurement(path) == RUN


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.binary())
def test_noise_is_an_error(tmp_path: Path, noise: bytes) -> None:
    """No bytes make it raise anything but DataError."""
    (tmp_path / "x.json").write_bytes(noise)
    with pytest.raises(DataError):
        load_measurement(tmp_path / "x.json")
