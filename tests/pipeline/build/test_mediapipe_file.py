"""A bundle's file for MediaPipe: built with a count, with a warning, or left out."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from edge_bert.pipeline.build.build import BuiltBundle, build_bundle
from edge_bert.records.checkpoint import Prompts
from edge_bert.report.fitness import find_warnings
from tests.pipeline import tiny_bundle as tiny
from tests.tiny import models

LOWER = [f"the {animal} sat on {n} mats" for animal in ("cat", "dog", "bird") for n in range(20)]


def build_cased(tmp_path: Path, sentences: list[str]) -> BuiltBundle:
    """A bundle of tiny BERT with a tokenizer that keeps capital letters."""
    source = models.write(tmp_path / "model")
    path = source / "tokenizer.json"
    document = json.loads(path.read_text("utf-8"))
    document["normalizer"]["lowercase"] = False
    path.write_text(json.dumps(document), "utf-8")
    models.change_json(source / "tokenizer_config.json", do_lower_case=False)
    lines = tmp_path / "lines.txt"
    lines.write_text("\n".join(sentences) + "\n", "utf-8")
    return tiny.build_in(
        tmp_path / "out", source=source, lengths=[16], recipes=["float32"], calibration=lines
    )


def test_an_uncased_model_has_a_count_and_no_warning() -> None:
    """Every file for MediaPipe says how many sentences of the calibration set differ."""
    manifest = tiny.built().report.manifest
    (packaged,) = [each for each in manifest.files if each.file.startswith("mediapipe")]
    assert " calibration sentences get other tokens there" in packaged.purpose
    count = int(packaged.purpose.split("; ")[1].split(" of ")[0])
    assert (count > 0) == bool(packaged.warnings)


def test_a_cased_model_is_warned_of(tmp_path: Path) -> None:
    """Even where no sentence shows it; in the manifest and in the report's warnings."""
    report = build_cased(tmp_path, LOWER).report
    (packaged,) = [each for each in report.manifest.files if each.file.startswith("mediapipe")]
    (warning,) = packaged.warnings
    assert "cased" in warning
    assert "0 of 60 calibration sentences" in warning
    (shown,) = [each for each in find_warnings(report) if each.artifact == packaged.file]
    assert (shown.text, shown.is_caution) == (warning, True)


def test_most_sentences_in_other_tokens_leave_the_file_out(tmp_path: Path) -> None:
    """A file that reads most texts otherwise is another model; the reason has the count."""
    built = build_cased(tmp_path, [line.title() for line in LOWER])
    (skipped,) = built.report.manifest.skipped
    assert skipped.name == "mediapipe"
    assert "60 of 60 calibration sentences other tokens" in skipped.reason
    assert "float32.tflite" in skipped.reason
    assert not list(built.folder.glob("mediapipe*"))


def build_prompted(tmp_path: Path, *, pooled: bool) -> BuiltBundle:
    """A bundle of a model whose authors put "query: " before every text."""
    options = {"recipes": ["float32"], "lengths": [16], "out": tmp_path / "out"}
    with tiny.own_cache():
        session = tiny.open_session(**options)
        prompts = Prompts(texts={"query": "query: "}, default="query", pooled=pooled)
        checkpoint = dataclasses.replace(session.checkpoint, prompts=prompts)
        return build_bundle(dataclasses.replace(session, checkpoint=checkpoint))


def test_a_default_prompt_is_the_app_s_to_add(tmp_path: Path) -> None:
    """MediaPipe puts nothing before a text."""
    manifest = build_prompted(tmp_path, pooled=True).report.manifest
    (packaged,) = [each for each in manifest.files if each.file.startswith("mediapipe")]
    assert "does not add the model's prompt 'query: '" in packaged.warnings[-1]


def test_a_prompt_that_is_not_pooled_has_no_file(tmp_path: Path) -> None:
    """An app cannot tell MediaPipe which tokens pooling leaves out."""
    (skipped,) = build_prompted(tmp_path, pooled=False).report.manifest.skipped
    assert skipped.name == "mediapipe"
    assert "left out of pooling" in skipped.reason
