"""Programs on the emulated phone: the runner, its figures, and what may go wrong."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_bert import profiles
from edge_bert.devices import emulated
from edge_bert.devices.emulated import EmulatedDevice
from edge_bert.devices.host import HostDevice
from edge_bert.devices.runner.build import find_compiler, host_abi
from edge_bert.devices.runner.start import RunnerRequest, install_runner, start_runner
from edge_bert.errors import DeviceError, ProfileError
from edge_bert.records.measurement import Evidence, InstructionCounts
from edge_bert.records.profile import Caches, DeviceProfile
from tests.devices.emulator_programs import assemble, need_emulator
from tests.devices.running_phone import command_lines, own_name
from tests.devices.two_signatures import two_signatures
from tests.runtimes.op_models import Tensor, options_of, single_op
from tests.waiting import wait_until

TIMEOUT_S = 120
# 'Full' programs: their C library comes from the phone's root.
HANGS = "#include <unistd.h>\nint main(void) { for (;;) { fork() ? sleep(60) : pause(); } }"
CRASHES = "int main(void) { *(volatile int *)8 = 1; }"


@pytest.fixture(scope="module")
def profile() -> DeviceProfile:
    return with_dotprod()


@pytest.fixture(scope="module")
def device(profile: DeviceProfile) -> Iterator[EmulatedDevice]:
    need_emulator()
    device = EmulatedDevice(profile)
    yield device
    device.close()


@pytest.fixture(scope="module")
def command(device: EmulatedDevice) -> list[str]:
    return install_runner(device, "arm64-v8a", own_c_library=False)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "two.tflite"
    path.write_bytes(two_signatures())
    return path


def compiled(source: str, folder: Path) -> Path:
    (folder / "program.c").write_text(source)
    argv = [*find_compiler("arm64-v8a"), "-o", str(folder / "program"), str(folder / "program.c")]
    completed = HostDevice(folder).run(argv, TIMEOUT_S)
    assert completed.exit_code == 0, completed.stderr
    return folder / "program"


def counts(device: EmulatedDevice, argv: list[str]) -> list[InstructionCounts]:
    run = device.run_counted(argv, TIMEOUT_S)
    assert run.completed.exit_code == 0, run.completed.stderr
    return list(run.counts.marked_repetitions)


def test_counts_are_the_same_on_every_run(
    device: EmulatedDevice, command: list[str], model: Path
) -> None:
    """Two runs of the real runtime execute the same instructions and miss the same lines."""
    request = RunnerRequest(device.push(model, "m"), "encode_8", warmup=1, repetitions=2)
    argv = [*command, *request.arguments()]
    first, second = counts(device, argv), counts(device, argv)
    assert len(first) == 3
    assert first == second
    assert first[-1].total > 1000
    assert first[-1].memory == first[-1].total - first[-1].computing > 0


def test_outputs_are_those_of_this_machine(
    device: EmulatedDevice, command: list[str], model: Path, tmp_path: Path
) -> None:
    """The emulated runtime gives the bytes that the same runtime gives here."""
    inputs = tmp_path / "inputs"
    values = np.random.default_rng(7).normal(size=(2, 8)).astype("<f4")
    inputs.write_bytes(values.tobytes())
    host = HostDevice()
    results = []
    for machine, runner_command in (
        (device, command),
        (host, install_runner(host, host_abi(), own_c_library=False)),
    ):
        outputs = str(Path(machine.push(inputs, "inputs")).with_name("outputs"))
        request = RunnerRequest(
            machine.push(model, "m"),
            "encode_8",
            inputs=machine.push(inputs, "inputs"),
            outputs=outputs,
        )
        assert start_runner(machine, runner_command, request, TIMEOUT_S).exit_code == 0
        machine.pull(outputs, tmp_path / "back")
        results.append((tmp_path / "back").read_bytes())
    host.close()
    assert results[0] == results[1] == ((values[0] - values[1]) * np.float32(3)).tobytes()


def test_the_runtime_sees_the_phones_cores(
    device: EmulatedDevice, command: list[str], model: Path
) -> None:
    """The chosen cluster has the lowest numbers, and its features are the phone's."""
    request = RunnerRequest(device.push(model, "m"), "encode_8", repetitions=1)
    completed = start_runner(device, command, request, TIMEOUT_S)
    cpu = json.loads(completed.stdout.splitlines()[0])["cpu"]
    assert cpu["parts"] == ["0xd0a"] * 2 + ["0xd05"] * 6
    assert "asimddp" in cpu["hwcap"]
    assert "i8mm" not in cpu["hwcap"]


