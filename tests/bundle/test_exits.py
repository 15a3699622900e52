"""Texts that leave a bundle's model early: by its rule, after a named exit, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from edge_bert import Bundle
from edge_bert.bundle import manifest as manifests
from edge_bert.errors import InputError, ModelError
from edge_bert.records.bundle import Stage
from edge_bert.records.checkpoint import Head, Task
from edge_bert.records.exits import ExitPoint, ExitRule
from tests.one_line import refused
from tests.pipeline.small_bundle import lettered_bundle
from tests.pipeline.staged_bundle import (
    AGREEMENT,
    CONFIDENCE,
    PATIENCE,
    change_artifact,
    expected_answers,
    staged_bundle,
    write_manifest,
)

TEXTS = ["abc", "the cat sat", "a", "zebra fox", "q w e r t", "hello world on it", "i", "mmm k"]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.open(staged_bundle(tmp_path))


def test_a_text_leaves_where_torch_says_that_its_exit_is_sure(bundle: Bundle) -> None:
    """Whichever exit it took, the answer is that exit's."""
    outputs, layers = bundle.encode_with_exits(TEXTS)
    assert set(layers.tolist()) == {2, 4, 6}
    for text, output, taken in zip(TEXTS, outputs, layers, strict=True):
        answers = [torch.from_numpy(x) for x in expected_answers(letters(bundle, text))]
        sure = [
            float(torch.softmax(answer / point.temperature, -1).max()) >= point.threshold
            for answer, point in zip(answers, CONFIDENCE.points, strict=False)
        ]
        place = [*sure, True].index(True)
        assert taken == (2, 4, 6)[place]
        expected = torch.softmax(answers[place], -1).numpy()
        np.testing.assert_allclose(output, expected, rtol=1e-4)
    np.testing.assert_array_equal(bundle.encode(TEXTS, exit="auto"), outputs)


def letters(bundle: Bundle, text: str) -> list[int]:
    return list(bundle._tokenizer.encode(text).ids)


@pytest.mark.parametrize("rule", [CONFIDENCE, PATIENCE, AGREEMENT], ids=lambda rule: rule.kind)
@pytest.mark.parametrize("integer", [False, True])
def test_stages_to_the_end_are_the_whole_model(
    rule: ExitRule, integer: bool, tmp_path: Path
) -> None:
    """Rows are handed over as they are: not one bit is lost, integers included."""
    bundle = Bundle.open(staged_bundle(tmp_path, rule=rule, integer=integer))
    whole = bundle.encode(TEXTS)
    np.testing.assert_array_equal(bundle.encode(TEXTS, exit=6), whole)
    outputs, layers = bundle.encode_with_exits(TEXTS)
    assert len(set(layers.tolist())) > 1
    for exit_ in (2, 4, 6):
        alone = bundle.encode(TEXTS, exit=exit_)
        np.testing.assert_array_equal(outputs[layers == exit_], alone[layers == exit_])


def test_patience_waits_for_an_exit_that_says_the_same(tmp_path: Path) -> None:
    bundle = Bundle.open(staged_bundle(tmp_path, rule=PATIENCE))
    first, second = (bundle.encode(TEXTS, exit=exit_).argmax(1) for exit_ in (2, 4))
    _, layers = bundle.encode_with_exits(TEXTS)
    assert layers.tolist() == np.where(first == second, 4, 6).tolist()


def test_threads_and_no_texts_change_nothing(bundle: Bundle) -> None:
    outputs, layers = bundle.encode_with_exits(TEXTS)
    by_two = bundle.encode_with_exits(TEXTS, threads=2)
    np.testing.assert_array_equal(by_two[0], outputs)
    np.testing.assert_array_equal(by_two[1], layers)
    assert bundle.encode([], exit="auto").shape == (0, 3)
    assert bundle.encode_with_exits([])[1].shape == (0,)


