"""Real encoders in integers through their exits: the runner and the bundle's runner go one way."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from edge_bert.bundle.artifact_runner import ArtifactRunner
from edge_bert.bundle.stage_chain import ExitPlan
from edge_bert.bundle.staged_runner import ExitedOutput, StagedRunner
from edge_bert.data.tokenizing import Encoding
from edge_bert.devices.host import HostDevice
from edge_bert.devices.runner.build import host_abi
from edge_bert.devices.runner.start import RunnerRequest, install_runner, start_runner
from edge_bert.evaluate.choose_exit import rate_exits
from edge_bert.formats.tflite.inspect import inspect_bytes
from edge_bert.measure.runner_output import parse_runner
from edge_bert.pipeline.bench.exit_inputs import describe_plan, encode_texts, list_chains
from edge_bert.quantize.apply_recipe import apply_integer_recipe
from edge_bert.quantize.integer.calibrate.calibrate import calibrate_encoder
from edge_bert.records.bundle import Artifact, Manifest
from edge_bert.records.exits import ExitPoint, ExitRule
from edge_bert.records.recipe import WI8_AI8, WI8_AI16, Recipe
from tests.quantize.integer import encoders as tiny
from tests.report import sample_report as sample
from tests.tiny import exits

AGREEMENT = ExitRule("agreement", (ExitPoint(1, 1.0, 0.5), ExitPoint(2, 1.0, 0.55)), 0.9)
CONFIDENCE = ExitRule("confidence", (ExitPoint(1), ExitPoint(2)), 0.9)
RANDOM = np.random.default_rng(1)
TEXTS = [
    Encoding(tuple(map(int, RANDOM.integers(5, 40, count))), (0,) * count)
    for count in map(int, RANDOM.integers(2, 17, 60))
]


def describe(data: bytes, head: str) -> tuple[Manifest, Artifact]:
    """What a manifest says of the file."""
    manifest, contents = sample.manifest(), inspect_bytes(data)
    artifact = msgspec.structs.replace(
        manifest.artifacts[0], signatures=contents.signatures, stages=contents.stages
    )
    model = msgspec.structs.replace(manifest.model, head=exits.make_weights(head).head)
    return msgspec.structs.replace(manifest, model=model), artifact


@pytest.mark.parametrize(
    ("recipe", "head"), [(WI8_AI8, "classification"), (WI8_AI16, "mean-normalize")]
)
def test_integer_stages_leave_alike(recipe: Recipe, head: str, tmp_path: Path) -> None:
    """Of classes the thresholds are outputs' own, so that integers meet them exactly."""
    weights = exits.make_weights(head)
    calibrated = calibrate_encoder(weights, tiny.sentences(weights))
    data = apply_integer_recipe(calibrated, exits.LENGTHS, recipe, float_output=False)
    manifest, artifact = describe(data, head)
    whole = ArtifactRunner(artifact, Interpreter(model_content=data, num_threads=1), 0)

    def run(plan: ExitPlan) -> list[ExitedOutput]:
        runner = StagedRunner(artifact, whole, 0, plan, manifest.model.head)
        return [runner.run(text) for text in TEXTS]

    rule = AGREEMENT if head != "classification" else CONFIDENCE
    if rule is CONFIDENCE:
        answers = [np.stack([x.values for x in run(ExitPlan(None, end))]) for end in exits.AFTER]
        ratings = np.sort(rate_exits(rule, manifest.model.head, answers), axis=0)[30]
        limits = zip(exits.AFTER, ratings, strict=True)
        points = tuple(ExitPoint(after, threshold=float(limit)) for after, limit in limits)
        rule = msgspec.structs.replace(rule, points=points)
    plan = ExitPlan(rule, exits.LAYERS)
    expected = tuple(output.layers for output in run(plan))
    assert len(set(expected)) > 1
    names = [tmp_path / name for name in ("model.tflite", "exits", "texts")]
    names[0].write_bytes(data)
    names[1].write_text(describe_plan(manifest, artifact, plan))
    names[2].write_bytes(encode_texts(list_chains(artifact, plan), TEXTS, 0))
    device = HostDevice()
    command = install_runner(device, host_abi(), own_c_library=False)
    model, rules, texts = map(str, names)
    completed = start_runner(
        device, command, RunnerRequest(model, None, exits=rules, inputs=texts), 60
    )
    device.close()
    output = parse_runner(completed.stdout, completed.exit_code, completed.stderr)
    assert output.layers == expected
