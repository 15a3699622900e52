"""The C runner, started for real, against the Python runtime and against broken input."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.devices.host import HostDevice
from edge_bert.devices.runner import build, static_bundle
from edge_bert.devices.runner.start import RunnerRequest, install_runner, start_runner
from edge_bert.errors import MissingToolError
from tests.devices.two_signatures import two_signatures

TIMEOUT_S = 30
# LiteRT crashes under qemu where it meets the text of another architecture's processor.
CORTEX_A76 = """\
processor\t: 0
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp asimdrdm asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x1
CPU part\t: 0xd0b
CPU revision\t: 0

"""


@pytest.fixture(scope="module")
def host() -> Iterator[HostDevice]:
    device = HostDevice()
    yield device
    device.close()


@pytest.fixture(scope="module")
def command(host: HostDevice) -> list[str]:
    try:
        return install_runner(host, build.host_abi(), own_c_library=False)
    except MissingToolError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def model(host: HostDevice, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "two.tflite"
    path.write_bytes(two_signatures())
    return host.push(path, "two.tflite")


def lines(stdout: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stdout.splitlines() if line]


def say(host: HostDevice, command: list[str], *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    completed = host.run([*command, *arguments], TIMEOUT_S)
    return completed.exit_code, lines(completed.stdout)


def test_says_header_runs_and_footer(host: HostDevice, command: list[str], model: str) -> None:
    """One header, a line for each inference, one footer; hashes and shapes are the model's."""
    request = RunnerRequest(model, "encode_8", warmup=2, repetitions=3)
    said = lines(start_runner(host, command, request, TIMEOUT_S).stdout)
    assert [line["type"] for line in said] == ["header"] + ["warmup"] * 2 + ["run"] * 3 + ["footer"]
    header, footer = said[0], said[-1]
    assert header["model_sha256"] == hashlib.sha256(Path(model).read_bytes()).hexdigest()
    assert [(x["name"], x["shape"], x["bytes"]) for x in header["inputs"]] == [
        ("a", [1, 8], 32),
        ("b", [1, 8], 32),
    ]
    assert header["cpu"]["cpuinfo"]
    assert footer["first_us"] == said[1]["us"]
    assert footer["peak_rss_bytes"] >= footer["file_rss_bytes"] > 1_000_000
    parts = footer["library_us"] + footer["load_us"] + footer["compile_us"]
    assert footer["init_us"] == pytest.approx(parts, abs=0.01)


@pytest.mark.parametrize("size", [(1, 2, 1, 4), (5, 2, 1, 8)])
def test_outputs_equal_the_python_runtime(
    host: HostDevice, command: list[str], model: str, tmp_path: Path, size: tuple[int, ...]
) -> None:
    """Outputs have the bytes of ai-edge-litert's interpreter; inputs go sorted by name."""
    from ai_edge_litert.interpreter import Interpreter

    length = size[-1]
    rows = np.random.default_rng(3).normal(size=size).astype(np.float32)
    (tmp_path / "in").write_bytes(rows.tobytes())
    remote = host.push(tmp_path / "in", "in")
    request = RunnerRequest(
        model, f"encode_{length}", repetitions=2, inputs=remote, outputs=f"{remote}.out"
    )
    assert start_runner(host, command, request, TIMEOUT_S).exit_code == 0
    host.pull(f"{remote}.out", tmp_path / "out")
    runner = Interpreter(model_path=model).get_signature_runner(f"encode_{length}")
    wanted = b"".join(runner(a=a, b=b)["y"].tobytes() for a, b in rows)
    assert (tmp_path / "out").read_bytes() == wanted
    assert not list(host.folder.glob("*.partial"))


def test_duration_is_kept(host: HostDevice, command: list[str], model: str) -> None:
    """With a duration the runner measures for that long, not for a number of inferences."""
    request = RunnerRequest(model, "encode_4", duration_ms=200)
    said = lines(start_runner(host, command, request, TIMEOUT_S).stdout)
    runs = [line["us"] for line in said if line["type"] == "run"]
    assert len(runs) > 10  # the default number
    assert sum(runs[:-1]) <= 200_000  # a busy machine may stretch the last one


def test_profile_names_the_operators(host: HostDevice, command: list[str], model: str) -> None:
    """The profile lists what ran, each operator as often as there were profiled inferences."""
    request = RunnerRequest(model, "encode_8", profile=True, repetitions=1)
    profile = lines(start_runner(host, command, request, TIMEOUT_S).stdout)[-1]["profile"]
    names = " ".join(row["name"] for row in profile["operators"])
    assert "Subtract" in names
    assert "Multiply" in names
    assert all(row["calls"] == profile["runs"] for row in profile["operators"])


