"""The tables of structurally smaller encoders: real cuts of a tiny model."""

from __future__ import annotations

import pytest

from benchmarks import shrink
from edge_bert.data import calibration
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.errors import InputError
from edge_bert.progress import no_progress
from tests.one_line import refused
from tests.tiny import models
from tests.tiny.sentences import SENTENCES


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> shrink.ShrinkBench:
    """A tiny model with made-up scores for pairs of the tests' sentences."""
    folder = tmp_path_factory.mktemp("shrink")
    texts = SENTENCES[1:25]
    return shrink.ShrinkBench(
        checkpoint=models.checkpoint(folder / "m", "bert", "mean-normalize", intermediate_size=256),
        calibration=calibration.select_sentences(calibration.default_sentences(), 16, 0),
        data=EvaluationSet("tiny", "pairs", texts[::2], texts[1::2], tuple(map(float, range(12)))),
        corpus=(),
        scratch=folder,
        progress=no_progress,
    )


@pytest.mark.parametrize(
    ("part", "count"), [("layers", 2), ("heads", 8), ("neurons", 6), ("vocabulary", 2)]
)
def test_every_part_has_its_rows(
    part: str, count: int, bench: shrink.ShrinkBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row has no more weights than the whole encoder, and outputs of the same kind."""
    monkeypatch.setattr(shrink, "VOCABULARIES", (640,))
    unpruned = [cell.strip() for cell in bench.row("whole", bench.weights).split("|")]
    assert unpruned[3:5] == ["+0.00", "1.0000"]
    rows = list(shrink.build_rows(bench, part))
    assert len(rows) == count
    for row in rows:
        _, _, millions, _, cosine, _ = (cell.strip() for cell in row.split("|"))
        assert float(millions) <= float(unpruned[2])
        assert 0.2 < float(cosine) <= 1


def test_an_unknown_part_is_refused(bench: shrink.ShrinkBench) -> None:
    """The error names those that there are."""
    with refused(InputError, "layers, neurons, heads"):
        list(shrink.build_rows(bench, "width"))
