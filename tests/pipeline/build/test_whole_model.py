"""The score of a smaller model stands beside that of the whole one that it was made of."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.build.whole_model import score_whole_model
from edge_bert.progress import no_progress
from edge_bert.records.training import Ancestor
from edge_bert.sources.folder import load_folder
from edge_bert.store.content_store import encode_json
from tests.pipeline import tiny_bundle as tiny
from tests.report.sample_training import training_run
from tests.tiny import models


def write_trained(folder: Path, whole: Path, kind: str = "distillation") -> Path:
    """Another tiny model whose record says that the one in `whole` taught it."""
    models.write(folder, seed=1)
    checkpoint = load_folder(whole, name=whole.name, origin="folder")
    ancestors = tuple(
        Ancestor(name=whole.name, role=role, sha256=checkpoint.sha256, origin="folder")
        for role in ("start", "teacher")
    )
    run = msgspec.structs.replace(training_run(), kind=kind, ancestors=ancestors)
    (folder / "training.json").write_bytes(encode_json(run))
    return folder


def opened(model: Path, data: Path) -> BuildSession:
    """A session that scores pairs."""
    return tiny.open_session(
        model=model, lengths=[16, 32], data=[f"{data}:sentence1=a,sentence2=b,score=score"]
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three pairs with scores."""
    path = tmp_path / "pairs.csv"
    path.write_text("a,b,score\na cat,a dog,0.5\nb d,e f,0.1\na b,a b c,0.9\n", "utf-8")
    return path


def test_a_distilled_model_stands_beside_its_teacher(tmp_path: Path, data: Path) -> None:
    """And one that was made of the distilled one beside the same; the whole one beside none."""
    whole = models.write(tmp_path / "whole")
    small = write_trained(tmp_path / "small", whole)
    smaller = write_trained(tmp_path / "smaller", small, "pruning")
    with tiny.own_cache():
        found = [score_whole_model(opened(model, data), no_progress) for model in (small, smaller)]
        assert score_whole_model(opened(whole, data), no_progress) is None
    for model in found:
        assert model is not None
        assert (model.name, model.reason) == ("whole", "")
        assert [(score.metric, score.count) for score in model.scores] == [("spearman", 3)]


def test_a_fine_tuned_model_is_whole(tmp_path: Path, data: Path) -> None:
    """What was there before has another task."""
    tuned = write_trained(tmp_path / "tuned", models.write(tmp_path / "whole"), "fine-tuning")
    with tiny.own_cache():
        assert score_whole_model(opened(tuned, data), no_progress) is None


def test_a_teacher_that_is_gone_or_changed_is_named(tmp_path: Path, data: Path) -> None:
    """Another model under its name is not taken for it."""
    whole = models.write(tmp_path / "whole")
    small = write_trained(tmp_path / "small", whole)
    models.write(whole, seed=7)
    with tiny.own_cache():
        model = score_whole_model(opened(small, data), no_progress)
    assert model is not None
    assert model.name == "whole"
    assert not model.scores
    assert "not beside" in model.reason


def test_a_teacher_of_the_same_name_is_no_ring(tmp_path: Path, data: Path) -> None:
    """The folder of that name beside a student is the student's own."""
    small = write_trained(tmp_path / "out" / "small", models.write(tmp_path / "from" / "small"))
    with tiny.own_cache():
        model = score_whole_model(opened(small, data), no_progress)
    assert model is not None
    assert (model.name, model.scores) == ("small", ())


def test_a_damaged_record_is_no_fault(tmp_path: Path, data: Path) -> None:
    """What a model comes from decides nothing."""
    small = write_trained(tmp_path / "small", models.write(tmp_path / "whole"))
    (small / "training.json").write_text('{"name": "\\ud800"', "utf-8")
    with tiny.own_cache():
        assert score_whole_model(opened(small, data), no_progress) is None


def test_an_ancestor_is_looked_for_beside_the_model_alone(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that names another folder leads to none."""
    models.write(tmp_path / "elsewhere" / "whole")
    whole = models.write(tmp_path / "models" / "whole")
    small = write_trained(tmp_path / "models" / "small", whole)
    record = (small / "training.json").read_text("utf-8")
    (small / "training.json").write_text(record.replace('"whole"', '"../elsewhere/whole"'), "utf-8")
    read: list[Path] = []
    monkeypatch.setattr(
        "edge_bert.pipeline.build.whole_model.load_folder", lambda folder, **_: read.append(folder)
    )
    with tiny.own_cache():
        model = score_whole_model(opened(small, data), no_progress)
    assert model is not None
    assert "not beside" in model.reason
    assert read == []
