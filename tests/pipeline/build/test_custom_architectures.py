"""Models that are not BERT's closest kin get bundles too, without what they cannot have."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from edge_bert import Bundle
from edge_bert.pipeline.build.build import BuiltBundle
from edge_bert.records.bundle import Manifest
from tests.pipeline import tiny_bundle as tiny
from tests.recordings.parity import make
from tests.tiny import models
from tests.tiny.sentences import SENTENCES
from tests.tiny.tokenizer_files import write_sentencepiece

HEADS = {
    "albert": "mean-normalize",
    "electra": "mean-normalize",
    "mobilebert": "mean-normalize",
    "gpt2": "last-normalize",
    "xlm-roberta": "mean-normalize",
    "camembert": "mean",
    "mpnet": "mean-normalize",
    "modernbert": "mean-normalize",
    "nomic_bert": "mean-normalize",
}
INTEGERS = {"wi8_ai8", "wi8_ai8_afp32"}
LEFT_OUT = {
    "albert": (INTEGERS | {"mediapipe"}, "share the weights of 1, as in ALBERT"),
    "electra": (set(), ""),
    "mobilebert": (INTEGERS | {"wi4_afp32"}, "mobilebert has layers that are not BERT's"),
    "gpt2": (INTEGERS | {"wi4_afp32", "mediapipe"}, "gpt2 has layers that are not BERT's"),
    "xlm-roberta": ({"mediapipe"}, ""),
    "camembert": ({"mediapipe"}, ""),
    "mpnet": ({"mediapipe"}, ""),
    "modernbert": (INTEGERS, "modernbert has layers that are not BERT's"),
    "nomic_bert": (INTEGERS, "nomic_bert has layers that are not BERT's"),
}
WITH_INTEGERS = [name for name, (skipped, _) in LEFT_OUT.items() if not INTEGERS & skipped]
MARKS = {"mpnet": "[CLS]"}  # MediaPipe knows BERT's


def manifest_of(architecture: str) -> Manifest:
    return tiny.built(architecture, HEADS[architecture]).report.manifest


@pytest.mark.parametrize("architecture", HEADS)
def test_recipes_of_weights_are_proven(architecture: str) -> None:
    """float32, float16 and the hybrid recipe pass on the runtime, near the float model."""
    found = {each.name: each for each in manifest_of(architecture).artifacts}
    for name in ("float32", "float16", "wi8_afp32"):
        assert found[name].runtime_check.status == "passed"
        drift = found[name].scores.drift
        assert drift is not None
        assert drift.cosine_mean > 0.999


@pytest.mark.parametrize("architecture", HEADS)
def test_what_cannot_be_is_left_out_with_its_reason(architecture: str) -> None:
    """The build goes on without it and the manifest says why."""
    reasons = {each.name: each.reason for each in manifest_of(architecture).skipped}
    names, match = LEFT_OUT[architecture]
    assert set(reasons) == names
    assert all(match in reasons[name] for name in names - {"mediapipe"})
    if "mediapipe" in names:
        assert MARKS.get(architecture, "no vocab.txt") in reasons["mediapipe"]


@pytest.mark.parametrize("architecture", [*list(HEADS)[4:], "multilingual"])
def test_a_built_file_gives_what_transformers_gives(architecture: str) -> None:
    """Texts in, the tokens and the vectors of transformers out: float32, to 1e-4."""
    pytest.importorskip("torch", reason="pip install 'edge-bert[torch]'")
    head = HEADS.get(architecture, "mean-normalize")
    folder = multilingual() if architecture == "multilingual" else tiny.model(architecture, head)
    built = (
        multilingual_bundle() if architecture == "multilingual" else tiny.built(architecture, head)
    )
    rows = make.tokens(folder)
    short = [at for at, row in enumerate(rows) if len(row["input_ids"]) <= max(tiny.LENGTHS)]
    assert len(short) > 20
    expected = make.outputs(folder, [rows[at] for at in short], head)
    found = Bundle.open(built.folder).encode([SENTENCES[at] for at in short], artifact="float32")
    np.testing.assert_allclose(found, expected, atol=1e-4)


@functools.cache
def multilingual() -> Path:
    """BERT's layers behind XLM-RoBERTa's tokens, as multilingual MiniLM and e5-small are.

    Like theirs, the word table has more rows than there are tokens.
    """
    folder = tiny.workplace() / "models" / "multilingual"
    models.write(folder, "bert", "mean-normalize", seed=3, vocab_size=700)
    (folder / "vocab.txt").unlink()
    assert write_sentencepiece(folder) < 700
    return folder


@functools.cache
def multilingual_bundle() -> BuiltBundle:
    """Its bundle with every recipe."""
    return tiny.build_in(tiny.workplace() / "built" / "multilingual", source=multilingual())


def test_a_multilingual_bert_has_every_recipe() -> None:
    """All but the file for MediaPipe, which has no Unigram."""
    manifest = multilingual_bundle().report.manifest
    assert {each.name for each in manifest.skipped} == {"mediapipe"}
    assert set(INTEGERS) < {each.name for each in manifest.artifacts}


@pytest.mark.parametrize("architecture", WITH_INTEGERS)
def test_integers_take_a_projection_or_a_relative_bias(architecture: str) -> None:
    """ELECTRA's projection and MPNet's bias are integers like the rest."""
    found = {each.name: each for each in manifest_of(architecture).artifacts}
    assert set(found) > INTEGERS
    assert found["wi8_ai8"].integer_only
    for name in INTEGERS:
        drift = found[name].scores.drift
        assert drift is not None
        assert drift.cosine_mean > 0.998
