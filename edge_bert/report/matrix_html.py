"""The index page of a matrix: devices side by side, with links to each bundle's report.

It needs only the reports that it links to: no network, no script.
"""

from __future__ import annotations

from urllib.parse import quote

from edge_bert.records.matrix import MatrixFile, MatrixReport
from edge_bert.report import matrix_words
from edge_bert.report.html import template_environment
from edge_bert.report.plots import matrix as plots


def render_matrix_page(report: MatrixReport) -> str:
    """The page as HTML text; equal reports give equal text. Names in it are foreign: escaped."""
    template = template_environment().get_template("matrix.html.j2")
    return template.render(
        report=report,
        words=matrix_words,
        summary=matrix_words.summarize_matrix(report),
        link=report_link,
        plots=[
            (figure.title, plots.draw_matrix(report, figure))
            for figure in plots.FIGURES
            if plots.has_figure(report, figure)
        ],
    )


def report_link(built: MatrixFile) -> str:
    """The address of a bundle's report from the page; never another scheme or host."""
    return f"./{quote(built.folder.encode('utf-8', 'replace'))}/report.html"
