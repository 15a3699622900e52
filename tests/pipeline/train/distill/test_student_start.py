"""What a student starts from: the better choice of layers, or a structure that a file names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge_bert.compress.prune.layers import spread_layers
from edge_bert.compress.prune.output_error import output_error
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.numpy_forward import Sentence, run_encoder
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError
from edge_bert.pipeline.sizing.structure_file import read_structure
from edge_bert.pipeline.train.distill.student_start import (
    RANKING,
    check_layers_option,
    start_student,
)
from tests.one_line import refused
from tests.tiny import models

LAYERS = 4


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> EncoderWeights:
    """A tiny encoder of four layers."""
    folder = tmp_path_factory.mktemp("teacher") / "m"
    return encoder_weights(models.checkpoint(folder, "bert", "mean", num_hidden_layers=LAYERS))


@pytest.fixture(scope="module")
def sentences() -> list[Sentence]:
    """Sentences of random tokens."""
    random = np.random.default_rng(0)
    return [{"input_ids": random.integers(5, 200, (1, 7)).astype(np.int32)} for _ in range(60)]


def test_the_layers_that_come_nearer_to_the_teacher_are_kept(
    teacher: EncoderWeights, sentences: list[Sentence]
) -> None:
    """No worse than spread ones, on sentences that the closed form was not fitted to."""
    ranking = sentences[: min(RANKING, len(sentences) // 5)]
    expected = run_encoder(teacher, ranking)
    chosen = start_student(teacher, (2,), None, sentences)
    spread = start_student(teacher, spread_layers(2, LAYERS), None, sentences)
    errors = [output_error(run_encoder(x.weights, ranking), expected) for x in (chosen, spread)]
    assert chosen.weights.config.layers == len(chosen.structure.layers) == 2
    assert spread.structure.layers == (1, 3)
    assert errors[0] <= errors[1]


def test_a_structure_names_layers_heads_and_neurons(
    teacher: EncoderWeights, sentences: list[Sentence], tmp_path: Path
) -> None:
    """All tokens of the teacher stay; what it does not have is refused."""
    path, vocabulary = tmp_path / "structure.json", teacher.config.vocabulary
    path.write_text(json.dumps({"layers": [0, 3], "heads": [2, 4], "ffn": [20, 64]}), "utf-8")
    structure = read_structure(str(path), vocabulary)
    start = start_student(teacher, (), structure, sentences)
    assert (start.weights.config.heads, start.weights.config.ffn) == ((2, 4), (20, 64))
    path.write_text(json.dumps({"layers": [0, 9], "heads": [2, 4], "ffn": [20, 64]}), "utf-8")
    with refused(InputError, "cannot be kept"):
        start_student(teacher, (), read_structure(str(path), vocabulary), sentences)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("{", "no structure can be read"),
        ("[1]", "no structure can be read"),
        ('{"layers": [0]}', "no structure can be read"),
        ('{"layers": [1, 0], "heads": [1, 1], "ffn": [1, 1]}', "must rise"),
        ('{"layers": [0], "heads": [1], "ffn": [1], "vocabulary": 9}', "has 9 tokens"),
        ('{"chosen": null}', "no structure can be read"),
    ],
)
def test_files_without_a_structure_are_refused(content: str, match: str, tmp_path: Path) -> None:
    """With what is at fault."""
    (tmp_path / "structure.json").write_text(content, "utf-8")
    with refused(InputError, match):
        read_structure(str(tmp_path / "structure.json"), 100)


@pytest.mark.parametrize("layers", [(0,), (5,), (3, 1), (1, 1), (0, 4)])
def test_layers_that_the_teacher_does_not_have_are_refused(layers: tuple[int, ...]) -> None:
    """With how many it has."""
    with refused(InputError, "the teacher has 4 layers"):
        check_layers_option(layers, LAYERS)