def test_several_threads_run(device: EmulatedDevice, command: list[str], model: Path) -> None:
    """A program with threads is counted too."""
    request = RunnerRequest(device.push(model, "m"), "encode_8", threads=2, repetitions=1)
    run = device.run_counted([*command, *request.arguments()], TIMEOUT_S, threads=2)
    assert run.completed.exit_code == 0
    assert run.counts.marked_repetitions[-1].total > 1000


def test_caches_follow_the_profile(profile: DeviceProfile, tmp_path: Path) -> None:
    """The cluster's cache sizes reach the model; what the profile lacks is its kind of core's."""
    need_emulator()
    sized = Caches(source="test", l1d_bytes=16384, l3_bytes=1 << 20)
    clusters = tuple(msgspec.structs.replace(c, caches=sized) for c in profile.clusters)
    device = EmulatedDevice(msgspec.structs.replace(profile, clusters=clusters))
    program = device.push(assemble(["nop"], tmp_path), "program")
    caches = device.run_counted([program], TIMEOUT_S).counts.caches
    device.close()
    sizes = {level: cache.bytes for level, cache in caches.items()}
    assert sizes == {"l1d": 16384, "l2": 262144, "l3": 1 << 20, "system": 0}
    assert {cache.origin for cache in caches.values()} == {"given"}


@pytest.mark.parametrize(("when", "missed"), [("on", True), ("marked", True), ("off", False)])
def test_caches_are_modelled_on_request(
    device: EmulatedDevice, tmp_path: Path, when: emulated.CacheModel, missed: bool
) -> None:
    """Without the cache model nothing misses, and the counts say that it was off."""
    program = device.push(assemble(["ldr x1, [x0]"], tmp_path), "program")
    said = device.run_counted([program], TIMEOUT_S, caches=when).counts
    assert said.caches_modelled is missed
    assert (said.marked_repetitions[0].l1d_misses > 0) is missed


def test_a_hanging_program_is_ended(device: EmulatedDevice, tmp_path: Path) -> None:
    """At the time-out the program and its children end."""
    name = own_name("hangs")
    program = device.push(compiled(HANGS, tmp_path), name)
    with pytest.raises(DeviceError, match="did not end within"):
        device.run([program], 2)
    wait_until(lambda: not any(name in line for line in command_lines()))


def test_a_crash_is_an_exit_status_without_counts(device: EmulatedDevice, tmp_path: Path) -> None:
    """A crash is the program's own end for `run`, and an error where counts were asked for."""
    program = device.push(compiled(CRASHES, tmp_path), "crashes")
    assert device.run([program], TIMEOUT_S).exit_code != 0
    with pytest.raises(DeviceError, match="Nothing was counted"):
        device.run_counted([program], TIMEOUT_S)


def test_refuses_what_is_no_arm64_program(device: EmulatedDevice, tmp_path: Path) -> None:
    """A program for this machine, a text, a missing or a locked file are named as such."""
    text = tmp_path / "text"
    text.write_text("#!/bin/sh\n")
    for local in (Path("/bin/true"), text):
        remote = device.push(local, "wrong")
        with pytest.raises(DeviceError, match="not an ARM64 program"):
            device.run([remote], TIMEOUT_S)
    with pytest.raises(DeviceError, match="Cannot read the program"):
        device.run([str(tmp_path / "nope")], TIMEOUT_S)
    program = assemble(["nop"], tmp_path)
    program.chmod(0o644)
    with pytest.raises(DeviceError, match="chmod 755"):
        device.run([device.push(program, "locked")], TIMEOUT_S)


def test_is_labelled_as_emulated(device: EmulatedDevice, profile: DeviceProfile) -> None:
    """The description cannot pass for a device."""
    description = device.describe()
    assert description.evidence is Evidence.EMULATED
    assert (description.name, description.cores) == (profile.name, 8)
    assert description.properties["core"] == "cortex-a75"


def test_another_cluster_can_be_chosen(profile: DeviceProfile) -> None:
    """A cluster is chosen by its core; one that the phone lacks is an error that lists them."""
    need_emulator()
    device = EmulatedDevice(profile, "cortex-a55")
    assert device.describe().properties["core"] == "cortex-a55"
    device.close()
    with pytest.raises(ProfileError, match="cortex-a75, cortex-a55"):
        EmulatedDevice(profile, "cortex-m4")


