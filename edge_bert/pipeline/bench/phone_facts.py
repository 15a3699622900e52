"""What a run on a connected phone will yield, read in some ten seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge_bert import profiles
from edge_bert.devices.adb.adb_device import AdbDevice
from edge_bert.devices.adb.device_facts import (
    CPUINFO,
    FACT_COMMANDS,
    PROPERTIES,
    READ_TIMEOUT_S,
    DeviceFacts,
    read_facts,
)
from edge_bert.devices.adb.list_devices import is_wireless
from edge_bert.devices.board_facts import RunsCommands
from edge_bert.devices.gathered_answers import GatheredAnswers
from edge_bert.errors import DeviceError, ProfileError
from edge_bert.installation import task_command
from edge_bert.measure.sensors import battery, thermal
from edge_bert.measure.sensors.device_state import (
    SOURCES,
    STATE_COMMANDS,
    UPTIME,
    Run,
    find_sources,
    read_gauges,
    read_state,
)
from edge_bert.measure.sensors.fuel_gauge import GaugeSample, find_charge_unit
from edge_bert.pipeline.bench.placement import matches_profile
from edge_bert.pipeline.bench.shell import make_shell
from edge_bert.progress import Progress, no_progress
from edge_bert.records.base import Record
from edge_bert.records.measurement import DeviceDescription, DeviceState, Evidence
from edge_bert.text import byte_size

COUNTERS = ("sysfs:charge_counter", "forced:counter")
# All that is asked below, read in one call of the phone's shell.
COMMANDS = tuple(
    dict.fromkeys((*FACT_COMMANDS, *STATE_COMMANDS.values(), *SOURCES.values(), UPTIME))
)


class PhoneCluster(Record, frozen=True):
    """Cores of one kind and clock: their CPUs, top clock and present limit in MHz."""

    core: str
    cpus: tuple[int, ...]
    max_mhz: int
    cap_mhz: int | None = None


class PhoneFacts(Record, frozen=True):
    """What a phone shows of itself. `profiles` are those whose cores and clock it has.

    `clusters` are empty with the reason in `hidden` where it hides its cores. `energy` says by what
    its energy can be measured, or why not.
    """

    name: str
    title: str
    soc: str
    system: str
    build: str
    transport: str
    clusters: tuple[PhoneCluster, ...]
    hidden: str
    features: tuple[str, ...]
    memory_bytes: int | None
    profiles: tuple[str, ...]
    gauges: tuple[str, ...]
    heat: str
    battery: str
    energy: str


def read_phone_facts(serial: str | None = None, progress: Progress = no_progress) -> PhoneFacts:
    """The facts of the phone behind `serial` (default: the only one). Raises DeviceError."""
    device = AdbDevice(serial)
    try:
        progress(f"reading {device.serial}")
        answers = GatheredAnswers(device, COMMANDS, READ_TIMEOUT_S)
        said = (answers.run(argv, READ_TIMEOUT_S).stdout for argv in (PROPERTIES, CPUINFO))
        description = device.describe_from(*said)
        return collect_facts(description, answers, is_wireless(device.serial))
    finally:
        device.close()


def collect_facts(
    description: DeviceDescription, phone: RunsCommands, wireless: bool
) -> PhoneFacts:
    """The facts of a phone that is reached over the network or by a cable."""
    run = make_shell(phone)
    try:
        facts, hidden = read_facts(phone), ""
    except DeviceError as error:
        facts, hidden = None, str(error)
    state, gauges = read_state(run), find_sources(run)
    return PhoneFacts(
        name=description.name,
        title=facts.title if facts else _title(description),
        soc=facts.soc if facts else description.properties.get("ro.soc.model", ""),
        system=description.system,
        build=description.properties.get("ro.build.id", ""),
        transport=_describe_transport(description, wireless=wireless),
        clusters=tuple(_list_clusters(facts, state)) if facts else (),
        hidden=hidden,
        features=facts.features if facts else (),
        memory_bytes=facts.memory_bytes if facts else None,
        profiles=_find_profiles(facts) if facts else (),
        gauges=gauges,
        heat=_describe_heat(state),
        battery=_describe_battery(state),
        energy=judge_energy(run, gauges, state),
    )


def judge_energy(run: Run, gauges: Sequence[str], state: DeviceState) -> str:
    """`yes, by ...` with what else it needs, or `no, because ...`."""
    if "rails" in gauges:
        return "yes, by power rails"
    if "battery" not in gauges:
        return "no, because it shows neither power rails nor a battery that answers"
    answer = battery.parse_battery(run(battery.COMMAND))
    if answer.frozen:
        return "no, because its battery service is frozen; run `adb shell cmd battery reset`"
    sample = read_gauges(run).sample
    if sample is None:
        return "no, because the battery shows no voltage"
    fault = _find_counter_fault(sample)
    cable = "; draw the cable, which charges it" if state.charging else ""
    if not fault:
        live = [name for name in COUNTERS if name in gauges]
        how = "" if live or "perfetto" in gauges else ", from copies: over two hours"
        return f"yes, by the charge counter{how}{cable}"
    if sample.current_raw is not None:
        return f"perhaps, by the current alone ({fault}){cable}"
    return f"no, because {fault} and it shows no current"


def _find_counter_fault(sample: GaugeSample) -> str:
    if sample.charge_uah is None:
        return "it has no charge counter"
    try:
        find_charge_unit([sample])
    except DeviceError as error:
        return str(error).rstrip(".")
    return ""


def describe_phone_facts(facts: PhoneFacts) -> list[tuple[str, str]]:
    """The facts as rows of a table."""
    rows = [
        ("phone", f"{facts.name}, {facts.soc}"),
        ("system", " ".join(filter(None, (facts.system, facts.build)))),
        ("reached by", facts.transport),
    ]
    for cluster in facts.clusters:
        cap = "" if cluster.cap_mhz is None else f", capped at {cluster.cap_mhz} MHz"
        cpus = ",".join(map(str, cluster.cpus))
        rows.append((cluster.core, f"CPU {cpus}: {cluster.max_mhz} MHz{cap}"))
    if facts.hidden:
        rows.append(("cores", facts.hidden))
    if facts.features:
        rows.append(("features", " ".join(facts.features)))
    if facts.memory_bytes:
        rows.append(("memory", byte_size(facts.memory_bytes)))
    unknown = f"none of ours; `{task_command('profile new')}` writes one"
    matching = ", ".join(facts.profiles) or unknown
    rows += [
        ("profile", matching),
        ("gauges", ", ".join(facts.gauges) or "none answers"),
        ("heat", facts.heat),
        ("battery", facts.battery),
        ("energy", facts.energy),
    ]
    return rows


def _describe_transport(description: DeviceDescription, *, wireless: bool) -> str:
    if description.evidence is Evidence.EMULATED:
        return "the network; it is emulated, so its times and energy say nothing"
    return "Wi-Fi" if wireless else "USB"


def _title(description: DeviceDescription) -> str:
    return description.properties.get("ro.product.model", "unnamed device")


def _list_clusters(facts: DeviceFacts, state: DeviceState) -> Iterator[PhoneCluster]:
    caps = {cpu: clock for clock in state.clocks for cpu in clock.cpus}
    for group, cpus in zip(facts.groups, facts.cpus, strict=True):
        clock = caps.get(cpus[0])
        capped = clock is not None and clock.cap_khz < thermal.CAP_TOLERANCE * clock.max_khz
        cap = clock.cap_khz // 1000 if clock and capped else None
        yield PhoneCluster(group.core, cpus, group.max_mhz, cap)


def _find_profiles(facts: DeviceFacts) -> tuple[str, ...]:
    """The profiles whose cores and clock the phone has, aliases left out."""
    matching = []
    for name in profiles.profile_names():
        try:
            profile = profiles.load_profile(name)
        except ProfileError:
            continue
        if profile.name == name and matches_profile(facts, profile):
            matching.append(name)
    return tuple(matching)


def _describe_heat(state: DeviceState) -> str:
    if state.thermal_status is None:
        return "unknown: it tells no thermal status"
    return f"{state.thermal_status} ({thermal.STATUS_NAMES[state.thermal_status]})"


def _describe_battery(state: DeviceState) -> str:
    charging = {True: "charging", False: "discharging", None: "unknown"}[state.charging]
    warm = "" if state.battery_celsius is None else f", {state.battery_celsius:.0f} °C"
    return charging + warm
