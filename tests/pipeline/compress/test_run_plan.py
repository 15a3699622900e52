"""`invoke compress` as a job: steps in turn, each measured, and none taken twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edge_bert.bundle.manifest import read_manifest
from edge_bert.cli.plan_steps import parse_steps
from edge_bert.compress.plan_file import parse_plan
from edge_bert.compress.train.loop import Report, StageStatus, TrainingStatus
from edge_bert.devices.emulator import host_tools
from edge_bert.errors import BusyError, DataError, InputError, ModelError
from edge_bert.pipeline.compress import run_plan as module
from edge_bert.pipeline.compress.options import CompressOptions
from edge_bert.pipeline.compress.run_plan import PlanRun, read_compression, run_plan
from edge_bert.pipeline.train.options import LoopOptions
from edge_bert.pipeline.train.trained_model import TrainedModel, hold_name, write_trained_model
from edge_bert.quantize.integer.calibrate.learned_file import find_learned
from edge_bert.records.checkpoint import Task
from edge_bert.records.plan import Compression
from edge_bert.sources.load import load_checkpoint
from edge_bert.sources.training_run import read_training_run
from tests.one_line import refused
from tests.pipeline import tiny_bundle as tiny
from tests.pipeline.build.test_learned_integers import opened, taught
from tests.pipeline.train.test_train_head import example_rows, write_data

TRAIN = "[[steps]]\nkind = 'train'\nepochs = 1\nbatch_size = 64\nlearning_rate = 1e-3\n"
AGAIN = "[[steps]]\nkind = 'train'\nepochs = 1\nbatch_size = 64\nlearning_rate = {rate}\n"
PLAN = TRAIN + AGAIN.format(rate=1e-4) + "[build]\nrecipe = 'wi8_afp32'\n"
Told = list[StageStatus | TrainingStatus]


@pytest.fixture(scope="module", autouse=True)
def without_emulator() -> Iterator[None]:
    """A machine that lacks the emulator, and a cache of this module's own."""
    with pytest.MonkeyPatch.context() as patch, tiny.own_cache():
        patch.setattr(host_tools, "find_missing_tools", lambda: [object()])
        yield


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> CompressOptions:
    """Options of a plan on a tiny model and labelled texts."""
    folder = tmp_path_factory.mktemp("plan")
    return CompressOptions(
        plan="two",
        profile="pixel-9",
        name="weather",
        model=str(tiny.model()),
        data=(write_data(folder / "weather.csv", example_rows(200)),),
        out=str(folder / "checkpoints"),
        bundles=str(folder / "bundles"),
        build=False,
    )


def compress(options: CompressOptions, text: str, told: Told | None = None) -> Compression:
    """Run the plan of this text."""
    plan = parse_plan("two.toml", text.encode())
    run = PlanRun(options, plan, "two", parse_steps(options, plan, "two"))
    return run_plan(run, (told if told is not None else []).append)


@pytest.fixture(scope="module")
def compression(options: CompressOptions) -> Compression:
    """What two steps gave."""
    return compress(options, PLAN)


def test_each_step_is_measured(compression: Compression) -> None:
    """Score and size of every file; the source does not have the classes yet."""
    assert [effect.name for effect in compression.effects] == ["source", "1 train", "2 train"]
    source, first, last = compression.effects
    assert source.score is None
    assert first.score is not None
    assert last.score is not None
    assert 0.3 <= first.score <= 1
    assert source.size_bytes < first.size_bytes == last.size_bytes
    assert first.model_sha256 != last.model_sha256
    assert compression.basis.metric == "accuracy"
    assert "held-out rows of weather.csv" in compression.basis.scored_on
    assert "emulator setup" in (compression.basis.not_counted or "")
    assert {effect.instructions for effect in compression.effects} == {None}
    whole = compression.whole
    assert whole is not None
    assert {effect.recipe for effect in compression.effects} == {"wi8_afp32"}
    assert whole.recipe == "float32"
    assert whole.size_bytes > last.size_bytes
    assert whole.score == pytest.approx(last.score, abs=0.2)


def test_the_last_model_stands_under_the_plans_name(
    compression: Compression, options: CompressOptions
) -> None:
    """A classifier with the record of all steps, and its ancestry back to the source."""
    checkpoint = load_checkpoint(str(options.folder), options.folder)
    assert checkpoint.head.task is Task.CLASSIFICATION
    assert checkpoint.sha256 == compression.steps[-1].model_sha256
    assert read_compression(options.folder) == compression
    run = read_training_run(options.folder)
    assert run is not None
    assert run.name == "weather"
    assert run.plan is not None
    assert (run.plan.step, run.plan.digest) == (2, compression.digest)
    first = run.ancestors[0]
    assert first.name == "weather-1-train"
    assert first.ancestors[0].name == Path(options.model or "").name
    page = (options.folder / "report.html").read_text("utf-8")
    assert "What each step gave and cost" in page
    assert "It is step 2 of 2 of the plan two." in page