def test_paths_with_commas_work(
    device: EmulatedDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QEMU splits options at commas; a folder with one is still written to."""
    folder = tmp_path / "a,b"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    program = device.push(assemble(["nop"], tmp_path), "program")
    assert device.run_counted([program], TIMEOUT_S).counts.whole_run.total > 0


def test_close_removes_what_was_pushed(profile: DeviceProfile, tmp_path: Path) -> None:
    """Closing twice is fine and leaves no file."""
    need_emulator()
    device = EmulatedDevice(profile)
    remote = Path(device.push(assemble(["nop"], tmp_path), "program"))
    device.close()
    device.close()
    assert not remote.parent.exists()


def test_programs_keep_to_cpus_with_the_cluster_s_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """To those that this process may use; a process that is kept off them is no reason to count
    another core's kernels. Pinning is left out where it does nothing."""
    if shutil.which("taskset") is None:
        pytest.skip("taskset missing; `invoke emulator setup` gets it")
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    for allowed, cores, wanted in (
        ({0, 1, 2, 3}, 2, "0,1"),
        ({0, 1}, 2, None),
        ({8, 9}, 2, "0,1"),
        ({1}, 1, "0"),
        ({1, 9}, 2, "1"),
    ):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, found=allowed: found)
        pinned = emulated._pin_to_cpus(cores)
        assert (pinned[-1] if pinned else None) == wanted


# 12 rows: kernels compute 4 or 6 rows at once, and pad the rest.
ROWS, INPUTS, OUTPUTS = 12, 256, 64
PRODUCTS = ROWS * INPUTS * OUTPUTS


def dense(weights: str, folder: Path) -> Path:
    """A matrix product of float activations with float32 or int8 weights (per channel)."""
    scales = tuple(np.full(OUTPUTS, 0.01)) if weights == "int8" else ()
    rng = np.random.default_rng(5)
    data = rng.integers(-127, 128, (OUTPUTS, INPUTS)).astype(weights)
    inputs = [Tensor((ROWS, INPUTS), "float32"), Tensor(data.shape, weights, scales, data=data)]
    path = folder / f"{weights}.tflite"
    path.write_bytes(
        single_op(
            "FULLY_CONNECTED",
            12 if weights == "int8" else 1,
            inputs,
            Tensor((ROWS, OUTPUTS), "float32"),
            options_of("FullyConnectedOptions"),
        )
    )
    return path


def with_dotprod() -> DeviceProfile:
    """A phone of Cortex-A75 and A55 with dot products and without i8mm."""
    phone = profiles.load_profile("pixel-3a")
    clusters = tuple(
        msgspec.structs.replace(cluster, features=("asimd", "dotprod"))
        for cluster in phone.clusters
    )
    return msgspec.structs.replace(phone, name="with-dotprod", clusters=clusters)


def test_a_phone_without_dot_products_runs_int8_without_them(tmp_path: Path) -> None:
    """Cortex-A75 whose kernel shows no asimddp: no SDOT, and no illegal instruction."""
    need_emulator()
    device = EmulatedDevice(profiles.load_profile("pixel-3a"))
    start = install_runner(device, "arm64-v8a", own_c_library=False)
    request = RunnerRequest(device.push(dense("int8", tmp_path), "m"), "only", repetitions=1)
    counted = counts(device, [*start, *request.arguments()])[-1]
    device.close()
    assert counted.sdot == counted.smmla == 0
    assert counted.vector_int > PRODUCTS / 16


@pytest.mark.parametrize(
    ("name", "weights", "field", "products_each"),
    [
        ("pixel-3a", "float32", "fmla", 4),
        ("with-dotprod", "int8", "sdot", 16),
        ("pixel-9", "int8", "smmla", 32),
        ("redmi-4x", "float32", "fmla", 4),
    ],
)
def test_a_matrix_product_takes_as_many_multiplications_as_it_has(
    name: str, weights: str, field: str, products_each: int, tmp_path: Path
) -> None:
    """The phone's own kernel is taken, and its multiply instructions add up to the product's."""
    need_emulator()
    device = EmulatedDevice(
        with_dotprod() if name == "with-dotprod" else profiles.load_profile(name)
    )
    command = install_runner(device, "arm64-v8a", own_c_library=False)
    request = RunnerRequest(device.push(dense(weights, tmp_path), "m"), "only", repetitions=1)
    counted = counts(device, [*command, *request.arguments()])[-1]
    device.close()
    assert getattr(counted, field) * products_each == PRODUCTS
    unused = {"sdot", "smmla"} - {field}
    assert all(getattr(counted, instruction) == 0 for instruction in unused)
