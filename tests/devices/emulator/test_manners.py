"""Makers' manners on the emulated phone, asked over real adb."""

from __future__ import annotations

import dataclasses
import re
import struct
import time
from collections.abc import Iterator

import pytest

from edge_bert.devices.adb.adb_device import AdbDevice
from edge_bert.devices.emulator.android_root import BatteryModel
from edge_bert.devices.emulator.emulated_phone import EmulatedPhone
from edge_bert.devices.emulator.personality import BINDINGS, Binding, Manners, find_manners
from edge_bert.devices.runner.start import RunnerRequest, install_runner, start_runner
from edge_bert.measure.runner_output import parse_runner
from edge_bert.measure.sensors.device_state import find_sources
from edge_bert.pipeline.bench.energy_session import SessionPlan, choose_sources, record_session
from edge_bert.pipeline.bench.placement import CoreChoice, find_placement_faults
from edge_bert.pipeline.bench.shell import make_shell
from edge_bert.progress import no_progress
from tests.devices.running_phone import own_name, running_phone
from tests.devices.two_signatures import two_signatures
from tests.waiting import wait_until

TIMEOUT_S = 60
COPY_S = 3.0
# All that the four personalities have between them, with times that a test can wait for.
MANNERS = Manners(
    counter_step_uah=5000,
    raw_per_ua=1e-3,
    average_s=2,
    copy_s=COPY_S,
    sysfs=False,
    current_line=True,
    forced_get=True,
    hal_ready=False,
    capped_percent=60,
    binding="refused",
    suspends=True,
    perfetto=True,
    properties=find_manners("xiaomi-mediatek").properties,
)


@pytest.fixture(scope="module")
def phone() -> Iterator[EmulatedPhone]:
    # 5 A: a step of the counter every 3.6 s.
    battery = BatteryModel(idle_mw=20_000, core_mw=1, interval_ms=100)
    with running_phone(own_name("test-manners"), battery, MANNERS) as phone:
        yield phone


@pytest.fixture(scope="module")
def device(phone: EmulatedPhone) -> Iterator[AdbDevice]:
    device = AdbDevice(phone.serial)
    yield device
    device.close()


@pytest.fixture(scope="module")
def command(device: AdbDevice) -> list[str]:
    """What starts the runner there."""
    return install_runner(device, "arm64-v8a", own_c_library=True)


@pytest.fixture(scope="module")
def run(device: AdbDevice, tmp_path_factory: pytest.TempPathFactory) -> RunnerRequest:
    """A run of a model there."""
    (folder := tmp_path_factory.mktemp("model")).joinpath("m").write_bytes(two_signatures())
    return RunnerRequest(device.push(folder / "m", "m"), "encode_8")


def ask(device: AdbDevice, *arguments: str) -> str:
    return device.run(arguments, TIMEOUT_S).stdout


def test_the_kernels_gauges_are_hidden(device: AdbDevice) -> None:
    """The shell user reads no charge, current or voltage, but the state of the battery."""
    folder = "/sys/class/power_supply/battery"
    for name in ("charge_counter", "current_now", "voltage_now"):
        assert device.run(["cat", f"{folder}/{name}"], TIMEOUT_S).exit_code != 0
    assert ask(device, "cat", f"{folder}/status") == "Discharging\n"


def test_the_service_answers_from_a_copy(device: AdbDevice) -> None:
    """Voltages change ten times a second, the answer every three; a forced get is live."""
    answers, start, lasted = list[str](), time.monotonic(), 0.0
    while lasted < 2.2 * COPY_S or len(answers) < 12:
        answers += re.findall(r"voltage: (\d+)", ask(device, "dumpsys", "battery"))
        lasted = time.monotonic() - start
    assert 2 <= len(set(answers)) <= lasted / COPY_S + 2 < len(answers)
    shown = ask(device, "dumpsys", "battery")
    wait_until(lambda: ask(device, "cmd", "battery", "get", "-f", "counter") not in shown)


def test_the_current_is_the_makers(device: AdbDevice) -> None:
    """Milliampere, positive when discharging, in a line of its own; the counter steps by 5 mAh."""
    answer = ask(device, "dumpsys", "battery")
    current = re.search(r"^  current now: (\d+)$", answer, re.MULTILINE)
    assert current
    assert 4000 < int(current[1]) < 6000
    assert 4000 < int(ask(device, "cmd", "battery", "get", "-f", "current_now")) < 6000
    charge = re.search(r"Charge counter: (\d+)", answer)
    assert charge
    assert int(charge[1]) % 5000 == 0


