"""The log that session.sh writes, of a phone in virtual time whose true energy is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_bert.measure.sensors import thermal
from edge_bert.measure.sensors.device_state import SOURCES, find_sources
from edge_bert.pipeline.bench.energy_session import SessionPlan, choose_sources, plan_session
from tests.devices.virtual_phone import VirtualPhone

PER_SECOND = 40
LOADING_S = 1.5
HEADER = json.dumps(
    {
        "type": "header",
        "format_version": 1,
        "library_sha256": "0" * 64,
        "model_sha256": "1" * 64,
        "threads": 1,
        "warmup": 0,
        "signature": "encode_128",
        "inputs": [],
        "outputs": [],
        "cpu": {"hwcap": [], "cpuinfo": [], "parts": []},
    }
).replace(" ", "")


@dataclass(frozen=True)
class VirtualSession:
    """A log, Perfetto's trace, and what an inference truly took beyond the idle phone, in mJ."""

    log: str
    true_mj: float
    trace: bytes = b""


def record_session(
    phone: VirtualPhone, seed: int = 0, plan: SessionPlan | None = None, sources: Sequence[str] = ()
) -> VirtualSession:
    """A session as the harness plans it for this phone."""
    sources = sources or choose_sources(find_sources(phone.run))
    trace: list[bytes] = []
    plan = plan or plan_session(sources, seed)
    lines, true_mj, inferences = ["@session 1", "@setting system screen_brightness 120"], 0.0, 0
    for number, kind in enumerate(plan.order, start=1):
        lines.append(f"@window {kind} {number} {phone.seconds:.2f}")
        busy = float(kind == "load")
        phone.advance(LOADING_S * busy + 0.3, busy)
        start_s, core_mj, awake_s = phone.seconds, phone.core_mj, phone.awake_s
        lines += _watch(phone, plan, busy, sources, trace)
        lines.append(f"@end {kind} {number} {phone.seconds:.2f}")
        if busy:
            count = round((phone.awake_s - awake_s) * PER_SECOND)
            slept = phone.seconds - start_s - phone.awake_s + awake_s
            lines += [
                "@status 0",
                HEADER,
                _footer(start_s, phone.seconds, slept),
                f"@count {count}",
            ]
            true_mj, inferences = true_mj + phone.core_mj - core_mj, inferences + count
    log = "\n".join([*lines, "@done"]) + "\n"
    return VirtualSession(log, true_mj / inferences, b"".join(trace))


def _watch(
    phone: VirtualPhone,
    plan: SessionPlan,
    busy: float,
    sources: Sequence[str],
    trace: list[bytes],
) -> list[str]:
    jitter = np.random.default_rng(int(phone.seconds))
    lines, started, before, moved = [], phone.seconds, "", 0
    while True:
        lines.append(f"@read {phone.seconds:.2f}")
        if "perfetto" in sources:
            trace.append(phone.poll_trace())
        for source in sources:
            if source == "perfetto":
                continue
            lines += [f"@from {source}", phone.run(SOURCES[source]).rstrip("\n")]
        lines += ["@from heat", phone.run(thermal.COMMAND).rstrip("\n")]
        seen = _counter(phone, sources)
        moved += seen != before != ""
        before, lasted = seen, phone.seconds - started
        enough = lasted >= plan.seconds and (moved if busy else 3 * moved) >= plan.moves
        if enough or lasted >= plan.most_s:
            return lines
        phone.advance(plan.every_s * float(jitter.uniform(1.0, 1.2)), busy)


def _counter(phone: VirtualPhone, sources: Sequence[str]) -> str:
    for source in ("sysfs:charge_counter", "forced:counter"):
        if source in sources:
            return phone.run(SOURCES[source])
    return phone.run(SOURCES["battery"]).partition("Charge counter: ")[2].split()[0]


def _footer(start_s: float, end_s: float, slept_s: float) -> str:
    footer = {
        "type": "footer",
        **dict.fromkeys(("init_us", "library_us", "load_us", "compile_us", "first_us"), 1.0),
        "cold": False,
        "start_s": start_s,
        "end_s": end_s,
        "asleep_s": slept_s,
        "core_use": [{"cpu": 7, "runs": 100, "lowest_khz": 3105000, "highest_khz": 3105000}],
        **dict.fromkeys(("peak_rss_bytes", "rss_bytes"), 1),
        **dict.fromkeys(("anonymous_rss_bytes", "file_rss_bytes"), 1),
        "profile": None,
    }
    return json.dumps(footer).replace(" ", "")
