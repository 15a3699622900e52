"""What one text costs in expectation."""

from __future__ import annotations

import msgspec
import pytest

from edge_bert.records.measurement import Evidence
from edge_bert.records.report import Report
from edge_bert.records.text_lengths import LengthChoice, TextLengths
from edge_bert.report import tables
from edge_bert.report.expected import describe_length_choice, expect_costs
from edge_bert.report.html import render_report_page
from tests.report import sample_report as sample

TEXTS = TextLengths.of("stsb", {9: 6, 16: 1, 17: 2, 400: 1})


def report(*, without: int | None = None) -> Report:
    """Emulated rows of all lengths but one; 7 texts in 16 tokens, 2 in 32, and one is cut."""
    rows = sample.latencies(Evidence.EMULATED, "phone", 1.0)
    choice = LengthChoice(
        texts=10, against=(64, 128), unit="multiply-adds", saved=0.25,
        longest_bucket_bytes={"float32": 250_000},
    )  # fmt: skip
    return Report(
        format_version=1,
        manifest=msgspec.structs.replace(
            sample.manifest(), text_lengths=(TEXTS,), length_choice=choice
        ),
        profile=sample.profile(),
        bytes_by_kind={},
        measurements=tuple(row for row in rows if row.length != without),
    )


@pytest.mark.parametrize("tokens", ["0", "-3", "05", "x", "\N{SUPERSCRIPT TWO}", "9" * 5000])
def test_lengths_that_cannot_be(tokens: str) -> None:
    """A manifest may hold anything."""
    with pytest.raises(ValueError, match="lengths of texts"):
        TextLengths(source="x", counts={tokens: 1})


def test_a_text_costs_what_its_bucket_does() -> None:
    """The mean over the texts, of times and of energies."""
    content = report()
    (group,) = tables.latency_groups(content)
    costs = {cost.artifact: cost for cost in expect_costs(content.manifest, group)}
    assert costs.keys() == sample.FIGURES.keys()
    rows = group.rows["float32"]
    expected = 0.7 * rows[16].median_ms + 0.2 * rows[32].median_ms + 0.1 * rows[128].median_ms
    cost = costs["float32"]
    assert cost.ms == pytest.approx(expected)
    assert cost.low_ms < cost.ms < cost.high_ms
    assert cost.energy is not None
    assert cost.energy.kind == "modelled"
    assert cost.energy.mj == pytest.approx(1.7 * expected)


def test_nothing_is_expected_of_a_bucket_that_was_not_measured() -> None:
    """One that no text needs may be absent."""
    for length, count in ((32, 0), (64, len(sample.FIGURES))):
        content = report(without=length)
        (group,) = tables.latency_groups(content)
        assert len(list(expect_costs(content.manifest, group))) == count


def test_the_report_says_what_the_buckets_save() -> None:
    """And what one text costs, beside the latencies."""
    content = report()
    line = describe_length_choice(content.manifest)
    assert line == (
        "lengths 16,32,64,128 take 25% less multiply-adds than 64,128 over 10 texts (computed); "
        "the longest adds float32 0.25 MB"
    )
    page = render_report_page(content)
    assert line in page
    assert "Expected for one text" in page
    assert "stsb (10)" in page
