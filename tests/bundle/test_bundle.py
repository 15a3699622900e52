"""A built bundle in a program's hands: text in, embeddings or class probabilities out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_bert import Bundle
from edge_bert.bundle.artifact_runner import ArtifactRunner
from edge_bert.bundle.vector_precision import PRECISIONS, measure_ranges
from edge_bert.errors import InputError
from edge_bert.evaluate.drift import measure_drift
from tests.one_line import refused
from tests.pipeline import tiny_bundle as tiny
from tests.tiny.sentences import PAIRS, SENTENCES

TEXTS = list(SENTENCES)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """Tiny BERT's embeddings."""
    return Bundle.open(tiny.built().folder)


@pytest.fixture(scope="module")
def classifier() -> Bundle:
    """Tiny BERT's classes."""
    return Bundle.open(str(tiny.built("bert", "classification").folder))


def test_embeddings(bundle: Bundle) -> None:
    """float32 [n, hidden] of length 1, for every artifact; the default is the bundle's."""
    for artifact in bundle.manifest.artifacts:
        found = bundle.encode(TEXTS[:9], artifact=artifact.name)
        assert found.dtype == np.float32
        assert found.shape == (9, 32)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    default = bundle.encode(TEXTS[:9], artifact=bundle.manifest.default.artifact)
    np.testing.assert_array_equal(bundle.encode(TEXTS[:9]), default)


def test_probabilities(classifier: Bundle) -> None:
    """float32 [n, labels], each row of sum 1, also of the full-integer file."""
    for artifact in classifier.manifest.artifacts:
        found = classifier.encode(TEXTS[:5], artifact=artifact.name)
        assert found.shape == (5, 3)
        assert (found >= 0).all()
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_no_texts(bundle: Bundle, classifier: Bundle) -> None:
    """An empty list gives no rows of the right width."""
    assert bundle.encode([]).shape == (0, 32)
    assert classifier.encode([]).shape == (0, 3)
    assert bundle.encode([]).dtype == np.float32


def test_each_text_has_its_row(bundle: Bundle) -> None:
    """Rows come in the order of the texts and do not depend on the others."""
    together = bundle.encode(TEXTS)
    for index in (0, 1, 11, 30, 57, 63):
        np.testing.assert_array_equal(bundle.encode([TEXTS[index]])[0], together[index])
    np.testing.assert_array_equal(bundle.encode(TEXTS[::-1])[::-1], together)


@settings(max_examples=40)
@given(st.lists(st.text(max_size=60), max_size=3))
def test_any_text_has_numbers(texts: list[str]) -> None:
    """Whatever characters a text is made of, its embedding is finite."""
    embeddings = Bundle.open(tiny.built().folder).encode(texts)
    assert embeddings.shape == (len(texts), 32)
    assert np.isfinite(embeddings).all()


def test_long_texts_are_cut(bundle: Bundle) -> None:
    """What does not fit the longest bucket (32 tokens) changes nothing."""
    embeddings = bundle.encode(["the cat " * 15 + "a", "the cat " * 900])
    np.testing.assert_array_equal(embeddings[0], embeddings[1])


