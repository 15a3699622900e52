"""A zip that measures without us: run here by a real shell and runner, its results imported."""

from __future__ import annotations

import os
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edge_bert import Bundle
from edge_bert.bundle import manifest as manifests
from edge_bert.devices.adb.adb_device import name_machine
from edge_bert.devices.emulator.personality import find_manners
from edge_bert.devices.runner.build import host_abi
from edge_bert.devices.runner.runner_files import RunnerFiles
from edge_bert.devices.runner.static_bundle import build_runner_bundle
from edge_bert.errors import DataError, DeviceError, EdgeBertError, InputError, MissingToolError
from edge_bert.measure.script_results import parse_results
from edge_bert.pipeline.bench import device_script
from edge_bert.pipeline.bench.bench import run_bench
from edge_bert.pipeline.bench.device_script import write_device_script
from edge_bert.pipeline.bench.options import BenchOptions
from edge_bert.pipeline.bench.push import PushOptions, push_bundle
from edge_bert.pipeline.build.findings import measurements
from edge_bert.records.energy import MeasuredEnergy
from edge_bert.records.exits import ExitPoint
from edge_bert.records.measurement import Evidence
from edge_bert.records.profile import TFLITE_RUNTIME_2_14
from tests.devices.device_answers import V8_FEATURES, block, properties
from tests.devices.virtual_phone import VirtualPhone
from tests.measure.energy.virtual_session import record_session
from tests.one_line import refused
from tests.pipeline.small_bundle import small_bundle
from tests.pipeline.staged_bundle import CONFIDENCE, staged_bundle, write_manifest
from tests.tiny.sentences import SENTENCES

PROFILE = """\
name = "their-phone"
title = "Colleague's phone"
soc = "Made up"
runtime = "ai-edge-litert 2.3.0"
default_recipes = ["float32"]
default_reason = "a test"
[[clusters]]
core = "cortex-a76"
cores = 2
max_mhz = 2400
features = ["asimd", "dotprod"]
source = "a test"
"""
PROPERTIES = properties(
    ro_product_manufacturer="Maker", ro_product_model="Model 1", ro_serialno="0A171JECB"
)
HEAT = "IsStatusOverride: false\\nThermal Status: 0\\nHAL Ready: true"
# Debian's toybox, which emulated phones have, knows no `tr`.
PROGRAMS = {
    "tr": "exit 127\n",
    "getprop": f"""\
[ "${{1-}}" = ro.serialno ] && echo 0A171JECB && exit
cat <<'EOF'
{PROPERTIES}
[ro.boot.serialno]: [0A171JECB]
[some.line]: [
@done]
EOF
""",
    "dumpsys": f"""\
[ "$1" = thermalservice ] && printf '{HEAT}\\n' && exit
[ "$1" = battery ] && printf 'Current Battery Service state:\\n  status: 3\\n' && exit
exit 20
""",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A profile, its bundle, and the results of the script that was run for it, on this machine."""
    folder = tmp_path_factory.mktemp("script")
    (folder / "their-phone.toml").write_text(PROFILE)
    small_bundle(folder, "their-phone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_BERT_PROFILES", str(folder))
        patch.setattr(device_script, "choose_runner_files", host_files)
        options = PushOptions(
            "their-phone", lengths=(8,), artifacts=("float32",), energy=True, out=folder
        )
        written = write_device_script(options, folder / "measure.zip")
        assert written.jobs == ("float32 length_8 float32.tflite float32-length_8.inputs",)
        with pytest.raises(InputError, match="is not overwritten"):
            write_device_script(options, folder / "measure.zip")
        yield folder, run_script(folder)


def host_files(*_: object, **__: object) -> RunnerFiles:
    """In the phone's place those of this machine."""
    try:
        folder = build_runner_bundle(host_abi())
    except MissingToolError as error:
        pytest.skip(str(error))
    files = {path.name: path for path in folder.iterdir()}
    return RunnerFiles(files, TFLITE_RUNTIME_2_14, own_loader=True)


def run_script(folder: Path) -> str:
    """Unzip as anyone would, and run it with a phone's commands; the text of its results."""
    with zipfile.ZipFile(folder / "measure.zip") as archive:
        archive.extractall(folder)
    session = folder / "edge-bert" / "session.sh"
    assert b"put_back" in session.read_bytes()
    (folder / "session.log").write_text(record_session(VirtualPhone(find_manners("ideal"))).log)
    session.write_text(f'echo "$@" >{folder}/asked; cp {folder}/session.log "$1/log"\n')
    programs = folder / "programs"
    programs.mkdir()
    for name, body in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{body}")
        (programs / name).chmod(0o755)
    policy = folder / "cpu" / "cpufreq" / "policy0"
    policy.mkdir(parents=True)
    (policy / "related_cpus").write_text("0 1\n")
    for name in ("cpuinfo_max_freq", "scaling_max_freq"):
        (policy / name).write_text("2400000\n")
    cpus = block(0, "0xd0b", V8_FEATURES) + block(1, "0xd0b", V8_FEATURES)
    (folder / "cpuinfo").write_text(cpus)
    environment = os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "SYSTEM": str(folder / "cpu"),
        "CPUINFO": str(folder / "cpuinfo"),
    }
    subprocess.run(
        ["sh", str(folder / "edge-bert" / "run.sh"), "--wait"],
        env=environment,
        check=True,
        timeout=300,
        capture_output=True,
    )
    return (folder / "edge-bert" / "results.txt").read_text()


