"""The model file of each peer: an artifact of the bundle, or written from its checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks import processes
from benchmarks.comparison_inputs import ComparisonInputs
from benchmarks.peers import find_missing_modules
from benchmarks.records import Fault, FileFormat, Peer, WriteOrder
from edge_bert.bundle.open_bundle import OpenBundle
from edge_bert.encoder.checkpoint import input_names
from edge_bert.errors import DeviceError, InputError
from edge_bert.progress import Progress
from edge_bert.records.bundle import Signature

FILE_NAMES: dict[FileFormat, str] = {
    "onnx_float32": "float32.onnx",
    "onnx_int8": "dynamic_int8.onnx",
    "openvino_float32": "float32.xml",
    "openvino_int8": "static_int8.xml",
}


@dataclass(frozen=True)
class PeerFile:
    """A file that a peer opens, and its size together with that of its weights file."""

    path: Path
    size_bytes: int
    signatures: dict[str, Signature]


class PeerFiles:
    """The peers' files; one that several need is written once, in `folder`."""

    def __init__(self, inputs: ComparisonInputs, folder: Path, progress: Progress) -> None:
        self._inputs = inputs
        self._folder = folder
        self._progress = progress
        self._written: dict[FileFormat, Path | Fault] = {}

    def find_file(self, peer: Peer) -> PeerFile | Fault:
        """The file of `peer`, or why there is none."""
        lacking = find_missing_modules(peer)
        if lacking is not None:
            return lacking
        if peer.format is None:
            return _from_bundle(self._inputs, peer)
        path = self._write(peer.format)
        return path if isinstance(path, Fault) else PeerFile(path, _size(path), {})

    def _write(self, format_: FileFormat) -> Path | Fault:
        if format_ not in self._written:
            self._written[format_] = self._write_once(format_)
        return self._written[format_]

    def _write_once(self, format_: FileFormat) -> Path | Fault:
        source: Path | Fault | None = self._inputs.checkpoint.folder
        if format_ != "onnx_float32":
            source = self._write("onnx_float32")
        if isinstance(source, Fault):
            return source
        if source is None:
            return Fault("not run", "peers are made from a model's folder; give that")
        self._progress(f"making {FILE_NAMES[format_]}")
        target = self._folder / FILE_NAMES[format_]
        try:
            processes.write_peer_file(self._order(format_, source, target))
        except DeviceError as error:
            return Fault("failed", str(error))
        return target

    def _order(self, format_: FileFormat, source: Path, target: Path) -> WriteOrder:
        return WriteOrder(
            format=format_,
            source=str(source.resolve()),
            target=str(target),
            head=self._inputs.checkpoint.head,
            input_names=input_names(self._inputs.checkpoint),
            calibration=self._inputs.calibration if format_ == "openvino_int8" else (),
        )


def _from_bundle(inputs: ComparisonInputs, peer: Peer) -> PeerFile | Fault:
    folder = Path(peer.bundle) if peer.bundle else inputs.bundle
    try:
        bundle = OpenBundle.open(folder)
        if not peer.bundle and bundle.manifest != inputs.manifest:
            return Fault("not run", f"{folder} was built again; compare again")
        artifacts = {artifact.name: artifact for artifact in bundle.manifest.artifacts}
        artifact = artifacts.get(peer.artifact or "")
        if artifact is None:
            return Fault("not run", f"the bundle has no {peer.artifact}; build it with that recipe")
        bundle.open_member(artifact.file)
    except InputError as error:
        return Fault("not run", str(error))
    return PeerFile((folder / artifact.file).resolve(), artifact.size_bytes, artifact.signatures)


def _size(path: Path) -> int:
    """OpenVINO keeps the weights beside the .xml, in a .bin."""
    weights = path.with_suffix(".bin")
    return path.stat().st_size + (weights.stat().st_size if weights.is_file() else 0)
