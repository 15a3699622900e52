"""The records of a comparison, and the messages between its processes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edge_bert.data.tokenizing import Encoding
from edge_bert.records.base import Record
from edge_bert.records.bundle import CalibrationInfo, Drift, LabelScore, ModelInfo, Signature
from edge_bert.records.checkpoint import Head
from edge_bert.records.measurement import DeviceDescription
from edge_bert.records.profile import Runtime

FORMAT_VERSION = 1
RuntimeKind = Literal["tflite", "onnx", "openvino"]
FileFormat = Literal["onnx_float32", "onnx_int8", "openvino_float32", "openvino_int8"]
Positive = Annotated[int, msgspec.Meta(gt=0)]


class Peer(Record, frozen=True):
    """A way to run the model: its runtime, its file and its settings.

    The file is `artifact` of the bundle, or of `bundle` where the peer is a smaller model's, or one
    of `format`. `needs` are the modules without which
    the peer cannot take part. `precision` is for OpenVINO; None leaves the choice to it.
    """

    name: str
    title: str
    kind: RuntimeKind
    settings: str
    needs: tuple[str, ...]
    artifact: str | None = None
    bundle: str | None = None
    format: FileFormat | None = None
    precision: str | None = None
    is_float32: bool = False


class Fault(Record, frozen=True):
    """Why a peer has no figures: it could not take part here, or it failed."""

    status: Literal["not run", "failed"]
    detail: str


class Timing(Record, frozen=True):
    """Raw times in microseconds, in the order they were taken, of a sentence of `tokens` tokens.

    `length` is the length that the model ran at: the bucket, or `tokens` where lengths are free.
    """

    tokens: int
    length: int
    runs_us: Annotated[tuple[float, ...], msgspec.Meta(min_length=1)]


class PeerRow(Record, frozen=True):
    """One line of the comparison; `given` are the peer's settings, `detail` why it did not run."""

    name: str
    title: str
    given: str
    status: Literal["ran", "not run", "failed"]
    detail: str = ""
    runtime: Runtime | None = None
    size_bytes: int | None = None
    timings: tuple[Timing, ...] = ()
    drift: Drift | None = None
    score: LabelScore | None = None


class Comparison(Record, frozen=True):
    """One run of all peers on one machine. `started_at` is UTC in ISO 8601.

    `reference` is the row that `drift` is measured from. `other_cores` is how many cores other
    programs kept busy in the mean while times were taken; None where the system does not tell.
    `cpu` is the processor that all peers were pinned to; None where pinning is not possible.
    """

    format_version: int
    started_at: str
    machine: DeviceDescription
    cpu: int | None
    other_cores: float | None
    profile: str
    model: ModelInfo
    calibration: CalibrationInfo
    dataset: str | None
    reference: str | None
    rounds: Positive
    repetitions: Positive
    warm_up: int
    versions: dict[str, str]
    rows: tuple[PeerRow, ...]


class WriteOrder(Record, frozen=True):
    """To `write_file.py`: write the model file `target` from `source`.

    `source` is the model folder for `onnx_float32`, and that ONNX file for the other formats.
    `calibration` is for `openvino_int8` alone.
    """

    format: FileFormat
    source: str
    target: str
    head: Head
    input_names: tuple[str, ...]
    calibration: tuple[Encoding, ...] = ()


class OpenOrder(Record, frozen=True, tag="open"):
    """To `worker.py`: pin this process to `cpu`, then load the model file."""

    kind: RuntimeKind
    model: str
    head: Head
    pad_id: int
    cpu: int | None
    signatures: dict[str, Signature]
    precision: str | None = None


class EncodeOrder(Record, frozen=True, tag="encode"):
    """To `worker.py`: run every sentence, write float32 `[n, width]` to `target` (.npy)."""

    sentences: tuple[Encoding, ...]
    target: str


class TimeOrder(Record, frozen=True, tag="time"):
    """To `worker.py`: run a sentence `warm_up` times unseen, then `repetitions` times."""

    sentence: Encoding
    warm_up: int
    repetitions: int


Order = OpenOrder | EncodeOrder | TimeOrder


class Answer(Record, frozen=True):
    """From `worker.py`, to every order. `cpu_s` is the processor time of the process so far."""

    cpu_s: float
    error: str = ""
    note: str = ""
    runtime: Runtime | None = None
    length: int = 0
    runs_us: tuple[float, ...] = ()
