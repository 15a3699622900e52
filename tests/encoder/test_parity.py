"""Our encoder gives what transformers' PyTorch models give, to 1e-4.

The references were recorded with tests/recordings/parity/make.py; where PyTorch is installed they
are made afresh too.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import input_names
from edge_bert.records.checkpoint import Checkpoint
from tests.encoder.running import (
    LENGTHS,
    KerasOf,
    ModelOf,
    Rows,
    TfliteOf,
    bucketed,
    keras_runner,
    tflite_runner,
)
from tests.recordings.parity import make
from tests.tiny.families import FAMILIES
from tests.tiny.models import ARCHITECTURES, LABELS
from tests.tiny.sentences import PAIRS, SENTENCES
from tests.tiny.variants import VARIANTS, write_variant

TOLERANCE = 1e-4
PADDING_TOLERANCE = 1e-5
# Of the largest output, where that is far above 1 (MobileBERT's reaches 48): both what was recorded
# and what another processor gives are up to 1.4e-6 of it away from PyTorch in float64.
ROUNDING = 2e-6
CONVERTED = [
    f"{arch}-{head}"
    for arch in (*ARCHITECTURES, *FAMILIES)
    for head in ("last-normalize" if arch == "gpt2" else "mean-normalize", "classification")
]
NEEDS_TORCH = "PyTorch is not installed; install the extra: pip install 'edge-bert[torch]'"
# q(k + b) = qk + qb adds the same to every score of a query, which softmax takes away again.
WITHOUT_EFFECT = ("key.bias", "k_lin.bias")


@pytest.fixture(scope="module")
def recorded() -> make.Arrays:
    """The recorded tokens and outputs of the tiny models."""
    return make.read("tiny.safetensors")[0]


def _rows(recorded: make.Arrays, name: str, which: str = "sentences") -> Rows:
    kind = make.KIND_OF.get(VARIANTS[name][0], "wordpiece")
    names = ("input_ids", "token_type_ids")
    return make.unpacked({each: recorded[f"{kind}.{which}.{each}"] for each in names})


def _close(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance


@pytest.mark.parametrize("name", VARIANTS)
def test_references_are_of_these_models(name: str, tmp_path: Path) -> None:
    """The tiny models have the very weights that the references were recorded of."""
    digests = make.read("tiny.safetensors")[1]
    assert make.digest(write_variant(tmp_path, name)) == digests[name], "run make.py again"


def test_references_can_tell_models_apart(recorded: make.Arrays) -> None:
    """No two recorded variants agree, nor two sentences of one: the references mean something."""
    outputs = [recorded[f"{name}.sentences"] for name in VARIANTS]
    for at, first in enumerate(outputs):
        assert len(first) == len(SENTENCES) >= 64
        assert np.abs(first[5:] - first[3]).max(axis=1).min() > 100 * TOLERANCE
        for second in outputs[:at]:
            if first.shape == second.shape:
                assert np.abs(first - second).max() > 1000 * TOLERANCE


@pytest.mark.parametrize("kind", make.TOKENS_OF)
def test_tokens_are_those_of_transformers(kind: str, recorded: make.Arrays, model: ModelOf) -> None:
    """Sentences and pairs get the ids and segments that transformers' tokenizers give."""
    tokenizer = Tokenizer.open(model(make.TOKENS_OF[kind]).tokenizer, make.MAX_LENGTH)
    firsts, seconds = zip(*PAIRS, strict=True)
    for which, encodings in {
        "sentences": tokenizer.encode_batch(SENTENCES),
        "pairs": tokenizer.encode_batch(firsts, seconds),
    }.items():
        expected = _rows(recorded, make.TOKENS_OF[kind], which)
        assert [list(each.ids) for each in encodings] == [row["input_ids"] for row in expected]
        if kind == "bare_byte_level":  # GPT-2 reads no segments, whatever they are
            continue
        assert [list(each.type_ids) for each in encodings] == [
            row["token_type_ids"] for row in expected
        ]


@pytest.mark.parametrize("which", ["sentences", "pairs"])
@pytest.mark.parametrize("name", VARIANTS)
def test_keras_agrees_with_pytorch(
    name: str,
    which: str,
    recorded: make.Arrays,
    model: ModelOf,
    keras_of: KerasOf,
) -> None:
    """Every architecture, head and option gives PyTorch's output in buckets of its own padding."""
    rows, run = _rows(recorded, name, which), keras_runner(keras_of(name))
    found = bucketed(rows, input_names(model(name)), LENGTHS, run)
    _close(found, recorded[f"{name}.{which}"], TOLERANCE)


