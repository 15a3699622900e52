"""Parse the output of the C runner. Its contract is android_harness/runner/README.md."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge_bert.errors import DeviceError
from edge_bert.records.base import Record
from edge_bert.records.latency import MeasuredLatency
from edge_bert.records.measurement import MemoryUse, OperatorTime, Placement

FORMAT_VERSION = 1
MAX_OUTPUT = 256 * 1024 * 1024
Us = Annotated[float, msgspec.Meta(gt=0, lt=1e12)]
Moment = Annotated[float, msgspec.Meta(ge=0, lt=1e12)]
Bytes = Annotated[int, msgspec.Meta(ge=-1)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class TensorLine(Record, frozen=True):
    """An input or output; `element` is LiteRT's number of the element type."""

    name: str
    element: int
    bytes: Annotated[int, msgspec.Meta(ge=0)]
    shape: tuple[int, ...]


class CpuLine(Record, frozen=True):
    """The processor as the kernel's auxiliary vector and /proc/cpuinfo have it."""

    hwcap: tuple[str, ...]
    cpuinfo: tuple[str, ...]
    parts: tuple[str, ...]


class Header(Record, frozen=True, tag_field="type", tag="header"):
    """The first line."""

    format_version: int
    library_sha256: Sha256
    model_sha256: Sha256
    threads: Annotated[int, msgspec.Meta(gt=0)]
    warmup: Annotated[int, msgspec.Meta(ge=0)]
    signature: str
    inputs: tuple[TensorLine, ...]
    outputs: tuple[TensorLine, ...]
    cpu: CpuLine


class _Warmup(Record, frozen=True, tag_field="type", tag="warmup"):
    us: Us


class _Run(Record, frozen=True, tag_field="type", tag="run"):
    us: Us


class _Text(Record, frozen=True, tag_field="type", tag="text"):
    layers: Annotated[int, msgspec.Meta(ge=0)]


class _Operator(Record, frozen=True):
    name: str
    index: int
    delegate: bool
    us: Annotated[int, msgspec.Meta(ge=0)]
    calls: Annotated[int, msgspec.Meta(gt=0)]


class _Profile(Record, frozen=True):
    runs: Annotated[int, msgspec.Meta(gt=0)]
    operators: tuple[_Operator, ...]


class _Footer(Placement, frozen=True, tag_field="type", tag="footer", kw_only=True):
    init_us: Moment
    library_us: Moment
    load_us: Moment
    compile_us: Moment
    first_us: Moment
    cold: bool
    peak_rss_bytes: Bytes
    rss_bytes: Bytes
    anonymous_rss_bytes: Bytes
    file_rss_bytes: Bytes
    profile: _Profile | None


class _Error(Record, frozen=True, tag_field="type", tag="error"):
    code: str
    message: str


_Line = Header | _Warmup | _Run | _Text | _Footer | _Error
_DECODER = msgspec.json.Decoder(_Line)


class RunnerOutput(Record, frozen=True):
    """A run of the runner that went well.

    `memory` is None for a profiled run, whose profiler takes memory of its own. `noise` counts
    the lines on standard output that were not the runner's. `layers` are those that each text of a
    data set went through, 0 where it did not run; run `i` was of text `i`, counted round and round.
    """

    header: Header
    latency: MeasuredLatency
    memory: MemoryUse | None
    operators: tuple[OperatorTime, ...]
    noise: int
    placement: Placement = Placement()
    layers: tuple[int, ...] = ()


def parse_runner(stdout: str, exit_code: int, stderr: str = "") -> RunnerOutput:
    """Parse the runner's standard output.

    Raises DeviceError with the runner's own error, or when the output stops early, repeats
    itself, or disagrees with the exit code.
    """
    if len(stdout) > MAX_OUTPUT:
        raise DeviceError(f"The runner printed more than {MAX_OUTPUT} characters.")
    lines, noise = _decode_lines(stdout)
    for line in lines:
        if isinstance(line, _Error):
            raise DeviceError(f"The runner failed ({line.code}): {_to_line(line.message)}")
    if exit_code != 0:
        raise DeviceError(f"The runner ended with status {exit_code}{_last_line(stderr)}")
    header, footer = _find_header_and_footer(lines, stderr)
    warmup = tuple(line.us for line in lines if isinstance(line, _Warmup))
    runs = tuple(line.us for line in lines if isinstance(line, _Run))
    if not runs or len(warmup) < header.warmup:
        raise DeviceError("The runner's output lacks inferences; run it again.")
    return RunnerOutput(
        header=header,
        latency=MeasuredLatency(
            runs_us=runs,
            warmup_us=warmup,
            init_us=footer.init_us,
            load_us=footer.load_us,
            compile_us=footer.compile_us,
            first_us=footer.first_us,
            cold=footer.cold,
        ),
        memory=_build_memory(footer) if footer.profile is None else None,
        operators=_build_operators(footer.profile),
        noise=noise,
        placement=_place(footer),
        layers=tuple(line.layers for line in lines if isinstance(line, _Text)),
    )


