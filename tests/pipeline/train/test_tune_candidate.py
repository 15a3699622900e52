"""`invoke build --tune`: what a search chose learns from the whole model for a while."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.compress.prune.subnetworks import cut_subnetwork
from edge_bert.errors import DataError, InputError
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.sizing.fit_to_budget import fit_to_budget
from edge_bert.pipeline.train.tune_candidate import open_tuning
from edge_bert.progress import no_progress
from edge_bert.records.candidate import Structure
from tests.one_line import refused
from tests.pipeline import tiny_bundle as tiny
from tests.pipeline.train.test_train_head import WORDS

SECONDS = 2.0


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts of four words, all of one bucket."""
    random = np.random.default_rng(0)
    lines = dict.fromkeys(" ".join(random.choice(WORDS, 4)) for _ in range(160))
    path = tmp_path_factory.mktemp("tune") / "texts.txt"
    path.write_text("\n".join(lines), "utf-8")
    return path


def options_with(texts: Path, **values: Any) -> Any:
    """A tiny model that is to be tuned for some seconds."""
    return tiny.make_options(lengths=(16,), tune=SECONDS / 60, tune_text=(str(texts),), **values)


def test_a_candidate_comes_nearer_to_the_whole(texts: Path) -> None:
    """Its held-out cosine rises, and its matrices are other ones."""
    options = options_with(texts)
    with tiny.own_cache("tuned"):
        whole = BuildSession.open(options)
        config = whole.weights.config
        structure = Structure(layers=(1,), heads=(2,), ffn=(32,), vocabulary=config.vocabulary)
        start = cut_subnetwork(whole.weights, structure)
        said: list[str] = []
        tuned = open_tuning(options, said.append).tune(whole, start, structure)
    before, after = (
        float(x) for x in tuned.description.rstrip(")").split(" from ")[-1].split(" to ")
    )
    assert after > before
    assert any(line.startswith("tuning the chosen one") for line in said)
    kernels = tuned.weights.layers[0].query.kernel, start.layers[0].query.kernel
    assert not np.array_equal(*kernels)


def test_what_cannot_be_tuned_is_told_before_a_search(texts: Path, tmp_path: Path) -> None:
    """Minutes without texts and the other way round, files that are not there, named recipes."""
    for values in ({"tune": None}, {"tune_text": ()}, {"tune": 0.0}):
        with refused(InputError, "--tune"):
            open_tuning(
                tiny.make_options(**({"tune": 1.0, "tune_text": ("a.txt",)} | values)), no_progress
            )
    options = options_with(texts, recipes=("float32",))
    with refused(InputError, "--tune is for what a search chooses"):
        fit_to_budget(options, tuning=open_tuning(options, no_progress))
    missing = tiny.make_options(tune=1.0, tune_text=(str(tmp_path / "none.txt"),))
    with refused(DataError, "none.txt"):
        fit_to_budget(missing, tuning=open_tuning(missing, no_progress))
