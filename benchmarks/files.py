"""The model file of each peer: an artifact of the bundle, or made from the same checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks import processes
from benchmarks.course import Course
from benchmarks.peers import missing
from benchmarks.records import Fault, MakeOrder, Peer, Step
from edge_bert.bundle.members import file_matches
from edge_bert.encoder.checkpoint import input_names
from edge_bert.errors import DeviceError
from edge_bert.progress import Progress
from edge_bert.records.bundle import Signature

FILE_NAMES: dict[Step, str] = {
    "onnx_float32": "float32.onnx",
    "onnx_int8": "dynamic_int8.onnx",
    "openvino_float32": "float32.xml",
    "openvino_int8": "static_int8.xml",
}


@dataclass(frozen=True)
class ModelFile:
    """A file that a peer opens, and the bytes of it and of what belongs to it."""

    path: Path
    size_bytes: int
    signatures: dict[str, Signature]


class Files:
    """Gives each peer its file; what several need is made once, in `folder`."""

    def __init__(self, course: Course, folder: Path, progress: Progress) -> None:
        self._course = course
        self._folder = folder
        self._progress = progress
        self._made: dict[Step, Path | Fault] = {}

    def of(self, peer: Peer) -> ModelFile | Fault:
        """The file of `peer`, or why there is none."""
        lacking = missing(peer)
        if lacking is not None:
            return lacking
        if peer.step is None:
            return _from_bundle(self._course, peer)
        path = self._make(peer.step)
        return path if isinstance(path, Fault) else ModelFile(path, _size(path), {})

    def _make(self, step: Step) -> Path | Fault:
        if step not in self._made:
            self._made[step] = self._made_now(step)
        return self._made[step]

    def _made_now(self, step: Step) -> Path | Fault:
        exported = self._folder / FILE_NAMES["onnx_float32"]
        source = self._course.checkpoint.tokenizer.parent
        if step != "onnx_float32":
            before = self._make("onnx_float32")
            if isinstance(before, Fault):
                return before
            source = exported
        self._progress(f"making {FILE_NAMES[step]}")
        target = self._folder / FILE_NAMES[step]
        try:
            processes.make(self._order(step, source, target))
        except DeviceError as error:
            return Fault("failed", str(error))
        return target

    def _order(self, step: Step, source: Path, target: Path) -> MakeOrder:
        return MakeOrder(
            step=step,
            source=str(source.resolve()),
            target=str(target),
            head=self._course.checkpoint.head,
            input_names=input_names(self._course.checkpoint),
            calibration=self._course.calibration if step == "openvino_int8" else (),
        )


def _from_bundle(course: Course, peer: Peer) -> ModelFile | Fault:
    found = next((a for a in course.manifest.artifacts if a.name == peer.artifact), None)
    if found is None:
        return Fault("not run", f"the bundle has no {peer.artifact}; build it with that recipe")
    path = (course.bundle / found.file).resolve()
    if not file_matches(path, found.sha256):
        return Fault("not run", f"{found.file} is not the file that was proven; build again")
    return ModelFile(path, found.size_bytes, found.signatures)


def _size(path: Path) -> int:
    """OpenVINO keeps the weights beside the .xml, in a .bin."""
    weights = path.with_suffix(".bin")
    return path.stat().st_size + (weights.stat().st_size if weights.is_file() else 0)
