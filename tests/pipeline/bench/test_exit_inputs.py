"""Data sets played by the real runner on this host: it takes the exits that `Bundle` takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_bert import Bundle
from edge_bert.bundle import manifest as manifests
from edge_bert.bundle.stage_chain import ExitChoice, plan_exit
from edge_bert.devices.host import HostDevice
from edge_bert.devices.runner.build import host_abi
from edge_bert.devices.runner.start import RunnerRequest, install_runner, start_runner
from edge_bert.errors import DeviceError
from edge_bert.evaluate.choose_exit import rate_exits
from edge_bert.measure.runner_output import RunnerOutput, parse_runner
from edge_bert.pipeline.bench.exit_inputs import describe_plan, encode_texts, list_chains
from edge_bert.records.exits import ExitPoint, ExitRule
from tests.pipeline.staged_bundle import (
    AGREEMENT,
    CONFIDENCE,
    PATIENCE,
    staged_bundle,
    write_manifest,
)
from tests.tiny.sentences import SENTENCES

TEXTS = ["a", *(text[:18] for text in SENTENCES)]
Player = tuple[HostDevice, list[str]]


@pytest.fixture(scope="module")
def player() -> Iterator[Player]:
    device = HostDevice()
    yield device, install_runner(device, host_abi(), own_c_library=False)
    device.close()


def write_files(folder: Path, choice: ExitChoice) -> RunnerRequest:
    """The two files for the bundle in `folder`, beside it."""
    bundle = Bundle.open(folder)
    (artifact,) = bundle.manifest.artifacts
    plan = plan_exit(bundle.manifest, artifact, choice)
    tokenizer = bundle._tokenizer
    exits, inputs = folder.with_name("exits"), folder.with_name("texts")
    exits.write_text(describe_plan(bundle.manifest, artifact, plan))
    chains = list_chains(artifact, plan)
    inputs.write_bytes(encode_texts(chains, tokenizer.encode_batch(TEXTS), tokenizer.pad_id))
    return RunnerRequest(
        str(folder / artifact.file), None, warmup=2, exits=str(exits), inputs=str(inputs)
    )


def play(player: Player, request: RunnerRequest) -> RunnerOutput:
    device, command = player
    completed = start_runner(device, command, request, 60)
    return parse_runner(completed.stdout, completed.exit_code, completed.stderr)


@pytest.mark.parametrize(
    ("rule", "integer"),
    [(CONFIDENCE, False), (CONFIDENCE, True), (PATIENCE, True), (AGREEMENT, False)],
)
def test_the_runner_takes_the_exits_that_the_bundle_takes(
    rule: ExitRule, integer: bool, player: Player, tmp_path: Path
) -> None:
    """Each text once, in order, with a time of its own."""
    folder = staged_bundle(tmp_path, rule=rule, integer=integer)
    output = play(player, write_files(folder, "auto"))
    _, layers = Bundle.open(folder).encode_with_exits(TEXTS)
    assert output.layers == tuple(layers)
    assert len(set(output.layers)) > 1
    assert len(output.latency.runs_us) == len(TEXTS)


def test_a_threshold_that_is_an_output_s_own_is_reached_on_both(
    player: Player, tmp_path: Path
) -> None:
    """Integers have few outputs, so a threshold from data often is one of them exactly."""
    folder = staged_bundle(tmp_path, integer=True)
    manifest = manifests.read_manifest(folder)
    bundle = Bundle.open(folder)
    probabilities = [bundle.encode(TEXTS, exit=exit_) for exit_ in (2, 4)]
    logits = [np.log(x).astype(np.float32) for x in probabilities]
    ratings = rate_exits(CONFIDENCE, manifest.model.head, logits)
    for first, second in zip(*np.sort(ratings, axis=0)[[20, 40]].T, strict=True):
        points = (ExitPoint(2, 1.5, float(first)), ExitPoint(4, 2.0, float(second)))
        rule = msgspec.structs.replace(CONFIDENCE, points=points)
        write_manifest(folder, msgspec.structs.replace(manifest, exits=rule))
        _, layers = Bundle.open(folder).encode_with_exits(TEXTS)
        assert play(player, write_files(folder, "auto")).layers == tuple(layers)


@pytest.mark.parametrize(("choice", "layers"), [(2, 2), (4, 4), (None, 6)])
def test_all_texts_go_as_far_as_was_said(
    choice: ExitChoice, layers: int, player: Player, tmp_path: Path
) -> None:
    output = play(player, write_files(staged_bundle(tmp_path), choice))
    assert output.layers == (layers,) * len(TEXTS)


def test_rounds_go_on_and_what_did_not_run_has_no_layers(player: Player, tmp_path: Path) -> None:
    request = write_files(staged_bundle(tmp_path), 2)
    for count in (3, len(TEXTS) + 5):
        output = play(player, dataclasses.replace(request, repetitions=count, warmup=0))
        assert len(output.latency.runs_us) == count
        assert sum(map(bool, output.layers)) == min(count, len(TEXTS))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("edge-bert exits 1", "edge-bert exits 2", "line 1"),
        ("rule confidence", "rule guess", "line 2"),
        ("softmax 0", "softmax 3", "line 2"),
        ("exit 2 1.5", "exit 2 0", "line 3"),
        ("exit 2 1.5", "exit 2 nan", "line 3"),
        ("exit 4 2.0 0.8", "exit 4 2.0 0.8 9", "line 4"),
        ("exit 4 2.0", "exit 3 2.0", "for other layers"),
        ("exit 4 2.0 0.8\n", "", "for other exits"),
        ("stage 8 2", "stage 8 5", "line 6"),
        ("stage 16 6 continue_16_4_6 sentence 0 0 0 0\n", "", "different exits"),
        ("start_8_2", "start_9_2", "none is called"),
        ("start_8_2", "encode_8", "other rows"),
        ("continue_8_2_4", "continue_16_2_4", "which a text does not have"),
        ("continue_8_2_4 sentence", "continue_8_2_4 rows", "no output 'rows'"),
        ("continue_8_2_4 sentence", "continue_8_2_4 " + 2000 * "x", "not understood"),
    ],
)
def test_a_damaged_rule_is_refused(
    old: str, new: str, complaint: str, player: Player, tmp_path: Path
) -> None:
    request = write_files(staged_bundle(tmp_path), "auto")
    file = tmp_path / "exits"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(DeviceError, match=complaint):
        play(player, request)


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda data: data[:8],
        lambda data: b"EBTEXTS2" + data[8:],
        lambda data: data[:-1],
        lambda data: data + b"\x08",
        lambda data: data[:8] + b"\x09\0\0\0" + data[12:],
        lambda data: data[:8] + b"\xff\xff\xff\xff" + data[12:],
    ],
)
def test_damaged_texts_are_refused(damage: Any, player: Player, tmp_path: Path) -> None:
    request = write_files(staged_bundle(tmp_path), "auto")
    file = tmp_path / "texts"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DeviceError, match=r"holds no texts|is damaged"):
        play(player, request)


def test_options_that_exclude_each_other(player: Player, tmp_path: Path) -> None:
    request = write_files(staged_bundle(tmp_path), "auto")
    for values in ({"signature": "encode_8"}, {"inputs": None}, {"profile": True}):
        with pytest.raises(DeviceError, match="--exits needs --inputs"):
            play(player, dataclasses.replace(request, **values))
