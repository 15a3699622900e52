"""Measure the energy of an inference by a session that a phone runs by itself.

The session needs no connection: the cable may be drawn, and is where only the battery can tell.
"""

from __future__ import annotations

import contextlib
import secrets
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from edge_bert.devices.device import Device
from edge_bert.devices.runner.start import RunnerRequest
from edge_bert.errors import DeviceError
from edge_bert.installation import shipped_folder
from edge_bert.measure.energy.energy_per_inference import MIN_LOADS, compute_energy
from edge_bert.measure.energy.session_log import EnergySession, parse_session
from edge_bert.measure.sensors.device_state import find_sources
from edge_bert.pipeline.bench.shell import make_shell
from edge_bert.progress import Progress, no_progress
from edge_bert.records.energy import Energy, EnergyUnavailable, MeasuredEnergy
from edge_bert.store.scratch import scratch_folder

SCRIPT = shipped_folder("android_harness") / "session" / "session.sh"
# Where session.sh keeps the settings that it changed, until it has put them back.
KEPT_SETTINGS = "/data/local/tmp/edge_bert-settings"
NO_SOURCE = EnergyUnavailable("this device shows neither power rails nor a battery that answers.")
LOADS = MIN_LOADS + 1
START_TIMEOUT_S = 60.0
# A look wakes the phone, so it is as rare as the wait allows, in idle and load alike.
LOOK_EVERY_S = 60.0
# For the cable to be drawn, for models that load slowly, and for a phone that comes back late.
SPARE_S = 1800.0


@dataclass(frozen=True)
class SessionPlan:
    """How long windows last, in seconds, and how often gauges are read.

    A load lasts `seconds`, and longer, up to `most_s`, until the charge counter has moved `moves`
    times; an idle window a third of them.
    """

    order: tuple[str, ...]
    seconds: int = 120
    most_s: int = 600
    moves: int = 6
    every_s: int = 5

    @property
    def limit_s(self) -> float:
        """When the session must have ended."""
        return len(self.order) * (self.most_s + 30) + SPARE_S


def plan_session(sources: Sequence[str], seed: int | None = None) -> SessionPlan:
    """Idle first and last; between them each load with an idle window, in a random order.

    An energy meter counts finely and at once, so its windows are short. What Perfetto polls is not
    seen while it runs, so its windows are long at once.
    """
    order = ["idle"]
    for idle_first in np.random.default_rng(seed).random(LOADS) < 0.5:
        order += ["idle", "load"] if idle_first else ["load", "idle"]
    plan = SessionPlan((*order, "idle"))
    if "rails" in sources:
        return replace(plan, seconds=75, most_s=75, moves=0)
    return replace(plan, seconds=180, most_s=180, moves=0) if "perfetto" in sources else plan


def choose_sources(answering: Sequence[str]) -> tuple[str, ...]:
    """Those of the sources that answer that a session needs.

    Perfetto is for phones whose counter is otherwise seen as a copy alone.
    """
    live = {"rails", "sysfs:charge_counter", "forced:counter"} & set(answering)
    return tuple(source for source in answering if source != "perfetto" or not live)


def measure_energy(
    device: Device,
    command: Sequence[str],
    run: RunnerRequest,
    progress: Progress,
    wait: Callable[[float], None] = time.sleep,
) -> Energy:
    """The energy of an inference of `run`, whose runner `command` starts."""
    sources = choose_sources(find_sources(make_shell(device)))
    if not {"rails", "battery"} & set(sources):
        return NO_SOURCE
    plan = plan_session(sources)
    try:
        session = record_session(device, command, run, plan, sources, progress, wait)
    except DeviceError as error:
        reason = _hide_serial(device, str(error))
        return EnergyUnavailable(f"the session on the phone failed: {reason}")
    return conclude_session(session)


def conclude_session(session: EnergySession) -> Energy:
    """The energy of a session that came to its end, or why there is none."""
    if session.locked:
        return EnergyUnavailable(
            "the phone is locked, and its lock screen turns itself off after ten seconds, with "
            "which phones fall asleep; unlock it, then start again."
        )
    if session.charging:
        return EnergyUnavailable(
            "the phone still charged after five minutes; draw its cable once the session has begun."
        )
    if not session.done:
        return EnergyUnavailable("the session on the phone ended early; start it again.")
    energy = compute_energy(session.windows)
    if isinstance(energy, MeasuredEnergy):
        return msgspec.structs.replace(energy, conditions=session.conditions)
    return energy


