"""Heads that give tokens get every recipe that their architecture has, checked and scored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge_bert import Bundle
from edge_bert.data.buckets import encode_unpadded
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.numpy_forward import run_sentences
from edge_bert.errors import DataError, InputError
from edge_bert.pipeline.build.artifacts import host_runtime
from edge_bert.pipeline.build.running.run_signatures import ModelUnderTest, run_signatures
from edge_bert.records.bundle import Manifest
from edge_bert.records.checkpoint import Task
from edge_bert.sources.load import load_checkpoint
from tests.pipeline import tiny_bundle as tiny
from tests.tiny import models
from tests.tiny.sentences import SENTENCES

RECIPES = ("float32", "float16", "wi8_afp32", "wi8_ai8", "wi8_ai16", "wi8_ai8_afp32")
WEIGHTS_ONLY = RECIPES[:3]
WIDTHS = {"token_classification": len(models.TAGS), "question_answering": 2}
TEXTS = [text for text in SENTENCES[1:16] if text]


def build_tokens(architecture: str, head: str, recipes: tuple[str, ...], out: Path) -> Bundle:
    made = tiny.build_in(
        out,
        source=tiny.model(architecture, head),
        recipes=recipes,
        calibration_count=24,
        lengths=(16, 48),
    )
    return Bundle.open(made.folder)


def check_recipes(manifest: Manifest, recipes: tuple[str, ...], width: int, least: float) -> None:
    """All are there, passed, near float32, with a row for each token in every signature."""
    assert {artifact.name for artifact in manifest.artifacts} == set(recipes)
    for artifact in manifest.artifacts:
        assert artifact.runtime_check.status == "passed"
        shapes = {item.outputs[0].shape for item in artifact.signatures.values()}
        assert shapes == {(1, 16, width), (1, 48, width)}
        drift = artifact.scores.drift
        assert drift is not None
        assert drift.cosine_mean > (least if "8" in artifact.name else 0.9999), artifact.name


@pytest.mark.slow
@pytest.mark.parametrize("head", WIDTHS)
@pytest.mark.parametrize("architecture", ["bert", "distilbert", "roberta", "electra", "mpnet"])
def test_every_recipe_of_berts_layers(architecture: str, head: str, tmp_path: Path) -> None:
    """Floats, hybrids and calibrated integers, of which wi8_ai8 is integers throughout."""
    manifest = build_tokens(architecture, head, RECIPES, tmp_path).manifest
    check_recipes(manifest, RECIPES, WIDTHS[head], 0.99)
    by_name = {artifact.name: artifact for artifact in manifest.artifacts}
    assert by_name["wi8_ai8"].integer_only


@pytest.mark.slow
@pytest.mark.parametrize("head", WIDTHS)
@pytest.mark.parametrize("architecture", ["albert", "mobilebert", "gpt2"])
def test_recipes_of_weights_elsewhere(architecture: str, head: str, tmp_path: Path) -> None:
    """ALBERT, MobileBERT and GPT-2 have no calibrated integers with any head."""
    manifest = build_tokens(architecture, head, WEIGHTS_ONLY, tmp_path).manifest
    check_recipes(manifest, WEIGHTS_ONLY, WIDTHS[head], 0.99)


def test_token_vectors_are_those_of_the_encoder(tmp_path: Path) -> None:
    """`--token-vectors` of a sentence-embedding model: its last hidden state, special tokens too,
    without unit length."""
    source = tiny.model("bert", "mean-normalize")
    built = tiny.build_in(
        tmp_path, source=source, recipes=("float32", "wi8_ai8"), token_vectors=True, lengths=(48,)
    )
    bundle = Bundle.open(built.folder)
    assert bundle.manifest.model.head.task is Task.TOKEN_EMBEDDING
    assert all(artifact.scores.drift for artifact in bundle.manifest.artifacts)
    found = bundle.encode_tokens(TEXTS, "float32")
    expected = hidden_states(source)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    for ours, theirs in zip(bundle.encode_tokens(TEXTS, "wi8_ai8"), expected, strict=True):
        cosine = np.sum(ours * theirs) / np.linalg.norm(ours) / np.linalg.norm(theirs)
        assert cosine > 0.99


def hidden_states(folder: Path) -> list[np.ndarray]:
    """transformers' last hidden state of each text by itself, [tokens, hidden]."""
    torch = pytest.importorskip("torch", reason="pip install 'edge-bert[torch]'")
    import transformers

    network = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    encodings = Tokenizer.open(folder / "tokenizer.json", 48).encode_batch(TEXTS)
    with torch.inference_mode():
        return [
            network(
                input_ids=torch.tensor([item.ids]), token_type_ids=torch.tensor([item.type_ids])
            )
            .last_hidden_state[0]
            .numpy()
            for item in encodings
        ]


