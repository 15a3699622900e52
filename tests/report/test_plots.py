from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from edge_bert.records.report import Report
from edge_bert.report import tables
from edge_bert.report.plots import drift, latency, operators, sizes
from edge_bert.report.plots.drawing import NARROW, WIDE, Plot
from tests.report.hostile import hostile_report
from tests.report.sample_report import report


def _all(whole: Report) -> list[Plot]:
    timed = [latency.draw_latency(whole, one) for one in tables.latency_groups(whole)]
    operated = [operators.draw_operators(one) for one in tables.operator_groups(whole)]
    return [*timed, *operated, sizes.draw_sizes(whole), drift.draw_drift(whole)]


@pytest.mark.parametrize("whole", [report(), hostile_report()], ids=["good", "hostile"])
def test_drawings_have_their_width_and_only_shapes(whole: Report) -> None:
    """Each is well-formed, close to the width it was made for, and holds no link or script."""
    for plot in _all(whole):
        for svg, wanted in ((plot.narrow, NARROW), (plot.wide, WIDE)):
            root = ET.fromstring(svg)  # noqa: S314
            assert wanted * 0.9 <= float(root.attrib["width"]) <= wanted * 1.1
            tags = {one.tag.rpartition("}")[2] for one in root.iter()}
            assert tags <= {"svg", "g", "path", "line", "text", "title", "tspan"}
            assert not any(name.startswith("on") for one in root.iter() for name in one.attrib)


def test_sizes_say_their_sum() -> None:
    """At the end of each bar stands the size of the file."""
    plot = sizes.draw_sizes(report())
    for artifact in report().manifest.artifacts:
        assert f">{artifact.size_bytes / 1e6:.2f} MB<" in plot.wide


def test_rest_of_operators_is_one_bar() -> None:
    """Beyond the slowest ten, the others are summed, so that nothing is left out."""
    plot = operators.draw_operators(tables.operator_groups(report())[0])
    assert ">2 others<" in plot.wide
    assert ">RESHAPE<" not in plot.wide


def test_emulated_lines_are_dashed() -> None:
    """Emulated latencies differ in print too; those of the host have whole lines."""
    emulated, host = (
        latency.draw_latency(report(), one) for one in tables.latency_groups(report())
    )
    assert "stroke-dasharray" in emulated.wide
    assert "EMULATED" in emulated.narrow
    assert "stroke-dasharray" not in host.wide
    assert "EMULATED" not in host.wide


@pytest.mark.parametrize(
    ("cosine", "place"),
    [
        (-1.0, 0),
        (0.0, 0),
        (0.9, 4),
        (0.9901, 8),
        (0.9899, 7),
        (0.9999995, 23),
        (1.0, 23),
        (1.1, 23),
    ],
)
def test_bins_cover_every_cosine(cosine: float, place: int) -> None:
    """The edges of decades are edges of bins, and what lies outside falls in the last ones."""
    assert drift.bin_of(cosine) == place


def test_an_artifact_keeps_its_colour() -> None:
    """The chosen artifact has one colour in all plots that tell artifacts apart."""
    drawn = [
        latency.draw_latency(report(), tables.latency_groups(report())[0]),
        drift.draw_drift(report()),
    ]
    for plot in drawn:
        assert set(re.findall(r"var\(--c(\d)\)", plot.wide)) >= {"1", "2", "3", "4"}