def test_a_session_has_perfettos_live_counters(
    device: AdbDevice, command: list[str], run: RunnerRequest
) -> None:
    """The trace of the real way over adb: samples each second where the service has old copies."""
    sources = choose_sources(find_sources(make_shell(device)))
    assert sources == ("battery", "forced:counter", "forced:current_now")
    plan = SessionPlan(("idle", "load"), seconds=5, most_s=5, moves=0, every_s=1)
    session = record_session(device, command, run, plan, ("battery", "perfetto"), no_progress)
    assert session.done
    idle, load = session.windows
    assert len(idle.samples) >= 3
    assert {sample.charge_uah for sample in (*idle.samples, *load.samples)}
    currents = [sample.current_raw for sample in idle.samples if sample.current_raw is not None]
    assert all(3000 < current < 9000 for current in currents)
    assert len(set(currents)) > 1


def test_heat_clocks_and_cores_are_the_makers(device: AdbDevice) -> None:
    """No thermal HAL, the little cores capped, and no program may be bound to a core."""
    assert "HAL Ready: false" in ask(device, "dumpsys", "thermalservice")
    folder = "/sys/devices/system/cpu/cpufreq"
    assert ask(device, "cat", f"{folder}/policy0/scaling_max_freq") == "1170000\n"
    assert ask(device, "cat", f"{folder}/policy7/scaling_max_freq") == "3105000\n"
    refused = device.run(["taskset", "80", "echo"], TIMEOUT_S)
    assert refused.exit_code != 0
    assert "Invalid argument" in refused.stderr


def run_bound(device: AdbDevice, command: list[str], run: RunnerRequest) -> tuple[str, ...]:
    """Why a run that belongs on CPU 7 does not count."""
    bound = dataclasses.replace(run, repetitions=2, preferred_cores="7")
    completed = start_runner(device, command, bound, TIMEOUT_S)
    output = parse_runner(completed.stdout, completed.exit_code, completed.stderr)
    assert output.placement is not None
    return find_placement_faults(CoreChoice("prime", (7,), fastest=True), output.placement)


def set_kernel(phone: EmulatedPhone, binding: Binding) -> None:
    """What becomes of bindings from now on, without another phone."""
    with (phone.root / "world" / "kernel").open("r+b") as file:
        file.seek(8)
        file.write(struct.pack("<q", BINDINGS.index(binding)))


def test_a_run_tells_where_it_was_bound(
    device: AdbDevice, phone: EmulatedPhone, command: list[str], run: RunnerRequest
) -> None:
    """Refused, taken and forgotten, or done: only the last one counts as the fastest core's."""
    refused = "the system refused to bind it to CPU 7; it ran on CPU 0"
    assert run_bound(device, command, run) == (refused,)
    set_kernel(phone, "ignored")
    assert run_bound(device, command, run) == (refused,)
    set_kernel(phone, "done")
    assert run_bound(device, command, run) == ()


def test_a_detached_session_notices_that_the_phone_slept(
    device: AdbDevice, phone: EmulatedPhone, command: list[str], run: RunnerRequest
) -> None:
    """Somebody turns the screen off in the middle: the load does not count, and says why."""
    plan = SessionPlan(("load",), seconds=10, most_s=10, moves=0, every_s=2)

    def turn_off_and_wait(seconds: float) -> None:
        (phone.root / "world" / "wakefulness").write_text("Asleep\n")
        time.sleep(seconds)

    sources = ("battery",)
    session = record_session(device, command, run, plan, sources, no_progress, turn_off_and_wait)
    assert session.done
    (load,) = session.windows
    assert load.faults
    assert "the phone slept for" in load.faults[-1]


def test_properties_of_several_lines_do_not_shift_others(device: AdbDevice) -> None:
    """The maker's name has a line end in it; it is left out, and all others are what they are."""
    assert "[Xiaomi\nCommunications]\n" in ask(device, "getprop")
    described = device.describe()
    assert described.abi == "arm64-v8a"
    assert "ro.product.manufacturer" not in described.properties
    assert described.properties["ro.product.model"].endswith("(emulated)")


def test_the_four_personalities_differ_where_phones_do() -> None:
    """Each has a gauge that hides something, and no two hide the same."""
    four = [find_manners(name) for name in ("pixel", "samsung", "xiaomi-mediatek", "low-end")]
    assert all(manners.counter_step_uah >= 1000 and manners.copy_s >= 10 for manners in four)
    gauges = {dataclasses.astuple(manners)[:9] for manners in four}
    assert len(gauges) == 4