def test_cores_are_bound(host: HostDevice, command: list[str], model: str) -> None:
    """A core of this machine is accepted, one that it lacks is an error."""
    core = str(min(os.sched_getaffinity(0)))
    words = ["--model", model, "--signature", "encode_4", "--cores"]
    assert say(host, command, *words, core)[0] == 0
    for wrong in ("1023", "1-0", "0,", "", "x", "-1"):
        code, said = say(host, command, *words, wrong)
        assert (code, said[-1]["code"]) == (1, "bad_cores")


FAULTS = {
    "no model": (["--model", "absent"], "unreadable_model"),
    "folder": (["--model", "."], "unreadable_model"),
    "unknown signature": (["--model", "{model}", "--signature", "x"], "unknown_signature"),
    "signature left out": (["--model", "{model}"], "unknown_signature"),
    "unknown option": (["--model", "{model}", "--colour"], "usage"),
    "stray word": (["--model", "{model}", "stray"], "usage"),
    "threads": (["--model", "{model}", "--threads", "0"], "usage"),
    "not a number": (["--model", "{model}", "--repetitions", "3x"], "usage"),
    "two ends": (["--model", "{model}", "--repetitions", "3", "--duration-ms", "3"], "usage"),
    "no library": (["--library", "absent", "--model", "{model}"], "missing_library"),
    "not a library": (["--library", "{model}", "--model", "{model}"], "missing_library"),
    "no inputs": (["{ok}", "--inputs", "absent"], "unreadable_inputs"),
    "wrong size": (["{ok}", "--inputs", "{model}"], "wrong_input_size"),
    "no folder": (["{ok}", "--outputs", "absent/out"], "unwritable_outputs"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_one_error_line(
    host: HostDevice, command: list[str], model: str, fault: str
) -> None:
    """Every fault ends in a JSON error with its code, and in a status that is not 0."""
    words, wanted = FAULTS[fault]
    known = {"{model}": [model], "{ok}": ["--model", model, "--signature", "encode_4"]}
    code, said = say(host, command, *[x for word in words for x in known.get(word, [word])])
    assert code != 0
    assert (said[-1]["type"], said[-1]["code"]) == ("error", wanted)
    assert said[-1]["message"]


def test_damaged_models_never_end_in_silence(
    host: HostDevice, command: list[str], tmp_path: Path
) -> None:
    """A model with changed or missing bytes gives a footer or an error line, never neither."""
    whole, seen = two_signatures(), set()
    for seed in range(12):
        chance = random.Random(seed)  # noqa: S311 - not for secrets
        damaged = bytearray(whole[: chance.choice([len(whole), chance.randrange(len(whole))])])
        for _ in range(chance.choice([0, 1, 30])):
            if damaged:
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        (tmp_path / "damaged").write_bytes(damaged)
        remote = host.push(tmp_path / "damaged", "damaged.tflite")
        code, said = say(host, command, "--model", remote, "--signature", "encode_4")
        assert (code == 0) == (said[-1]["type"] == "footer")
        seen.add(said[-1].get("code"))
    assert "corrupt_model" in seen


def test_full_disk_is_not_success(host: HostDevice, command: list[str], model: str) -> None:
    """When standard output cannot be written, the exit status says so."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    words = [*command, "--model", model, "--signature", "encode_4"]
    assert host.run(["sh", "-c", 'exec "$@" > /dev/full', "sh", *words], TIMEOUT_S).exit_code == 1


def test_emulated_arm64_computes_the_same(model: str, tmp_path: Path) -> None:
    """The ARM64 build, with its own C library, runs under qemu and gives the same outputs."""
    qemu = shutil.which("qemu-aarch64")
    if not qemu:
        pytest.skip("no qemu-aarch64; `apt-get install qemu-user`")
    try:
        bundle = static_bundle.build_runner_bundle("arm64-v8a")
    except MissingToolError as error:
        pytest.skip(str(error))
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text(CORTEX_A76)
    rows = np.random.default_rng(3).normal(size=(2, 8)).astype(np.float32)
    (tmp_path / "in").write_bytes(rows.tobytes())
    start = [qemu, "-cpu", "cortex-a76", "-L", str(tmp_path)]
    start += [str(bundle / "ld-linux-aarch64.so.1"), "--library-path", str(bundle)]
    start += [str(bundle / "runner"), "--library", str(bundle / "libLiteRt.so")]
    words = ["--model", model, "--signature", "encode_8", "--inputs", str(tmp_path / "in")]
    emulated = HostDevice()
    code, said = say(emulated, start, *words, "--outputs", str(tmp_path / "out"))
    emulated.close()
    assert (code, said[-1]["type"]) == (0, "footer")
    assert "asimddp" in said[0]["cpu"]["hwcap"]
    assert said[0]["cpu"]["parts"] == ["0xd0b"]
    wanted = (rows[0] - rows[1]) * np.float32(3)
    assert (tmp_path / "out").read_bytes() == wanted.tobytes()