@pytest.mark.parametrize("exit_", [2, "auto"])
def test_a_bundle_without_exits_is_asked_for_one(exit_: Any, tmp_path: Path) -> None:
    bundle = Bundle.open(lettered_bundle(tmp_path))
    with refused(InputError, "float32 has no exits"):
        bundle.encode(TEXTS, exit=exit_)


@pytest.mark.parametrize(
    ("exit_", "complaint"),
    [
        (3, "no exit after 3 layers; it has 2, 4, and 6 for the whole model"),
        (0, "no exit after 0 layers"),
        (True, "not True"),
        ("first", "not 'first'"),
        (2.0, "not 2.0"),
    ],
)
def test_an_exit_that_there_is_not(exit_: Any, complaint: str, bundle: Bundle) -> None:
    with refused(InputError, complaint):
        bundle.encode(TEXTS, exit=exit_)


def test_exits_are_not_asked_of_the_whole_model(bundle: Bundle) -> None:
    with refused(InputError, "call encode"):
        bundle.encode_with_exits(TEXTS, exit=None)


def test_a_bundle_without_a_rule_still_has_its_exits(tmp_path: Path) -> None:
    bundle = Bundle.open(staged_bundle(tmp_path, rule=None))
    assert bundle.encode(TEXTS, exit=2).shape == (len(TEXTS), 3)
    with refused(InputError, "no rule for its exits; name one of them"):
        bundle.encode(TEXTS, exit="auto")


def test_a_rule_for_other_exits_or_another_head_is_refused(tmp_path: Path) -> None:
    folder = staged_bundle(tmp_path)
    manifest = manifests.read_manifest(folder)
    other = msgspec.structs.replace(CONFIDENCE, points=(ExitPoint(3),))
    write_manifest(folder, msgspec.structs.replace(manifest, exits=other))
    with refused(InputError, "the rule is for exits after 3 layers"):
        Bundle.open(folder).encode(TEXTS, exit="auto")
    model = msgspec.structs.replace(manifest.model, head=Head(Task.EMBEDDING))
    write_manifest(folder, msgspec.structs.replace(manifest, model=model))
    with refused(ModelError, "for classes"):
        Bundle.open(folder).encode(TEXTS, exit="auto")
    write_manifest(folder, msgspec.structs.replace(manifest, model=model, exits=AGREEMENT))
    with refused(InputError, "predicts no agreement"):
        Bundle.open(folder).encode(TEXTS, exit="auto")


def _without_last(stages: Mapping[str, Stage]) -> dict[str, Stage]:
    return {name: stage for name, stage in stages.items() if stage.last < 6}


def _with_gap(stages: Mapping[str, Stage]) -> dict[str, Stage]:
    return {
        name: msgspec.structs.replace(stage, first=3) if stage.first == 2 else stage
        for name, stage in stages.items()
    }


def _longer(stages: Mapping[str, Stage]) -> dict[str, Stage]:
    return {
        name: msgspec.structs.replace(stage, length=2 * stage.length)
        for name, stage in stages.items()
    }


def _of_other_type(stages: Mapping[str, Stage]) -> dict[str, Stage]:
    return {
        name: msgspec.structs.replace(
            stage, inputs=tuple(msgspec.structs.replace(x, dtype="int8") for x in stage.inputs)
        )
        for name, stage in stages.items()
    }


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_without_last, "signatures is"),
        (_with_gap, "leads nowhere"),
        (_longer, "of its length"),
        (_of_other_type, "dtype in inputs of"),
    ],
)
def test_stages_that_the_file_has_not(change: Any, complaint: str, tmp_path: Path) -> None:
    """A manifest that was changed is found out before its file runs."""
    folder = staged_bundle(tmp_path)
    (artifact,) = manifests.read_manifest(folder).artifacts
    change_artifact(folder, stages=change(artifact.stages))
    with refused(InputError, complaint):
        Bundle.open(folder).encode(TEXTS)