def test_the_smallest_bucket_that_fits(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """16 tokens go to 16, 17 to 32; the longest texts come first."""
    lengths: list[int] = []
    prepare = ArtifactRunner._prepare_signature

    def watched(runner: ArtifactRunner, length: int) -> object:
        lengths.append(length)
        return prepare(runner, length)

    monkeypatch.setattr(ArtifactRunner, "_prepare_signature", watched)
    for text, length in (("the " * 14, 16), ("the " * 15, 32), ("", 16), ("the " * 99, 32)):
        Bundle.open(bundle.folder).encode([text])
        assert lengths.pop() == length
    bundle.encode(["the " * 14, "the " * 15, "", "the " * 99])
    assert lengths == [32, 32, 16, 16]


def test_pairs(bundle: Bundle) -> None:
    """A second text for each; its tokens have the second type, so that order matters."""
    firsts, seconds = zip(*PAIRS[:4], strict=True)
    embeddings = bundle.encode(firsts, pairs=seconds)
    assert embeddings.shape == (4, 32)
    assert not np.allclose(embeddings, bundle.encode(firsts))
    assert not np.allclose(embeddings, bundle.encode(seconds, pairs=firsts))
    with refused(InputError, "no pairs"):
        bundle.encode(["one", "two"], pairs=["only one"])


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_number(bundle: Bundle, threads: int) -> None:
    """Each text is one thread's; more threads than texts are no fault."""
    for artifact in bundle.manifest.artifacts:
        expected = bundle.encode(TEXTS, artifact=artifact.name)
        found = bundle.encode(TEXTS, artifact=artifact.name, threads=threads)
        np.testing.assert_array_equal(found, expected)
    single = bundle.encode(TEXTS[:1], threads=threads)
    np.testing.assert_array_equal(single, bundle.encode(TEXTS[:1]))
    with refused(InputError, "1 or more"):
        bundle.encode(TEXTS, threads=0)


def test_vectors_in_fewer_bits(bundle: Bundle, classifier: Bundle) -> None:
    """As sentence-transformers makes them of the same embeddings; of classes there are none."""
    quantization = pytest.importorskip("sentence_transformers.util.quantization")
    texts = [f"{text} {number}" for text in TEXTS for number in range(3)]
    embeddings = bundle.encode(texts)
    for precision in PRECISIONS:
        found = bundle.encode(texts, precision=precision)
        expected = quantization.quantize_embeddings(embeddings, precision)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    ranges = measure_ranges(embeddings)
    single = bundle.encode(texts[4:5], precision="int8", ranges=ranges)
    np.testing.assert_array_equal(single, bundle.encode(texts, precision="int8")[4:5])
    with refused(InputError, "for embeddings.*classification"):
        classifier.encode(texts, precision="int8")


def test_results_are_those_that_were_proven(bundle: Bundle) -> None:
    """The drift that the manifest states is what a program sees."""
    from edge_bert.data import calibration

    held_out = calibration.select_sentences(calibration.default_sentences(), 256, 0).held_out
    expected = bundle.encode(held_out, artifact="float32")
    for artifact in bundle.manifest.artifacts:
        drift = measure_drift(bundle.encode(held_out, artifact=artifact.name), expected)
        stated = artifact.scores.drift
        assert stated is not None
        assert drift.cosine_mean == pytest.approx(stated.cosine_mean, abs=2e-6)
        assert drift.cosine_min == pytest.approx(stated.cosine_min, abs=2e-6)


def test_a_single_text_is_no_list(bundle: Bundle) -> None:
    """A string would be read letter by letter."""
    with refused(InputError, "put the text in a list"):
        bundle.encode("the cat")


@pytest.mark.parametrize("texts", [[None], [b"bytes"], [3], [["nested"]]])
def test_what_is_no_text(texts: list[object], bundle: Bundle) -> None:
    """One line that says what it was."""
    with refused(InputError, "must be text"):
        bundle.encode(texts)  # type: ignore[arg-type]


def test_an_unknown_artifact(bundle: Bundle) -> None:
    """The message lists those that are there."""
    with refused(InputError, "int5.*float32, float16"):
        bundle.encode(["the cat"], artifact="int5")


def test_a_damaged_file(tmp_path: Path) -> None:
    """The hash is checked before the runtime sees a file; the other artifacts still work."""
    folder = tiny.copy_of(tiny.built(), tmp_path)
    path = folder / "wi8_ai8_afp32.tflite"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    opened = Bundle.open(folder)
    with refused(InputError, "wi8_ai8_afp32.tflite.*build the bundle again"):
        opened.encode(["the cat"])
    assert opened.encode(["the cat"], artifact="float32").shape == (1, 32)
    path.unlink()
    with refused(InputError, "missing"):
        Bundle.open(folder).encode(["the cat"])


def test_another_tokenizer_is_refused(tmp_path: Path) -> None:
    """Other tokens would give other numbers without a word."""
    folder = tiny.copy_of(tiny.built(), tmp_path)
    path = folder / "tokenizer.json"
    document = json.loads(path.read_text("utf-8"))
    document["normalizer"]["lowercase"] = False
    path.write_text(json.dumps(document), "utf-8")
    with refused(InputError, "tokenizer.json"):
        Bundle.open(folder)


def test_no_bundle(tmp_path: Path) -> None:
    """A folder without a manifest says how to make one."""
    with refused(InputError, "invoke build"):
        Bundle.open(tmp_path)
    with refused(InputError, "invoke build"):
        Bundle.open(tmp_path / "nothing")


def test_it_starts_in_a_second_without_tensorflow() -> None:
    """In a fresh interpreter: import, open and encode; CPU time, so that load does not count."""
    program = (
        "import sys, time; start = time.process_time(); from edge_bert import Bundle; "
        "bundle = Bundle.open(sys.argv[1]); bundle.encode(['the cat sat on the mat']); "
        "print(time.process_time() - start); "
        "print(*{'tensorflow', 'keras', 'torch', 'transformers'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", program, str(tiny.built().folder)]
    seconds = []
    for _ in range(3):
        completed = subprocess.run(command, capture_output=True, text=True, check=True)
        first, second = completed.stdout.split("\n")[:2]
        seconds.append(float(first))
        assert not second
    assert sorted(seconds)[1] < 1.0
