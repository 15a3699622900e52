"""The table in docs/models.md says what is built: the same table, and every cell of it built."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_bert.encoder.checkpoint import custom_weights
from edge_bert.encoder.support import HEADS, Support, describe_support, format_support
from edge_bert.errors import ModelError, RefusedError
from edge_bert.pipeline.build.artifacts import build_artifact
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.progress import no_progress
from edge_bert.quantize.onnx.convert import write_float_onnx
from edge_bert.records.checkpoint import Head, Pooling, Task
from edge_bert.records.recipe import RECIPES
from tests.one_line import refused
from tests.pipeline import tiny_bundle as tiny
from tests.tiny import models

DOCS = Path(__file__).resolve().parents[2] / "docs" / "models.md"
SUPPORT = describe_support()
CELLS = [cell for cell, support in SUPPORT.items() if support.recipes]
# One cell for each kind of layers and head; the others take a quarter of an hour together.
QUICK = [
    ("bert", "token vectors"),
    ("mpnet", "question answering"),
    ("modernbert", "token classification"),
    ("bert", "weighted mean, LayerNorm"),
    ("gpt2", "other poolings, Dense"),
]
OTHERS = [cell for cell in CELLS if cell not in QUICK]
# Set where the table has changed; otherwise every fifth cell, so that all columns come up.
ALL_CELLS = os.environ.get("EDGE_BERT_ALL_CELLS")
# By head: what the tiny model has, and the head in its place.
TINY: dict[str, tuple[str, Head | None]] = {
    "embedding": ("mean", None),
    "other poolings, Dense": ("mean", Head(Task.EMBEDDING, (Pooling.MAX, Pooling.LAST))),
    "weighted mean, LayerNorm": ("mean", Head(Task.EMBEDDING, (Pooling.WEIGHTED_MEAN,))),
    "classification": ("classification", None),
    "token classification": ("token_classification", None),
    "question answering": ("question_answering", None),
    "token vectors": ("mean", Head(Task.TOKEN_EMBEDDING, ())),
}


def test_the_table_is_that_of_the_code() -> None:
    """Print it with `format_support()` and put it into the page where it differs."""
    assert format_support() in DOCS.read_text("utf-8")


def test_every_head_is_in_the_table() -> None:
    """A head of the table has a tiny model, and the quick cells are some of them all."""
    assert list(TINY) == list(HEADS)
    assert set(QUICK) < set(CELLS)


def _session(folder: Path, architecture: str, head: str) -> BuildSession:
    name, instead = TINY[head]
    models.write(folder, architecture, name)
    session = tiny.open_session(
        model=folder, lengths=(16,), calibration_count=32, emulate=False, float_output=True
    )
    if instead is None:
        return session
    checkpoint = msgspec.structs.replace(instead, labels=session.checkpoint.head.labels)
    return dataclasses.replace(
        session, checkpoint=dataclasses.replace(session.checkpoint, head=checkpoint)
    )


def _run(data: bytes) -> Any:
    """The output of the one signature for a sentence of any tokens."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=data, num_threads=1).get_signature_runner("length_16")
    inputs = {name: np.ones((1, 16), np.int32) for name in runner.get_input_details()}
    inputs["input_ids"] += np.arange(16, dtype=np.int32)
    return next(iter(runner(**inputs).values()))


def _check_cell(folder: Path, architecture: str, head: str) -> None:
    """All recipes that the table names are built and run, and no other is; ONNX likewise."""
    built, shapes = [], set()
    with tiny.own_cache():
        session = _session(folder, architecture, head)
        for recipe in RECIPES.values():
            try:
                output = _run(build_artifact(session, recipe, no_progress))
            except RefusedError:
                continue
            assert np.isfinite(output.astype(np.float64)).all()
            built.append(recipe.name)
            shapes.add(output.shape)
        try:
            exported = bool(write_float_onnx(session.weights))
        except RefusedError:
            exported = False
    assert Support(tuple(built), exported) == SUPPORT[architecture, head]
    assert len(shapes) == 1


@pytest.mark.parametrize(("architecture", "head"), QUICK)
def test_a_cell_is_built(architecture: str, head: str, tmp_path: Path) -> None:
    """One cell of each kind."""
    _check_cell(tmp_path / "model", architecture, head)


@pytest.mark.parametrize(
    ("architecture", "head"), [cell for cell, support in SUPPORT.items() if not support.recipes]
)
def test_an_empty_cell_is_refused(architecture: str, head: str, tmp_path: Path) -> None:
    """By name, before anything is built."""
    model = models.checkpoint(tmp_path / "model", architecture, TINY[head][0])
    with refused(ModelError, f"transformers has no {architecture}"):
        custom_weights(model)


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "head"), OTHERS if ALL_CELLS else OTHERS[::5])
def test_another_cell_is_built(architecture: str, head: str, tmp_path: Path) -> None:
    """What the table promises, and no more."""
    _check_cell(tmp_path / "model", architecture, head)
