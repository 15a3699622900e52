"""Pruning in steps: each recovers, none is repeated, a killed run ends with the same weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_bert.compress.prune.structure_path import plan_path
from edge_bert.compress.train.batches import TokenizedTexts
from edge_bert.compress.train.distill import Lessons
from edge_bert.compress.train.loop import Report, StageStatus, TrainingStatus, no_report
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.tensorflow import import_tensorflow
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError
from edge_bert.records.candidate import Structure
from edge_bert.records.training import LossWeights, TrainingSettings
from tests.one_line import refused
from tests.tiny import models

import_tensorflow()

from edge_bert.compress.train.forward import Rows  # noqa: E402 (after TensorFlow's quiet import)
from edge_bert.compress.train.prune.prune_steps import (  # noqa: E402
    PrunedEncoder,
    PruningPlan,
    prune_in_steps,
)
from edge_bert.compress.train.prune.rank_units import ImportanceKind, rank_units  # noqa: E402
from edge_bert.compress.train.teacher import run_teachers  # noqa: E402

FINAL = Structure(layers=(0, 1), heads=(2, 3), ffn=(32, 32), vocabulary=672)
SETTINGS = TrainingSettings(
    epochs=2, batch_size=32, learning_rate=1e-3, head_rate=1.0, save_every=2, threads=1
)
LOSSES = LossWeights(labels=0.1, soft_targets=0.9, hidden=0.1)
STEPS = 8  # of the first recovery's training


class KilledError(Exception):
    """What a kill looks like from inside: nothing is saved any more."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> EncoderWeights:
    """A tiny classifier."""
    folder = tmp_path_factory.mktemp("pruned")
    return encoder_weights(models.checkpoint(folder / "m", "bert", "classification"))


