"""What happens to an emulated phone from outside: a charger plugged in, heat."""

from __future__ import annotations

from edge_bert.devices.emulator.emulated_phone import EmulatedPhone
from edge_bert.errors import DeviceError, InputError

# Android's thermal statuses; from 2, "moderate", on, phones lower their clocks.
HIGHEST_STATUS = 6
THROTTLING_STATUS = 2
THROTTLED_PERCENT = 60


def plug_in(phone: EmulatedPhone, *, charger: bool) -> None:
    """Plug a charger in or out; the battery follows within its interval."""
    _write(phone, "world/charger", f"{int(charger)}\n")


def heat(phone: EmulatedPhone, status: int) -> None:
    """Set Android's thermal status, 0 (none) to 6 (shutdown); from 2 on clocks are lowered."""
    if not 0 <= status <= HIGHEST_STATUS:
        raise InputError(f"{status} is no thermal status; use 0 to {HIGHEST_STATUS}.")
    _write(phone, "world/thermal_status", f"{status}\n")
    percent = THROTTLED_PERCENT if status >= THROTTLING_STATUS else 100
    cpus = phone.root / "sys" / "devices" / "system" / "cpu"
    for top in sorted(cpus.glob("**/cpuinfo_max_freq")):
        khz = int(top.read_text()) * percent // 100
        for name in ("scaling_max_freq", "scaling_cur_freq"):
            _write(phone, str((top.parent / name).relative_to(phone.root)), f"{khz}\n")


def _write(phone: EmulatedPhone, name: str, text: str) -> None:
    try:
        (phone.root / name).write_text(text)
    except OSError as error:
        raise DeviceError(
            f"The emulated {phone.profile} does not run: {error.strerror}."
        ) from error