def test_trained_integers_stand_under_the_plans_name(
    options: CompressOptions, compression: Compression, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build of the plan's model has those of its last step."""
    del compression
    session, run = opened(tiny.model()), read_training_run(options.folder)
    assert run is not None
    learned = taught(session)

    def quantize(step: LoopOptions, report: Report) -> TrainedModel:
        del report
        record = msgspec.structs.replace(run, name=step.name, plan=None)
        return write_trained_model(
            step.folder, session.weights, session.checkpoint, record, learned=learned
        )

    monkeypatch.setitem(module.JOBS, "qat", dataclasses.replace(module.JOBS["qat"], run=quantize))
    planned = msgspec.structs.replace(options, name="integers", build=True)
    told: Told = []
    taken = compress(planned, "[[steps]]\nkind = 'qat'\nrecipe = 'wi8_ai8'\n", told)
    stands = find_learned(load_checkpoint(str(planned.folder), planned.folder))
    assert stands is not None
    assert stands.ranges == learned.ranges
    assert "wi8_ai8: with the integers and ranges that training found" in stages_of(told)
    assert taken.built is not None
    assert (taken.built.recipe, taken.built.score) == ("wi8_ai8", taken.steps[-1].score)
    assert [effect.recipe for effect in taken.effects] == ["wi8_afp32", "wi8_ai8"]


def test_no_path_of_the_machine_is_told(options: CompressOptions, compression: Compression) -> None:
    """In none of the files for people and programs."""
    del compression
    folder = str(options.folder.parent.parent)
    for name in ("README.md", "training.json", "compress.json", "report.html", "config.json"):
        assert folder not in (options.folder / name).read_text("utf-8"), name


def test_the_same_command_again_does_nothing(
    compression: Compression, options: CompressOptions
) -> None:
    """No step is taken, and the record is the same."""
    told: Told = []
    assert compress(options, PLAN, told) == compression
    assert not any(isinstance(status, TrainingStatus) for status in told)


def test_a_chain_ends_in_a_bundle(compression: Compression, options: CompressOptions) -> None:
    """Verified and scored, in the record and on its page; it is built once, until it is changed."""
    told: Told = []
    building = msgspec.structs.replace(options, build=True)
    built = compress(building, PLAN, told).built
    assert not any(isinstance(status, TrainingStatus) for status in told)
    assert built is not None
    assert (built.recipe, built.status, built.costs) == ("wi8_afp32", "passed", ())
    last = compression.steps[-1]
    assert (built.size_bytes, built.score) == (last.size_bytes, last.score)
    manifest = read_manifest(options.bundle_folder)
    assert manifest.default.artifact == built.recipe
    assert {part.name for part in manifest.artifacts} == {"float32", built.recipe}
    assert read_compression(options.folder) == msgspec.structs.replace(compression, built=built)
    assert "The end: a bundle" in (options.folder / "report.html").read_text("utf-8")
    told.clear()
    assert compress(building, PLAN, told).built == built
    assert not any("running every signature" in stage for stage in stages_of(told))
    (options.bundle_folder / built.file).unlink()
    assert compress(building, PLAN).built == built
    assert (options.bundle_folder / built.file).is_file()


def stages_of(told: Told) -> list[str]:
    """What was told of the stages."""
    return [status.stage for status in told if isinstance(status, StageStatus)]


def test_a_step_that_another_run_is_in_is_not_taken(options: CompressOptions) -> None:
    """As under any other name; nothing is written."""
    beside = msgspec.structs.replace(options, name="beside")
    folder = beside.step_folder(1, "train")
    with hold_name(folder), refused(BusyError, "training in the name of"):
        compress(beside, TRAIN)
    assert not folder.exists()


def test_a_changed_step_leaves_those_before_it(
    compression: Compression, options: CompressOptions
) -> None:
    """Another rate in the second step trains that step alone, and is another result."""
    told: Told = []
    changed = compress(msgspec.structs.replace(options), TRAIN + AGAIN.format(rate=2e-4), told)
    stages = [status.stage for status in told if isinstance(status, StageStatus)]
    assert any(stage.startswith("step 1, train: stands in") for stage in stages)
    assert "step 2 of 2: train" in stages
    assert changed.steps[0] == compression.steps[0]
    assert changed.digest != compression.digest
    assert changed.steps[1].model_sha256 != compression.steps[1].model_sha256


def test_a_damaged_record_is_told(compression: Compression, options: CompressOptions) -> None:
    """One line, and the file stays."""
    del compression
    path = options.folder / "compress.json"
    whole = path.read_bytes()
    figure = whole.replace(b'"size_bytes": ', b'"size_bytes": 9', 1)
    assert figure != whole
    try:
        for damaged in (whole[:100], figure):
            path.write_bytes(damaged)
            with refused(InputError, "compress.json is damaged"):
                compress(options, PLAN)
    finally:
        path.write_bytes(whole)


class ScoringError(Exception):
    """What computes first was reached."""


def test_threads_are_limited_before_anything_is_computed(
    options: CompressOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorFlow takes no other number once it has built the source."""

    def open_scoring(*_: object) -> None:
        raise ScoringError

    limits: list[int] = []
    monkeypatch.setattr(module, "start_backend", limits.append)
    monkeypatch.setattr(module, "open_scoring", open_scoring)
    with pytest.raises(ScoringError):
        compress(msgspec.structs.replace(options, threads=1, name="limited"), TRAIN)
    assert limits == [1]


@pytest.mark.parametrize(
    ("change", "kind", "match"),
    [
        ({"name": "../w"}, InputError, "name of a folder"),
        ({"data": ("none.csv",)}, DataError, "none.csv"),
        ({"profile": "pixel-99"}, InputError, "pixel-99"),
        ({"recipe": "wi3"}, InputError, "No recipe is called"),
        ({"model": "/nowhere"}, ModelError, "no such folder"),
    ],
)
def test_what_a_plan_cannot_use_is_refused(
    change: dict[str, object], kind: type[InputError], match: str, options: CompressOptions
) -> None:
    """Before anything trains."""
    told: Told = []
    with pytest.raises(kind, match=match):
        compress(msgspec.structs.replace(options, **change), TRAIN, told)
    assert not any(isinstance(status, TrainingStatus) for status in told)
