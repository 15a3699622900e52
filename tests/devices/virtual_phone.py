"""A phone in virtual time: it drains, and answers as its maker's phones do, without a wait.

The power that it draws is known, so an energy that a harness finds can be held to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from edge_bert.devices.emulator.personality import Manners
from edge_bert.errors import DeviceError

TICK_S = 1.0
OHMS = 0.12
UAH_PER_MAS = 1000 / 3600
SUPPLY = "/sys/class/power_supply/battery/"
NAMES = ("charge_counter", "current_now", "voltage_now", "level")


class VirtualPhone:
    """Idle power drifts, jitters and has bursts of other programs; a busy core adds `core_mw`.

    `seconds` is the time since the boot, sleep included; `awake_s` stands still in a sleep.
    """

    def __init__(
        self,
        manners: Manners,
        seed: int = 0,
        *,
        idle_mw: float = 600.0,
        core_mw: float = 2500.0,
        capacity_uah: float = 4_000_000.0,
        bursts_per_hour: float = 12.0,
    ) -> None:
        self.manners = manners
        self.seconds, self.awake_s = 5000.0, 4000.0
        self.charger = False
        self.screen_on = True
        self.thermal_status = 0
        self.clock_percent = 100
        self._idle_mw, self._core_mw = idle_mw, core_mw
        self._capacity, self._charge = capacity_uah, 0.8 * capacity_uah
        self._bursts = bursts_per_hour
        self._random = np.random.default_rng(seed)
        self._drift = float(self._random.uniform(-0.1, 0.1))
        self._burst_until = 0.0
        self._core_mj, self._other_mj, self._volts = 0.0, 0.0, 4.0
        self._milliamperes: deque[tuple[float, float]] = deque()
        self._copied_at = self.seconds - float(self._random.uniform(0, manners.copy_s))
        self._copy = self._gauges()
        self.advance(120)

    @property
    def core_mj(self) -> float:
        """What busy cores have drawn so far."""
        return self._core_mj

    def advance(self, seconds: float, busy: float = 0.0) -> None:
        """Let time pass with so many busy cores; with its screen off a phone may fall asleep."""
        if busy and self.manners.suspends and not self.screen_on and self.seconds % 300 < 6:
            self.sleep(90)
        while seconds > 1e-9:
            step = min(TICK_S, seconds)
            self._tick(step, busy)
            seconds -= step

    def sleep(self, seconds: float) -> None:
        """Time in which the phone sleeps: the boot clock runs on, its programs do not."""
        awake = self.awake_s
        self.advance(seconds)
        self.awake_s = awake

    def run(self, argv: Sequence[str]) -> str:
        """What a command prints; DeviceError where the shell user may not, as over adb."""
        command = " ".join(argv)
        if command.startswith(f"cat {SUPPLY}"):
            return self._sysfs(command.removeprefix(f"cat {SUPPLY}"))
        if command.startswith("cmd battery get -f "):
            return self._forced(command.rpartition(" ")[2])
        answers = {
            "cat /proc/uptime": lambda: f"{self.seconds:.2f} 1.00\n",
            "dumpsys battery": self._battery,
            "sh -c command -v perfetto": lambda: "/system/bin/perfetto\n" * self.manners.perfetto,
            "dumpsys thermalservice": self._heat,
            "dumpsys android.hardware.power.stats.IPowerStats/default": self._rails,
        }
        if command not in answers:
            raise DeviceError(f"{argv[0]}: not found")
        return answers[command]()

    def poll_trace(self) -> bytes:
        """A packet of a Perfetto trace with the live gauges, as `android.power` writes it."""
        gauges = self._gauges()
        battery = _number(1, gauges["charge_counter"]) + _number(3, gauges["current_now"])
        battery += _number(7, gauges["voltage_now"])
        packet = _number(8, round(self.seconds * 1e9)) + _bytes(38, battery)
        return _bytes(1, packet)

    def _tick(self, step: float, busy: float) -> None:
        if self._random.random() < self._bursts * step / 3600:
            self._burst_until = self.seconds + float(self._random.uniform(2, 8))
        idle = self._idle_mw * (1 + self._drift * (self.seconds - 5000) / 1800)
        idle *= float(self._random.normal(1, 0.1))
        other = max(idle, 50) + (1200 if self.seconds < self._burst_until else 0)
        core = busy * self._core_mw * float(self._random.normal(1, 0.03))
        open_volts = 3.4 + 0.95 * self._charge / self._capacity
        milliamperes = (core + other) / open_volts
        self._volts = open_volts - OHMS * milliamperes / 1000
        milliamperes = (core + other) / self._volts
        self._core_mj += core * step
        self._other_mj += other * step
        self.seconds += step
        self.awake_s += step
        flowing = -1500.0 if self.charger else milliamperes
        self._charge = min(self._charge - flowing * step * UAH_PER_MAS, self._capacity)
        self._milliamperes.append((step, flowing))
        if len(self._milliamperes) > 120 / TICK_S:
            self._milliamperes.popleft()
        if self.seconds - self._copied_at >= self.manners.copy_s:
            self._copied_at, self._copy = self.seconds, self._gauges()

    def _gauges(self) -> dict[str, int]:
        """What the fuel gauge has now."""
        manners = self.manners
        area, span = 0.0, 0.0
        for step, flowing in reversed(self._milliamperes):
            area, span = area + step * flowing, span + step
            if span >= manners.average_s:
                break
        steps = self._charge // manners.counter_step_uah
        current = 1000 * area / span * manners.raw_per_ua if span else 0
        values = (
            steps * manners.counter_step_uah / manners.uah_per_raw,
            current,
            self._volts * 1e6,
            100 * self._charge / self._capacity,
        )
        return {name: int(value) for name, value in zip(NAMES, values, strict=True)}

    def _sysfs(self, name: str) -> str:
        if not self.manners.sysfs or name not in NAMES[:3]:
            raise DeviceError(f"{SUPPLY}{name}: Permission denied")
        return f"{self._gauges()[name]}\n"

    def _forced(self, name: str) -> str:
        keys = {"counter": "charge_counter", "current_now": "current_now"}
        if not self.manners.forced_get or name not in keys:
            raise DeviceError(f"Unknown get option: {name}")
        return f"{self._gauges()[keys[name]]}\n"

    def _battery(self) -> str:
        copy = self._copy
        powered = "true" if self.charger else "false"
        text = (
            "Current Battery Service state:\n  AC powered: false\n"
            f"  USB powered: {powered}\n  Wireless powered: false\n"
            f"  Charge counter: {copy['charge_counter']}\n  status: {2 if self.charger else 3}\n"
            f"  level: {copy['level']}\n  scale: 100\n  voltage: {copy['voltage_now'] // 1000}\n"
            "  temperature: 271\n  technology: Li-ion\n"
        )
        return text + f"  current now: {copy['current_now']}\n" * self.manners.current_line

    def _heat(self) -> str:
        ready = "true" if self.manners.hal_ready else "false"
        status = f"IsStatusOverride: false\nThermal Status: {self.thermal_status}\n"
        return f"{status}HAL Ready: {ready}\n"

    def _rails(self) -> str:
        if not self.manners.rails:
            raise DeviceError("Can't find service")
        return (
            "============= PowerStats HAL 2.0 energy meter ==============\n"
            f"  [S2M_VDD_CPUCL2]:CPU(BIG)    {self._core_mj:.3f} mWs\n"
            f"  [S4M_VDD_CPUCL0]:CPU(LITTLE)    {0.2 * self._other_mj:.3f} mWs\n"
            f"  [VSYS_PWR_DISPLAY]:Display    {0.8 * self._other_mj:.3f} mWs\n"
            "========== End of PowerStats HAL 2.0 energy meter ==========\n"
        )


def _varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value % 2**64)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content
