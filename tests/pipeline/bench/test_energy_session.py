"""A session that a phone runs by itself: what is asked, and what a drawn cable does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_bert.devices.device import CompletedCommand
from edge_bert.devices.emulator.personality import find_manners
from edge_bert.devices.runner.start import RunnerRequest
from edge_bert.errors import DeviceError
from edge_bert.pipeline.bench.energy_session import (
    KEPT_SETTINGS,
    SCRIPT,
    choose_sources,
    measure_energy,
    plan_session,
    restore_settings,
)
from edge_bert.records.energy import EnergyUnavailable, MeasuredEnergy
from edge_bert.records.measurement import DeviceDescription
from tests.devices.virtual_phone import VirtualPhone
from tests.measure.energy.virtual_session import record_session

RUN = RunnerRequest("m", "encode_128", warmup=5)


class PhoneBehindAdb:
    """A virtual phone that ran its session; `away` looks at it fail, as without a cable."""

    def __init__(self, phone: VirtualPhone, *, away: int = 0, last: str = "@done") -> None:
        self.phone, self.away, self.last = phone, away, last
        self.started: list[str] = []
        self.killed = False

    def push(self, local: Path, name: str) -> str:
        assert local.is_file()
        return f"/data/{name}"

    def run(self, argv: Sequence[str], timeout_s: float) -> CompletedCommand:
        assert timeout_s > 0
        if argv[0] == "tail":
            self.away -= 1
            if self.away >= 0:
                raise DeviceError("device offline")
            return CompletedCommand(f"{self.last}\n", "", 0)
        if "setsid" in argv[-1]:
            self.started.append(argv[-1])
            return CompletedCommand("/data/energy-1\n", "", 0)
        if "kill" in argv[-1]:
            self.killed = True
            return CompletedCommand("", "", 0)
        try:
            return CompletedCommand(self.phone.run(argv), "", 0)
        except DeviceError as error:
            return CompletedCommand("", str(error), 1)

    def pull(self, remote: str, local: Path) -> None:
        assert remote.startswith("/data/energy-1/")
        session = record_session(self.phone, seed=1)
        if remote.endswith("/trace"):
            local.write_bytes(session.trace)
        else:
            local.write_text(session.log)

    def describe(self) -> DeviceDescription:
        raise AssertionError("not asked")

    def close(self) -> None:
        raise AssertionError("not closed")


def measure(device: PhoneBehindAdb) -> tuple[MeasuredEnergy | EnergyUnavailable, list[str]]:
    messages: list[str] = []
    energy = measure_energy(device, ["sh", "start.sh"], RUN, messages.append, lambda _: None)
    assert isinstance(energy, MeasuredEnergy | EnergyUnavailable)
    return energy, messages


def test_a_drawn_cable_does_not_end_the_session() -> None:
    """The phone goes on alone; once it is back its log is read."""
    device = PhoneBehindAdb(VirtualPhone(find_manners("xiaomi-mediatek")), away=9)
    energy, messages = measure(device)
    assert isinstance(energy, MeasuredEnergy), energy
    assert energy.conditions == {"screen_brightness": "120"}
    assert sum("is away" in message for message in messages) == 1
    assert any("draw the cable" in message for message in messages)
    (start,) = device.started
    assert "'battery sysfs:current_now sysfs:voltage_now sysfs:charge_counter heat clocks'" in start
    assert "--duration-ms 720000" in start


def test_rails_need_no_drawn_cable() -> None:
    """A phone with rails measures while it charges, in windows of little more than a minute."""
    phone = VirtualPhone(find_manners("pixel"))
    phone.charger = True
    energy, messages = measure(PhoneBehindAdb(phone))
    assert isinstance(energy, MeasuredEnergy)
    assert not any("cable" in message for message in messages)


def test_a_phone_that_never_comes_back_has_no_energy() -> None:
    """After the time that a session can take at most, the reason says so and it is ended."""
    device = PhoneBehindAdb(VirtualPhone(find_manners("low-end")), away=10_000)
    energy, _ = measure(device)
    assert isinstance(energy, EnergyUnavailable)
    assert "did not end within" in energy.reason
    assert device.killed


class LostPhone(PhoneBehindAdb):
    """It is gone when its log is read, as adb says."""

    serial = "R58N30ABCDE"

    def pull(self, remote: str, local: Path) -> None:
        raise DeviceError(f"{remote} cannot be read as {local.name} on {self.serial}.")


def test_reasons_name_no_serial_number() -> None:
    """They stand in files and reports, which others read."""
    energy, _ = measure(LostPhone(VirtualPhone(find_manners("ideal"))))
    assert energy == EnergyUnavailable(
        "the session on the phone failed: /data/energy-1/log cannot be read as log on the phone."
    )


class MutePhone(VirtualPhone):
    """It answers nothing."""

    def run(self, argv: Sequence[str]) -> str:
        raise DeviceError(f"{argv[0]}: not found")


def test_a_phone_without_gauges_is_not_kept_busy() -> None:
    """Where nothing answers no session is started."""
    device = PhoneBehindAdb(MutePhone(find_manners("ideal")))
    energy, _ = measure(device)
    assert isinstance(energy, EnergyUnavailable)
    assert "neither power rails" in energy.reason
    assert device.started == []


@pytest.mark.parametrize("seed", range(5))
def test_orders_are_random_and_begin_and_end_idle(seed: int) -> None:
    """Six loads, each beside an idle window of its own, never three in a row."""
    order = plan_session(["battery"], seed).order
    assert (order[0], order[-1], order.count("load"), order.count("idle")) == (
        "idle",
        "idle",
        6,
        8,
    )
    assert "load load load" not in " ".join(order)
    assert any(plan_session(["battery"], other).order != order for other in range(5, 15))


def test_perfetto_is_for_phones_that_show_copies_only() -> None:
    """A live counter needs no trace."""
    assert choose_sources(("battery", "perfetto")) == ("battery", "perfetto")
    for live in ("rails", "sysfs:charge_counter", "forced:counter"):
        assert choose_sources(("battery", live, "perfetto")) == ("battery", live)


class InterruptedPhone(PhoneBehindAdb):
    """Its last session was killed with the screen dark."""

    def __init__(self) -> None:
        super().__init__(VirtualPhone(find_manners("ideal")))
        self.commands: list[str] = []
        self.left = True

    def run(self, argv: Sequence[str], timeout_s: float) -> CompletedCommand:
        assert timeout_s > 0
        self.commands.append(" ".join(argv))
        if argv[-1].startswith("test -f"):
            return CompletedCommand("", "", 0 if self.left else 1)
        self.left = False
        return CompletedCommand("restored\n", "", 0)


def test_the_next_connection_puts_the_screen_back() -> None:
    """Once, and told; a phone that was left as it was is asked one question."""
    phone, messages = InterruptedPhone(), []
    restore_settings(phone, messages.append)
    restore_settings(phone, messages.append)
    assert phone.commands == [
        f"sh -c test -f {KEPT_SETTINGS}",
        "sh /data/session.sh restore",
        f"sh -c test -f {KEPT_SETTINGS}",
    ]
    assert len(messages) == 1
    assert KEPT_SETTINGS in SCRIPT.read_text()
