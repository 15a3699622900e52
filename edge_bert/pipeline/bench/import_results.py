"""Measurements of a phone that ran our script elsewhere, held to the bundle that is here."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edge_bert.bundle.stage_chain import plan_exit
from edge_bert.devices.adb.adb_device import describe_phone
from edge_bert.devices.adb.device_facts import DeviceFacts, parse_properties, read_facts
from edge_bert.devices.device import CompletedCommand
from edge_bert.devices.runner.library import name_library_build
from edge_bert.errors import DataError, DeviceError, InputError
from edge_bert.measure.energy.session_log import parse_session
from edge_bert.measure.measurement import (
    ENERGY_NOT_READ,
    RunConditions,
    build_measurement,
    describe_subject,
)
from edge_bert.measure.runner_output import RunnerOutput, parse_runner, with_cold_run
from edge_bert.measure.script_results import ScriptJob, ScriptResults, ScriptRun
from edge_bert.measure.sensors.device_state import build_state
from edge_bert.pipeline.bench.energy_session import conclude_session
from edge_bert.pipeline.bench.exit_inputs import describe_plan
from edge_bert.pipeline.bench.placement import CoreChoice, check_phone, judge_placement
from edge_bert.pipeline.bench.text_job import SIGNATURE, parse_exit, record_texts
from edge_bert.pipeline.bench.token_inputs import DESCRIPTION
from edge_bert.records.bundle import Artifact, Manifest
from edge_bert.records.energy import Energy, EnergyUnavailable
from edge_bert.records.measurement import DeviceDescription, Measurement, PlayedTexts
from edge_bert.records.profile import DeviceProfile
from edge_bert.store.digest import sha256_hex


class RecordedPhone:
    """A phone by what it once answered, for the reader of its facts."""

    def __init__(self, facts: dict[str, str]) -> None:
        self._facts = facts

    def run(self, argv: Sequence[str], timeout_s: float) -> CompletedCommand:
        """The answer to a command that the script had asked."""
        del timeout_s
        name = {"getprop": "getprop", "sh": "sysfs"}.get(argv[0]) or argv[-1].rpartition("/")[2]
        text = self._facts.get(name, "")
        return CompletedCommand(text, "", 0 if text.strip() else 1)


def build_imported(
    results: ScriptResults, manifest: Manifest, profile: DeviceProfile
) -> list[Measurement]:
    """The measurements of the results, in their order.

    Raises DeviceError for a phone that is not the profile's or is emulated, and DataError for
    files that are not the bundle's.
    """
    properties = parse_properties(results.facts.get("getprop", ""))
    phone = describe_phone(properties, results.facts.get("cpuinfo", ""), results.phone)
    if phone.abi != profile.abi:
        raise DeviceError(f"{phone.name} is {phone.abi or 'of no ABI'}, not {profile.abi}.")
    facts = _read_facts(results)
    of_profile = check_phone(facts, profile)
    choice = _find_choice(facts, results.cores)
    return [
        _build(job, results, manifest, phone, of_profile=of_profile, choice=choice)
        for job in results.jobs
    ]


def _read_facts(results: ScriptResults) -> DeviceFacts | None:
    try:
        return read_facts(RecordedPhone(results.facts))
    except DeviceError:
        return None


def _find_choice(facts: DeviceFacts | None, cores: tuple[int, ...]) -> CoreChoice:
    """The cores that the script asked for: the fastest where the phone's facts say so."""
    if not cores or facts is None:
        return CoreChoice()
    fastest = set(cores) <= set(facts.cpus[0])
    return CoreChoice("prime" if fastest else None, cores, fastest=fastest)


def _build(
    job: ScriptJob,
    results: ScriptResults,
    manifest: Manifest,
    phone: DeviceDescription,
    *,
    of_profile: bool | None,
    choice: CoreChoice,
) -> Measurement:
    output = _parse(job, "run")
    artifact = _check_file(job, output, manifest)
    played = _read_played(job, output, manifest, artifact) if job.source else None
    if played is None:
        output = with_cold_run(output, _parse(job, "cold"))
    states = {moment: build_state(answers) for moment, answers in job.states.items()}
    conditions = RunConditions(states.get("before"), states.get("after"), _energy(job, results))
    subject = msgspec.structs.replace(
        describe_subject(output, job.artifact, cores=choice.label),
        signature=job.signature,
        inputs=_describe_inputs(job, output, manifest),
        of_profile=of_profile,
        fastest=choice.fastest,
        runtime_build=name_library_build(output.header.library_sha256),
    )
    measurement = build_measurement(output, phone, subject, conditions)
    measurement = msgspec.structs.replace(measurement, started_at=job.started_at, played=played)
    return judge_placement(measurement, choice, hidden=not choice.cpus)


def _parse(job: ScriptJob, name: str) -> RunnerOutput:
    run: ScriptRun = job.runs[name]
    return parse_runner(run.output, 1 if run.status is None else run.status, "\n".join(run.errors))


def _describe_inputs(job: ScriptJob, output: RunnerOutput, manifest: Manifest) -> str:
    if job.source:
        return f"{len(output.layers)} texts of {job.source}"
    has_tokenizer = any(packaged.file.startswith("tokenizer") for packaged in manifest.files)
    return DESCRIPTION if has_tokenizer else "made up"


def _check_file(job: ScriptJob, output: RunnerOutput, manifest: Manifest) -> Artifact:
    """The bundle's file that ran. Raises DataError where it is not the one of that name."""
    artifact = next((item for item in manifest.artifacts if item.name == job.artifact), None)
    header = output.header
    signature = SIGNATURE if job.source else job.signature
    named = artifact is not None and (job.source or job.signature in artifact.signatures)
    if (
        artifact is None
        or not named
        or header.model_sha256 != artifact.sha256
        or header.signature != signature
        or header.threads != 1
    ):
        raise _other_than_here(job)
    return artifact


def _read_played(
    job: ScriptJob, output: RunnerOutput, manifest: Manifest, artifact: Artifact
) -> PlayedTexts:
    """The layers that texts went through. Raises DataError for another rule than the bundle's."""
    kind, _, word = job.signature.partition("_")
    try:
        plan = plan_exit(manifest, artifact, parse_exit(word))
    except InputError as error:
        raise _other_than_here(job) from error
    described = describe_plan(manifest, artifact, plan)
    if kind != SIGNATURE or sha256_hex(described.encode()) != job.plan_sha256:
        raise _other_than_here(job)
    played = record_texts(job.source, word, output.layers, len(output.latency.runs_us))
    if not played.layers:
        raise DataError("The results name no text that was played; run the script again.")
    return played


def _other_than_here(job: ScriptJob) -> DataError:
    return DataError(
        f"The results are of another {job.artifact} {job.signature} than the bundle has; "
        "import them into the bundle that the script was written from."
    )


def _energy(job: ScriptJob, results: ScriptResults) -> Energy:
    log = results.sessions.get((job.artifact, job.signature))
    if log is None:
        return ENERGY_NOT_READ
    try:
        session = parse_session(log)
    except DeviceError as error:
        return EnergyUnavailable(f"the session on the phone failed: {error}")
    return conclude_session(session)