@pytest.fixture(scope="module")
def lessons(
    weights: EncoderWeights, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Lessons, Lessons]:
    """Texts of random tokens, all of one bucket; the first third has labels."""
    random = np.random.default_rng(0)
    ids = [[2, *map(int, random.integers(5, 200, 5)), 3] for _ in range(192)]
    texts = TokenizedTexts.of(ids, [[0] * len(text) for text in ids], pad_id=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_BERT_CACHE", str(tmp_path_factory.mktemp("cache")))
        sides = [texts.select(np.arange(128)), texts.select(np.arange(128, 192))]
        outputs = [run_teachers([weights], ["0"], side, Rows(hidden=(1,))) for side in sides]
    labels = [taught.arrays["output"].argmax(axis=1).astype(np.int32) for taught in outputs]
    labels[0][64:] = -1
    return (
        Lessons(sides[0], outputs[0], labels[0]),
        Lessons(sides[1], outputs[1], labels[1]),
    )


def make_plan(weights: EncoderWeights) -> PruningPlan:
    """Two steps to half of the neurons and five of eight heads."""
    path = plan_path(weights.config, FINAL, [(0, 1)], 2)
    return PruningPlan(weights, path, "obs", SETTINGS, final_epochs=3, losses=LOSSES)


def stop_at(stop: int) -> Report:
    """A report that ends the run at its so-manieth step of training."""
    steps: list[int] = []

    def report(status: TrainingStatus | StageStatus) -> None:
        if isinstance(status, TrainingStatus):
            steps.append(status.step)
            if len(steps) == stop:
                raise KilledError

    return report


@pytest.fixture(scope="module")
def whole(
    weights: EncoderWeights,
    lessons: tuple[Lessons, Lessons],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[PrunedEncoder, Path]:
    """A run that was not cut short, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    return prune_in_steps(make_plan(weights), *lessons, folder), folder


def arrays_of(weights: EncoderWeights) -> bytes:
    """All of the weights."""
    return b"".join(array.tobytes() for array in weights.arrays.values())


def test_steps_lead_to_the_structure_and_recover(whole: tuple[PrunedEncoder, Path]) -> None:
    """The score after the recovery is above the one of the refit alone; tables stay."""
    pruned, _ = whole
    assert (pruned.weights.config.heads, pruned.weights.config.ffn) == (FINAL.heads, FINAL.ffn)
    assert [step.ffn for step in pruned.steps] == [(32, 32)] * 2
    assert [sum(step.heads) for step in pruned.steps] == [6, 5]
    last = pruned.steps[-1]
    assert last.score_before is not None
    assert last.score_after > last.score_before
    assert last.score_after == pruned.curve.best_score


def test_a_run_that_was_killed_ends_with_the_same_weights(
    weights: EncoderWeights,
    lessons: tuple[Lessons, Lessons],
    whole: tuple[PrunedEncoder, Path],
    tmp_path: Path,
) -> None:
    """Bit for bit: killed in the first recovery, before its first snapshot, and in the second."""
    plan = make_plan(weights)
    for stop in (1, STEPS + 3):
        with pytest.raises(KilledError):
            prune_in_steps(plan, *lessons, tmp_path, stop_at(stop))
    resumed = prune_in_steps(plan, *lessons, tmp_path)
    assert arrays_of(resumed.weights) == arrays_of(whole[0].weights)
    assert [step.score_after for step in resumed.steps] == [
        step.score_after for step in whole[0].steps
    ]


def test_a_finished_step_is_not_repeated(
    weights: EncoderWeights, lessons: tuple[Lessons, Lessons], whole: tuple[PrunedEncoder, Path]
) -> None:
    """The same run again trains nothing and gives the same; a damaged file of it is named."""
    plan, (pruned, folder) = make_plan(weights), whole
    again = prune_in_steps(plan, *lessons, folder, stop_at(1))
    assert arrays_of(again.weights) == arrays_of(pruned.weights)
    assert again.steps == pruned.steps
    damaged = folder / "damaged" / "step-1"
    damaged.mkdir(parents=True)
    (damaged / "recovered.safetensors").write_bytes(b"{}")
    with refused(InputError, r"recovered\.safetensors is damaged"):
        prune_in_steps(plan, *lessons, damaged.parent)


def test_a_recovery_that_makes_it_worse_is_dropped(
    weights: EncoderWeights, lessons: tuple[Lessons, Lessons], tmp_path: Path
) -> None:
    """At an absurd rate the cut's own weights stay, and the record says so."""
    wild = dataclasses.replace(
        make_plan(weights),
        path=(FINAL,),
        settings=msgspec.structs.replace(SETTINGS, learning_rate=1.0, warmup=0.0),
        final_epochs=1,
    )
    pruned = prune_in_steps(wild, *lessons, tmp_path, no_report)
    assert pruned.curve.best_step == 0
    assert pruned.steps[0].score_after == pruned.steps[0].score_before


@pytest.mark.parametrize("kind", ["obs", "fisher", "taylor"])
def test_what_does_nothing_goes_first(
    kind: ImportanceKind, weights: EncoderWeights, lessons: tuple[Lessons, Lessons]
) -> None:
    """Neurons and a head whose outputs are multiplied by 0 are the first in every order."""
    layer = weights.layers[1]
    size, ffn_out, output = weights.config.head_size, layer.ffn_out, layer.attention_output
    neurons, context = ffn_out.kernel.copy(), output.kernel.copy()
    neurons[[3, 40]] = 0.0
    context[size : 2 * size] = 0.0
    idle = weights.with_layer(
        1,
        dataclasses.replace(
            layer,
            ffn_out=dataclasses.replace(ffn_out, kernel=neurons),
            attention_output=dataclasses.replace(output, kernel=context),
        ),
    )
    ranked = rank_units(kind, idle, lessons[0].texts, lessons[0].labels).importance
    assert set(ranked.neurons[1].removals.order[:2]) == {3, 40}
    assert ranked.heads[1].removals.order[0] == 1
