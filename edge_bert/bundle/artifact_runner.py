"""An artifact at work: its file proven and mapped, a runner kept for each signature."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from edge_bert.bundle.check_artifact import check_artifact
from edge_bert.bundle.open_bundle import OpenBundle
from edge_bert.data.buckets import choose_bucket, pad_encoding
from edge_bert.data.tokenizing import Encoding
from edge_bert.errors import InputError, MissingToolError
from edge_bert.records.bundle import Artifact, Signature, TensorSpec
from edge_bert.records.checkpoint import FloatArray
from edge_bert.store import open_file
from edge_bert.text import one_line


@dataclass(frozen=True)
class _Signature:
    """A signature of an opened file; `run` takes its inputs by name and gives its outputs."""

    run: Callable[..., dict[str, Any]]
    length: int
    inputs: tuple[str, ...]
    output: TensorSpec


class ArtifactRunner:
    """One interpreter of an artifact. It computes in one thread, and for one caller at a time."""

    def __init__(self, artifact: Artifact, interpreter: Any, pad_id: int) -> None:
        self._interpreter = interpreter
        self._callables: dict[str, Callable[..., dict[str, Any]]] = {}
        self._names = {spec.length: name for name, spec in artifact.signatures.items()}
        self._artifact = artifact
        self._pad_id = pad_id
        self._signatures: dict[int, _Signature] = {}

    def run(self, encoding: Encoding) -> FloatArray:
        """The output for one text, float32, without the dimension of the batch.

        The text takes the smallest length bucket that fits.
        """
        signature = self._prepare_signature(choose_bucket(len(encoding), self._names))
        inputs = pad_encoding(encoding, signature.length, self._pad_id, signature.inputs)
        values = signature.run(**inputs)[signature.output.name]
        return dequantize(values[0] if values.ndim > 1 else values, signature.output)

    def find_callable(self, name: str) -> Callable[..., dict[str, Any]]:
        """What runs the signature or stage of this name: inputs by name in, outputs out."""
        if name not in self._callables:
            self._callables[name] = self._interpreter.get_signature_runner(name)
        return self._callables[name]

    def _prepare_signature(self, length: int) -> _Signature:
        if length not in self._signatures:
            name = self._names[length]
            spec = self._artifact.signatures[name]
            self._signatures[length] = _Signature(
                run=self.find_callable(name),
                length=spec.length,
                inputs=tuple(item.name for item in spec.inputs),
                output=spec.outputs[0],
            )
        return self._signatures[length]


Output_co = TypeVar("Output_co", covariant=True)


class TextRunner(Protocol[Output_co]):
    """What gives an output for one text, for one caller at a time."""

    def run(self, encoding: Encoding, /) -> Output_co: ...


def run_encodings(
    runners: Sequence[TextRunner[Output_co]],
    encodings: Sequence[Encoding],
    step: Callable[[], None],
) -> list[Output_co]:
    """The outputs of `encodings` in their order; `step` is called after each.

    The longest come first: those of one length follow each other, and the threads, one for each
    runner, end at nearly the same time.
    """
    order = sorted(range(len(encodings)), key=lambda index: -len(encodings[index]))
    outputs: list[Any] = [None] * len(encodings)
    jobs = iter(order)  # `next` of a list's iterator is one step, so that threads may share it

    def work(runner: TextRunner[Output_co]) -> None:
        for index in jobs:
            outputs[index] = runner.run(encodings[index])
            step()

    if len(runners) == 1:
        work(runners[0])
    else:
        _run_in_threads(work, runners, jobs)
    return outputs


def _run_in_threads(
    work: Callable[[TextRunner[Output_co]], None],
    runners: Sequence[TextRunner[Output_co]],
    jobs: Iterator[int],
) -> None:
    with ThreadPoolExecutor(len(runners)) as pool:
        futures = [pool.submit(work, runner) for runner in runners]
        try:
            for future in futures:
                future.result()
        finally:
            for _ in jobs:  # after a fault or Ctrl-C the others stop when their text is done
                pass


def dequantize(values: np.ndarray[Any, Any], spec: TensorSpec) -> FloatArray:
    """A float32 copy of an output, dequantized where it has a scale."""
    if spec.scale is None:
        return values.astype(np.float32)
    centered = values.astype(np.float32) - np.float32(spec.zero_point or 0)
    return np.asarray(centered * np.float32(spec.scale), np.float32)


def open_interpreters(opened: OpenBundle, artifact: Artifact, count: int) -> list[Any]:
    """So many interpreters of an artifact's file, which is checked and mapped.

    Raises InputError where it is not the proven file, or not what the manifest says it is;
    MissingToolError without the runtime.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingToolError(
            "The runtime is missing: pip install ai-edge-litert (edge-bert depends on it)."
        ) from error
    source: dict[str, str | bytes]
    if open_file.HOLDS_FILES:
        source = {"model_path": opened.open_member(artifact.file).open_path}
    else:  # no open file could be named, so the bytes that were checked are given
        source = {"model_content": opened.read_member(artifact.file)}
    try:
        interpreters = [Interpreter(**source, num_threads=1) for _ in range(count)]
        own = read_signatures(interpreters[0])
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"{opened.folder / artifact.file} does not load ({one_line(error)}); build the bundle "
            "again."
        ) from error
    check_artifact(artifact, opened.manifest.model, own)
    return interpreters


def read_signatures(interpreter: Any) -> dict[str, Signature]:
    """The signatures of a file that a runtime has loaded, as a manifest has them."""
    signatures = {}
    for name in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(name)
        inputs, outputs = (
            tuple(_describe_tensor(name, details[name]) for name in sorted(details))
            for details in (runner.get_input_details(), runner.get_output_details())
        )
        lengths = [spec.shape[-1] for spec in inputs if spec.shape]
        length = max((length for length in lengths if length > 0), default=0)
        signatures[name] = Signature(length=length, inputs=inputs, outputs=outputs)
    return signatures


def _describe_tensor(name: str, detail: Mapping[str, Any]) -> TensorSpec:
    scales = detail["quantization_parameters"]["scales"]
    scale, zero_point = detail["quantization"] if len(scales) == 1 else (None, None)
    shape = detail["shape_signature"] if len(detail["shape_signature"]) else detail["shape"]
    return TensorSpec(
        name=name,
        dtype=np.dtype(detail["dtype"]).name,
        shape=tuple(map(int, shape)),
        scale=None if scale is None else float(scale),
        zero_point=None if zero_point is None else int(zero_point),
    )