def with_cold_run(output: RunnerOutput, cold: RunnerOutput) -> RunnerOutput:
    """`output` with the operators of the cold run and the time that loading took there."""
    latency = msgspec.structs.replace(output.latency, cold_load_us=cold.latency.load_us)
    return msgspec.structs.replace(output, latency=latency, operators=cold.operators)


def parse_placement(stdout: str, exit_code: int, stderr: str = "") -> Placement:
    """When and where a run's inferences ran, from an output that lacks the line of each.

    Raises DeviceError as `parse_runner` does.
    """
    lines, _ = _decode_lines(stdout)
    for line in lines:
        if isinstance(line, _Error):
            raise DeviceError(f"The runner failed ({line.code}): {_to_line(line.message)}")
    if exit_code != 0:
        raise DeviceError(f"The runner ended with status {exit_code}{_last_line(stderr)}")
    return _place(_find_header_and_footer(lines, stderr)[1])


def _decode_lines(stdout: str) -> tuple[list[_Line], int]:
    """The runner's lines; a device's linker or shell may have put others between them."""
    lines: list[_Line] = []
    noise = 0
    for text in stdout.split("\n"):
        stripped = text.strip()
        if not stripped.startswith('{"type":'):
            noise += bool(stripped)
            continue
        try:
            lines.append(_DECODER.decode(stripped))
        except (msgspec.DecodeError, RecursionError) as error:
            raise DeviceError(f"A line of the runner is damaged: {_to_line(str(error))}") from error
    return lines, noise


def _find_header_and_footer(lines: list[_Line], stderr: str) -> tuple[Header, _Footer]:
    headers = [line for line in lines if isinstance(line, Header)]
    footers = [line for line in lines if isinstance(line, _Footer)]
    if not lines or not footers:
        raise DeviceError(f"The runner stopped before its last line{_last_line(stderr)}")
    if len(headers) != 1 or len(footers) != 1 or lines[0] is not headers[0]:
        raise DeviceError("The runner's output has two headers or two ends; run it again.")
    if lines[-1] is not footers[0]:
        raise DeviceError("The runner's output goes on after its last line; run it again.")
    if headers[0].format_version != FORMAT_VERSION:
        raise DeviceError(
            f"The runner speaks format {headers[0].format_version}, not {FORMAT_VERSION}; "
            "push the runner again."
        )
    return headers[0], footers[0]


def _place(footer: _Footer) -> Placement:
    names = Placement.__struct_fields__
    return Placement(**{name: getattr(footer, name) for name in names})


def _build_memory(footer: _Footer) -> MemoryUse:
    def positive(value: int) -> int | None:
        return value if value > 0 else None

    return MemoryUse(
        peak_rss_bytes=positive(footer.peak_rss_bytes),
        rss_bytes=positive(footer.rss_bytes),
        anonymous_rss_bytes=positive(footer.anonymous_rss_bytes),
        file_rss_bytes=positive(footer.file_rss_bytes),
    )


def _build_operators(profile: _Profile | None) -> tuple[OperatorTime, ...]:
    if profile is None:
        return ()
    return tuple(
        OperatorTime(
            name=row.name, index=row.index, delegate=row.delegate, us=row.us / profile.runs
        )
        for row in profile.operators
    )


def _to_line(text: str) -> str:
    """One printable line."""
    return "".join(c if c.isprintable() else " " for c in text)[:300]


def _last_line(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.strip()]
    return f": {_to_line(lines[-1])}" if lines else "."