def imported(folder: Path, text: str) -> BenchOptions:
    (folder / "results.txt").write_text(text)
    return BenchOptions("their-phone", "device", import_=folder / "results.txt", out=folder)


def test_what_the_script_measured_is_a_phones_measurement(world: tuple[Path, str]) -> None:
    """Bound to the fastest cores, of the profile, with heat, facts and a hashed name; once only."""
    folder, text = world
    assert "0A171JECB" not in text
    assert text.endswith("@done\n")
    (result,) = run_bench(imported(folder, text))
    run = result.measurement
    assert run.valid, run.faults
    assert run.evidence is Evidence.DEVICE
    assert run.target.name == name_machine("0A171JECB", "")
    assert run.target.properties["ro.product.model"] == "Model 1"
    assert run.subject.of_profile
    assert run.subject.fastest
    assert run.subject.cores == "prime (0,1)"
    assert run.subject.runtime_build == "LiteRT 2.3.0 (glibc build of the wheel)"
    assert run.before is not None
    assert run.before.thermal_status == 0
    assert run.memory is not None
    assert run.operators
    assert isinstance(run.energy, MeasuredEnergy)
    assert run.energy.conditions == {"screen_brightness": "120"}
    asked = (folder / "asked").read_text()
    assert " 5 120 600 6 idle " in asked
    assert " battery heat clocks sh " in asked
    assert "--prefer-cores 0,1" in asked
    assert run_bench(imported(folder, text)) == ()
    report = measurements.with_measurements(
        measurements.report_of(folder / "their-phone"), folder / "their-phone"
    )
    assert [row.evidence for row in report.measurements] == [Evidence.DEVICE]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, list[str]]]:
    """A bundle with exits, what the script found with a data set's texts, and these texts."""
    folder = tmp_path_factory.mktemp("played")
    (folder / "their-phone.toml").write_text(PROFILE)
    staged_bundle(folder, profile="their-phone")
    texts = [line for line in (" ".join(text[:18].split()) for text in SENTENCES) if line][:12]
    data = folder / "dev  set\\.txt"
    data.write_text("\n".join(texts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_BERT_PROFILES", str(folder))
        patch.setattr(device_script, "choose_runner_files", host_files)
        options = PushOptions("their-phone", data=str(data), energy=True, out=folder)
        written = write_device_script(options, folder / "measure.zip")
        assert [job.split()[1:6] for job in written.jobs] == [
            ["exits_auto", "staged.tflite", "float32-auto.texts", "float32-auto.exits", "36"],
            ["exits_whole", "staged.tflite", "float32-whole.texts", "float32-whole.exits", "36"],
        ]
        yield folder, run_script(folder), texts


def test_the_script_plays_a_data_set_through_the_exits(
    played: tuple[Path, str, list[str]],
) -> None:
    """The phone alone takes the exits that `Bundle` takes; its energy session plays the same."""
    folder, text, texts = played
    runs = [result.measurement for result in run_bench(imported(folder, text))]
    _, layers = Bundle.open(folder / "their-phone").encode_with_exits(texts)
    assert [run.subject.signature for run in runs] == ["exits_auto", "exits_whole"]
    assert [run.played and run.played.layers for run in runs] == [tuple(layers), (6,) * 12]
    assert len(set(layers)) > 1
    assert runs[0].played is not None
    assert runs[0].played.source == "dev set_.txt"
    assert runs[0].subject.inputs == "12 texts of dev set_.txt"
    assert all(run.valid and run.latency.cold_load_us is None for run in runs)  # type: ignore[union-attr]
    assert isinstance(runs[0].energy, MeasuredEnergy)
    assert "--exits float32-auto.exits --threads 1" in (folder / "asked").read_text()
    assert run_bench(imported(folder, text)) == ()


def test_results_of_another_rule_or_exit_are_refused(
    played: tuple[Path, str, list[str]],
) -> None:
    """A bundle whose thresholds were fitted again has other costs with the same file."""
    folder, text, _ = played
    for old, new in (
        ("exits_auto", "exits_3"),
        ("@job float32 exits_whole", "@job float32 encode_8"),
        ("@data ", "@data " + "0" * 64 + " "),
    ):
        with refused(DataError, "than the bundle has"):
            run_bench(imported(folder, text.replace(old, new)))
    without = re.sub('{"type":"text".*\n', "", text)
    with refused(DataError, "no text that was played"):
        run_bench(imported(folder, without))
    bundle = folder / "their-phone"
    kept = manifests.read_manifest(bundle)
    points = (ExitPoint(2, 1.5, 0.71), ExitPoint(4, 2.0, 0.8))
    rule = msgspec.structs.replace(CONFIDENCE, points=points)
    write_manifest(bundle, msgspec.structs.replace(kept, exits=rule))
    with refused(DataError, "another float32 exits_auto than"):
        run_bench(imported(folder, text))
    write_manifest(bundle, kept)


DAMAGE = {
    "another text": (lambda text: "hello\n" + text, "is not what the script"),
    "cut": (lambda text: text[: len(text) // 2], "is not whole"),
    "no phone": (lambda text: text.replace("@phone ", "@phony "), "@phony"),
    "a serial": (lambda text: text.replace("@phone phone-", "@phone 0A171J"), "@phone"),
    "other file": (lambda text: text.replace('"model_sha256":"', '"model_sha256":"0'), "damaged"),
    "another model": (
        lambda text: text.replace("@job float32 length_8", "@job float16 length_8"),
        "another float16 length_8",
    ),
    "a path": (lambda text: text.replace("@job float32", "@job ../float32"), "more files"),
    "no time": (lambda text: text.replace("+00:00", ""), "@job"),
    "another phone": (lambda text: text.replace("0xd0b", "0xd0c"), "is not a Colleague's"),
    "another ABI": (lambda text: text.replace("arm64-v8a", "armeabi"), "is armeabi, not"),
    "a failed run": (lambda text: text.replace("@status 0", "@status 137", 1), "status 137"),
    "no runs": (lambda text: text.replace('{"type":"run"', '{"type":"walk"'), "damaged"),
    "a hundred thousand files": (
        lambda text: text.replace("@done", "@job a b 2026-01-01T00:00:00+00:00\n" * 1001 + "@done"),
        "more files",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_and_hostile_results_are_refused(world: tuple[Path, str], damage: str) -> None:
    """One line, and no figure is kept of a text that is not whole, of this phone and bundle."""
    folder, text = world
    change, said = DAMAGE[damage]
    changed = change(text)
    assert changed != text
    with pytest.raises(EdgeBertError) as caught:
        run_bench(imported(folder, changed))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_emulators_results_are_no_measurement(world: tuple[Path, str]) -> None:
    """As over adb."""
    folder, text = world
    emulated = text.replace("[ro.product.model]", "[ro.kernel.qemu]: [1]\n[ro.product.model]")
    with pytest.raises(DeviceError, match="emulation"):
        run_bench(imported(folder, emulated))


def test_nothing_but_a_bounded_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe would wait for ever, a huge file would fill memory."""
    monkeypatch.setenv("EDGE_BERT_PROFILES", str(tmp_path))
    (tmp_path / "their-phone.toml").write_text(PROFILE)
    small_bundle(tmp_path, "their-phone")
    options = imported(tmp_path, "")
    (tmp_path / "results.txt").unlink()
    with pytest.raises(DataError, match="missing or no regular file"):
        run_bench(options)
    os.mkfifo(tmp_path / "results.txt")
    with pytest.raises(DataError, match="missing or no regular file"):
        run_bench(options)
    with pytest.raises(DataError, match="is not what"):
        parse_results("\n" * 3_000_000)


def test_options_that_results_or_scripts_cannot_have_are_refused(tmp_path: Path) -> None:
    """Each names what to leave."""
    with pytest.raises(InputError, match="--import takes results as they are"):
        run_bench(
            BenchOptions("pixel-9", "device", import_=tmp_path / "x", threads=(4,), out=tmp_path)
        )
    with pytest.raises(InputError, match="is no phone"):
        write_device_script(PushOptions("raspberry-pi-5", out=tmp_path), tmp_path / "x.zip")
    with pytest.raises(InputError, match="are for --script"):
        push_bundle(PushOptions("pixel-9", energy=True, out=tmp_path))
    with pytest.raises(InputError, match="invoke bench --data` plays over adb"):
        push_bundle(PushOptions("pixel-9", data="x.txt", out=tmp_path))
    with pytest.raises(InputError, match="leave --lengths out"):
        write_device_script(
            PushOptions("pixel-9", data="x.txt", lengths=(8,), out=tmp_path), tmp_path / "x.zip"
        )