def restore_settings(device: Device, progress: Progress = no_progress) -> None:
    """Put back the screen and the battery saver that a session left changed, as after a kill."""
    if device.run(["sh", "-c", f"test -f {KEPT_SETTINGS}"], START_TIMEOUT_S).exit_code != 0:
        return
    script = device.push(SCRIPT, "session.sh")
    completed = device.run(["sh", script, "restore"], START_TIMEOUT_S)
    if "restored" in completed.stdout:
        progress("put back the screen's settings, which an interrupted session had left")


def record_session(
    device: Device,
    command: Sequence[str],
    run: RunnerRequest,
    plan: SessionPlan,
    sources: Sequence[str],
    progress: Progress,
    wait: Callable[[float], None] = time.sleep,
) -> EnergySession:
    """Start the session on the phone, wait for its end, and read its log."""
    folder = _start_session(device, command, run, plan, sources)
    minutes = len(plan.order) * plan.seconds / 60
    progress(f"energy: windows of idle and load, {minutes:.0f} minutes or more, on the phone alone")
    if "rails" not in sources:
        progress("draw the cable now if there is one: a battery that charges tells nothing")
    try:
        _wait_for_end(device, folder, plan, progress, wait)
    except BaseException:
        # The script puts the screen back as it was, where the phone can still be reached.
        with contextlib.suppress(DeviceError):
            device.run(["sh", "-c", f"kill -TERM $(cat {folder}/pid)"], START_TIMEOUT_S)
            restore_settings(device)
        raise
    with scratch_folder("session") as scratch:
        log = scratch / "log"
        device.pull(f"{folder}/log", log)
        trace = scratch / "trace"
        if "perfetto" in sources:
            device.pull(f"{folder}/trace", trace)
        return parse_session(
            log.read_text(encoding="utf-8", errors="replace"),
            trace.read_bytes() if trace.exists() else b"",
        )


def _hide_serial(device: Device, text: str) -> str:
    """The text, which goes into reports, without the phone's number."""
    serial = getattr(device, "serial", "")
    return text.replace(serial, "the phone") if serial else text


def _start_session(
    device: Device,
    command: Sequence[str],
    run: RunnerRequest,
    plan: SessionPlan,
    sources: Sequence[str],
) -> str:
    """Start the script in a session of its own; its folder on the device."""
    script = device.push(SCRIPT, "session.sh")
    longest_ms = (plan.most_s + 120) * 1000
    load = replace(run, repetitions=None, duration_ms=longest_ms, outputs=None, profile=False)
    words = [script, "$folder", *map(str, (plan.every_s, plan.seconds, plan.most_s, plan.moves))]
    words += [" ".join(plan.order), " ".join((*sources, "heat", "clocks"))]
    words += [*command, *load.arguments()]
    quoted = " ".join('"$folder"' if word == "$folder" else shlex.quote(word) for word in words)
    name = f"energy-{secrets.token_hex(4)}"
    start = f"mkdir -p {name} && folder=$PWD/{name} && {{ setsid sh {quoted} "
    start += '</dev/null >/dev/null 2>&1 & } && echo "$folder"'
    completed = device.run(["sh", "-c", start], START_TIMEOUT_S)
    if completed.exit_code != 0 or not completed.stdout.strip():
        raise DeviceError(f"the session did not start: {completed.stderr.strip()[-200:]}")
    return completed.stdout.strip()


def _wait_for_end(
    device: Device,
    folder: str,
    plan: SessionPlan,
    progress: Progress,
    wait: Callable[[float], None],
) -> None:
    """Look now and then; a phone that is away goes on by itself and may come back."""
    waited, away = 0.0, False
    while waited < plan.limit_s:
        pause = min(LOOK_EVERY_S, float(plan.seconds))
        wait(pause)
        waited += pause
        try:
            last = device.run(["tail", "-n", "1", f"{folder}/log"], START_TIMEOUT_S)
        except DeviceError:
            if not away:
                progress("the phone is away; its session goes on, connect it again later")
            away = True
            continue
        away = False
        if last.stdout.strip() == "@done":
            return
    raise DeviceError(f"it did not end within {plan.limit_s / 60:.0f} minutes")