@pytest.mark.parametrize("name", VARIANTS)
def test_keras_agrees_with_pytorch_live(
    name: str,
    recorded: make.Arrays,
    model: ModelOf,
    keras_of: KerasOf,
    tmp_path: Path,
) -> None:
    """As above, against the PyTorch that is installed here; the recordings are true to it too."""
    pytest.importorskip("torch", reason=NEEDS_TORCH)
    rows, checkpoint = _rows(recorded, name), model(name)
    folder = write_variant(tmp_path / "model", name)
    expected = make.outputs(folder, rows, VARIANTS[name][1])
    rounding = ROUNDING * float(np.abs(expected).max())
    _close(expected, recorded[f"{name}.sentences"], max(PADDING_TOLERANCE, rounding))
    found = bucketed(rows, input_names(checkpoint), LENGTHS, keras_runner(keras_of(name)))
    _close(found, expected, TOLERANCE)


@pytest.mark.parametrize("which", ["sentences", "pairs"])
@pytest.mark.parametrize("name", CONVERTED)
def test_tflite_agrees_with_pytorch(
    name: str,
    which: str,
    recorded: make.Arrays,
    model: ModelOf,
    tflite_of: TfliteOf,
) -> None:
    """The exported file, every signature on the runtime, gives PyTorch's output too."""
    rows, run = _rows(recorded, name, which), tflite_runner(tflite_of(name))
    found = bucketed(rows, input_names(model(name)), LENGTHS, run)
    _close(found, recorded[f"{name}.{which}"], TOLERANCE)


@pytest.mark.parametrize("name", VARIANTS)
def test_padding_changes_nothing_in_keras(
    name: str,
    recorded: make.Arrays,
    model: ModelOf,
    keras_of: KerasOf,
) -> None:
    """A sentence gives the same output in every bucket that holds it."""
    _check_padding(_rows(recorded, name), model(name), keras_runner(keras_of(name)))


@pytest.mark.parametrize("name", CONVERTED)
def test_padding_changes_nothing_in_tflite(
    name: str,
    recorded: make.Arrays,
    model: ModelOf,
    tflite_of: TfliteOf,
) -> None:
    """A sentence gives the same output in every signature that holds it."""
    _check_padding(_rows(recorded, name), model(name), tflite_runner(tflite_of(name)))


def _check_padding(rows: Rows, checkpoint: Checkpoint, run: Any) -> None:
    names = input_names(checkpoint)
    tight = bucketed(rows, names, LENGTHS, run)
    for length in LENGTHS[1:]:
        fitting = [at for at, row in enumerate(rows) if len(row["input_ids"]) <= length]
        assert len(fitting) > 10
        wide = bucketed([rows[at] for at in fitting], names, [length], run)
        # Without LayerNorm, MobileBERT's rows are long, and so is their rounding.
        scale = max(1.0, float(np.abs(wide).max()))
        _close(wide, tight[fitting], PADDING_TOLERANCE * scale)


@pytest.mark.parametrize("name", CONVERTED)
def test_what_padding_holds_does_not_matter(
    name: str, recorded: make.Arrays, model: ModelOf, keras_of: KerasOf
) -> None:
    """Any ids may stand where the mask is 0."""
    names, encoder = input_names(model(name)), keras_of(name)

    def run(_: int, inputs: dict[str, np.ndarray], fill: int) -> Any:
        hidden = inputs["attention_mask"] == 0
        inputs["input_ids"] = np.where(hidden, fill, inputs["input_ids"])
        return encoder(**inputs)

    rows = _rows(recorded, name)
    first, second = (
        bucketed(rows, names, LENGTHS, functools.partial(run, fill=fill)) for fill in (1, 290)
    )
    _close(first, second, PADDING_TOLERANCE)


def _factor(name: str, path: str, shape: tuple[int, ...]) -> Any:
    """A tenth more; where LayerNorm takes that away at once, of every second channel only."""
    if name.startswith("modernbert") and path == "embeddings/word":
        return np.where(np.arange(shape[-1]) % 2, 1.1, 1.0)
    return 1.1


@pytest.mark.parametrize(
    "name", [*CONVERTED[1::2], "bert-one-token-type", "roberta-cls", "gpt2-scales"]
)
def test_parity_sees_every_weight(
    name: str, recorded: make.Arrays, model: ModelOf, keras_of: KerasOf
) -> None:
    """A tenth more of any one weight moves the output beyond the tolerance of parity."""
    encoder, names = keras_of(name), input_names(model(name))
    rows = [*_rows(recorded, name)[4:8], *_rows(recorded, name, "pairs")[:3]]
    before = bucketed(rows, names, [64], keras_runner(encoder))
    for variable in encoder.variables:
        kept = variable.numpy()
        if not kept.any():
            assert variable.path.startswith("head_"), variable.path  # a bias that the file has not
            continue
        variable.assign(kept * _factor(name, variable.path, kept.shape))
        after = bucketed(rows, names, [64], keras_runner(encoder))
        variable.assign(kept)
        moved = np.abs(after - before).max()
        if variable.path.replace("/", ".").endswith(WITHOUT_EFFECT):
            assert moved < PADDING_TOLERANCE, variable.path
        else:
            assert moved > 10 * TOLERANCE, variable.path
    assert before.shape[1] == (len(LABELS) if name.endswith("classification") else 32)
