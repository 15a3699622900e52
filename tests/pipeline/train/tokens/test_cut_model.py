"""`invoke tokens` as a job: a folder whose layers read fewer tokens, and what it refuses."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_bert.cli.token_lines import describe_tokens
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import EdgeBertError, InputError, ModelError
from edge_bert.pipeline.train.exits.exits_model import add_exits
from edge_bert.pipeline.train.options import ExitsOptions, TokensOptions
from edge_bert.pipeline.train.tokens.cut_model import cut_model
from edge_bert.pipeline.train.trained_model import TrainedModel
from edge_bert.records.token_cuts import TokenCut
from edge_bert.records.training import TrainingRun
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.pipeline.train.test_train_head import WORDS
from tests.tiny import models

CUTS = (TokenCut(1, 50), TokenCut(2, 25))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models and texts of 14 tokens, most of which go."""
    folder = tmp_path_factory.mktemp("tokens")
    sizes = {"hidden_size": 32, "num_hidden_layers": 3}
    models.write(folder / "plain", "bert", "mean-normalize", **sizes)
    models.write(folder / "tags", "bert", "token_classification", **sizes)
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, 12)) for _ in range(96)]
    (folder / "texts.txt").write_text("\n".join(texts), "utf-8")
    return folder


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_BERT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def options_of(folder: Path, **values: Any) -> TokensOptions:
    """Options of a short run."""
    given: dict[str, Any] = {
        "name": "cut",
        "model": str(folder / "plain"),
        "out": str(folder / "checkpoints"),
        "after": (1, 2),
        "keep": (0.5, 0.25),
        "text": (str(folder / "texts.txt"),),
        "epochs": 0,
        "batch_size": 16,
        "held_out": 0.3,
    }
    return TokensOptions(**(given | values))


def read_weights(folder: Path) -> EncoderWeights:
    """The weights in a folder."""
    return encoder_weights(load_checkpoint(str(folder), folder))


@pytest.fixture(scope="module")
def untrained(folder: Path) -> TrainedModel:
    return cut_model(options_of(folder))


def test_an_untrained_folder_has_the_cuts_and_the_weights_of_its_source(
    folder: Path, untrained: TrainedModel
) -> None:
    """Read back with both, and scored on the texts that are held out."""
    before, after = read_weights(folder / "plain"), read_weights(untrained.folder)
    assert after.config == dataclasses.replace(before.config, cuts=CUTS)
    for name, array in before.arrays.items():
        np.testing.assert_array_equal(after.arrays[name], array)
    tokens = untrained.run.tokens
    assert tokens is not None
    assert tokens.score is not None
    assert 0.3 < tokens.score < 1
    assert tokens.unpadded is not None
    # A first layer of three with all 14 tokens, the others with 8 and 4.
    assert tokens.unpadded == pytest.approx((14 + 8 + 4) / (3 * 14), abs=0.03)
    assert all(work.left < work.whole for work in tokens.work)


def test_terminal_page_card_and_record_tell_of_the_cuts(untrained: TrainedModel) -> None:
    """And that other libraries do not open the folder, which they do not."""
    from transformers import AutoModel

    written = (untrained.folder / "training.json").read_bytes()
    assert msgspec.json.decode(written, type=TrainingRun) == untrained.run
    page, card = ((untrained.folder / x).read_text("utf-8") for x in ("report.html", "README.md"))
    for text in ("\n".join(describe_tokens(untrained.run)), page, card):
        assert "50% of its tokens after layer 1, 25% of its tokens after layer 2" in text
    assert "refuse the folder" in card
    with pytest.raises(ValueError, match="edge-bert"):
        AutoModel.from_pretrained(untrained.folder)


def test_training_brings_it_nearer_to_the_whole_model(
    folder: Path, untrained: TrainedModel
) -> None:
    """From the score of the cuts without training."""
    trained = cut_model(options_of(folder, name="near", epochs=3, learning_rate=3e-3))
    curve = trained.run.trained_curve
    assert untrained.run.tokens is not None
    assert curve.start_score == pytest.approx(untrained.run.tokens.score, abs=1e-6)
    assert curve.best_score > curve.start_score + 0.01
    assert read_weights(trained.folder).config.cuts == CUTS


@pytest.mark.parametrize(
    ("values", "kind", "match"),
    [
        ({"keep": (0.5,)}, InputError, "--after names 2 layers and --keep 1 shares"),
        ({"keep": (0.5, 0.5)}, InputError, "shares of the whole text in falling order"),
        ({"after": (0, 1)}, InputError, "numbers of layers from 1"),
        ({"keep": (0.5, 0.333)}, InputError, "--keep 33.3%: give whole percentages"),
        ({"after": (1, 3)}, InputError, "the model has 3 layers, and fewer tokens after the last"),
        ({"text": (), "epochs": 1}, InputError, "or --epochs 0 for cuts without training"),
        ({"model": "tags", "text": ()}, ModelError, "answers for every token"),
        ({"model": "checkpoints/cut"}, ModelError, "train the model that `invoke tokens` began"),
    ],
)
def test_what_cannot_be_is_refused(
    folder: Path,
    untrained: TrainedModel,
    values: dict[str, Any],
    kind: type[EdgeBertError],
    match: str,
) -> None:
    """In one line, before anything is computed."""
    del untrained  # is there
    given = {"name": "none", **values}
    if "model" in given:
        given["model"] = str(folder / given["model"])
    with refused(kind, match):
        cut_model(options_of(folder, **given))


def test_exits_are_refused_on_it(untrained: TrainedModel, folder: Path) -> None:
    """Their heads would read rows that are not there."""
    options = ExitsOptions(
        name="e", out=str(folder), model=str(untrained.folder), after=(1,), text=("a.txt",)
    )
    with refused(ModelError, "goes on with fewer tokens after layer 1"):
        add_exits(options)
