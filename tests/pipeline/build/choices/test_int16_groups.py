"""The choice of 16-bit groups is searched once for a calibration, and anew for another."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edge_bert.pipeline.build.choices import int16_groups
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder, calibrate_encoder
from edge_bert.records.int16_selection import Int16Selection
from tests.quantize.integer import encoders as tiny
from tests.report import sample_report


def test_a_search_is_kept_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same weights and sentences are found again; fewer sentences or other weights are not."""
    searched: list[CalibratedEncoder] = []

    def search(calibrated: CalibratedEncoder, _: object) -> Int16Selection:
        searched.append(calibrated)
        return sample_report.int16_selection()

    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path))
    monkeypatch.setattr(int16_groups, "select_int16_groups", search)
    weights = tiny.weights_of("bert")
    start = calibrate_encoder(weights, tiny.sentences(weights))
    assert (
        int16_groups.select_groups(start)
        == int16_groups.select_groups(start)
        == sample_report.int16_selection()
    )
    assert len(searched) == 1
    int16_groups.select_groups(dataclasses.replace(start, sentences=start.sentences[:-1]))
    assert len(searched) == 2
    other = tiny.changed(weights, "layer.1.ffn_in.bias", 1.001)
    int16_groups.select_groups(dataclasses.replace(start, weights=other))
    assert len(searched) == 3