@pytest.mark.parametrize(
    ("options", "match"),
    [({"dimensions": 8}, "leave --dimensions out")],
)
def test_token_vectors_with_what_they_cannot_have(options: dict[str, object], match: str) -> None:
    """Cut vectors and labelled data are refused before anything is built."""
    with pytest.raises(InputError, match=match):
        tiny.open_session(token_vectors=True, **options)


def test_padding_is_no_part_of_the_outputs(tmp_path: Path) -> None:
    """A text's row holds its own tokens and zeros, in whichever signature it ran."""
    checkpoint = load_checkpoint(str(tiny.model("bert", "token_classification")), tmp_path)
    bundle = build_tokens("bert", "token_classification", ("float32",), tmp_path)
    artifact = bundle.manifest.artifacts[0]
    subject = ModelUnderTest.of(bundle.folder / artifact.file, checkpoint.head)
    tokenizer = Tokenizer.open(checkpoint.tokenizer, 48)
    encodings = tokenizer.encode_batch(TEXTS)
    outputs = run_signatures(subject, encodings, tokenizer.pad_id, host_runtime())
    weights = encoder_weights(checkpoint)
    plain = run_sentences(weights, encode_unpadded(tokenizer, weights.input_names, TEXTS))
    rows = outputs.list_rows(list(map(len, encodings)), checkpoint.head)
    for ours, theirs in zip(rows, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    for name, values in outputs.values.items():
        for row, index in zip(values, outputs.sentences[name], strict=True):
            assert not row[len(encodings[index]) * len(models.TAGS) :].any()


def write_entities(path: Path, label: str) -> Path:
    entity = {"start": 0, "end": 3, "label": label}
    path.write_text(json.dumps({"text": "Ann sat on the mat.", "entities": [entity]}) + "\n")
    return path


def test_entities_score_a_tagger(tmp_path: Path) -> None:
    """Entity F1 from 0 to 1 in the manifest, of every artifact."""
    built = tiny.build_in(
        tmp_path / "out",
        source=tiny.model("bert", "token_classification"),
        recipes=("float32", "wi8_ai8"),
        calibration_count=24,
        data=(str(write_entities(tmp_path / "ner.jsonl", "per")),),
    )
    for artifact in built.report.manifest.artifacts:
        (score,) = artifact.scores.labels
        assert (score.metric, score.count) == ("entity_f1", 1)
        assert 0 <= score.value <= 1


def test_entities_of_a_type_that_a_tagger_lacks_are_refused(tmp_path: Path) -> None:
    """Before anything is built; so are entities for a model that answers questions."""
    data = str(write_entities(tmp_path / "ner.jsonl", "planet"))
    with pytest.raises(DataError, match="planet are not among the model's"):
        tiny.open_session(model=tiny.model("bert", "token_classification"), data=(data,))
    with pytest.raises(DataError, match="needs questions with contexts and answers"):
        tiny.open_session(model=tiny.model("bert", "question_answering"), data=(data,))
