"""The scores of ONNX files: drift, agreement with labels, and times on onnxruntime."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from edge_bert.data.buckets import encode_unpadded, pad_encoding
from edge_bert.data.tokenizing import Encoding
from edge_bert.errors import VerificationError
from edge_bert.evaluate.drift import measure_drift
from edge_bert.evaluate.outputs import finish_texts
from edge_bert.pipeline.build.scoring.score_labels import score_model
from edge_bert.pipeline.build.scoring.score_tokens import score_tokens
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.export.onnx_files import ExportFile
from edge_bert.progress import Progress
from edge_bert.records.bundle import Scores
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.onnx_export import OnnxArtifact, OnnxTiming
from edge_bert.runtimes import onnxruntime
from edge_bert.store.digest import sha256_hex

TOKENS = (14, 128)  # a typical sentence, and the longest bucket
TOLERANCE = 1e-4
SATURATED = (
    "this processor has no VNNI, and onnxruntime's sums of int8 products of .ort files overflow "
    "here: scores on phones are those of the .onnx file"
)
Inputs = Mapping[str, npt.NDArray[np.int32]]


def score_files(
    session: BuildSession, files: Sequence[ExportFile], folder: Path, progress: Progress
) -> tuple[OnnxArtifact, ...]:
    """The manifest's entry of every file, timed in turn with the others on one thread.

    Raises VerificationError where the float32 file is not the float model.
    """
    progress("timing all files in turn, one thread")
    longest = max(session.lengths)
    tokens = [count for count in TOKENS if count <= longest] or [longest]
    timed = onnxruntime.time_onnx_files({file.name: file.path for file in files}, tokens)
    expected = _float_outputs(session)
    artifacts = []
    for file in files:
        progress(f"{file.name}: running the held-out sentences")
        artifact = _score_file(session, file, expected, timed[file.name])
        if file.kept:
            name = file.path.relative_to(folder).as_posix()
            artifact = msgspec.structs.replace(artifact, file=name)
        artifacts.append(artifact)
    return tuple(artifacts)


def _score_file(
    session: BuildSession,
    file: ExportFile,
    expected: FloatArray,
    timed: Mapping[int, Sequence[float]],
) -> OnnxArtifact:
    def outputs_of(texts: Sequence[str], pairs: Sequence[str] | None) -> FloatArray:
        return _onnx_outputs(session, file.path, _encode(session, texts, pairs))

    def rows_of(windows: Sequence[Encoding]) -> list[FloatArray]:
        names, pad_id = session.weights.input_names, session.tokenizer.pad_id
        rows = [pad_encoding(window, len(window), pad_id, names) for window in windows]
        return _run_onnx(session, file.path, rows)

    held_out = outputs_of(session.calibration.held_out, None)
    difference = float(np.abs(held_out - expected).max())
    if file.name == "float32" and not difference <= TOLERANCE:
        raise VerificationError(f"float32.onnx differs from the float model by {difference:.1e}.")
    head = session.checkpoint.head
    labels = tuple(
        score
        for labelled in session.evaluation_sets
        for score in (
            score_tokens(labelled, head, session.tokenizer, rows_of)
            if head.gives_tokens
            else score_model(labelled, head, outputs_of)
        )
    )
    data = file.path.read_bytes()
    return OnnxArtifact(
        name=file.name,
        maker=file.maker,
        sha256=sha256_hex(data),
        size_bytes=len(data),
        operators=_count_operators(file.path),
        scores=Scores(drift=measure_drift(held_out, expected), labels=labels),
        difference=difference if file.name.startswith("float32") else None,
        timings=tuple(
            OnnxTiming(tokens=tokens, median_ms=statistics.median(runs), runs_ms=tuple(runs))
            for tokens, runs in timed.items()
        ),
        warnings=(SATURATED,) if _is_saturated(file) else (),
    )


def _is_saturated(file: ExportFile) -> bool:
    return "wi8" in file.name and onnxruntime.saturates_int8(file.path)


def _float_outputs(session: BuildSession) -> FloatArray:
    """Finished outputs of the float encoder in numpy, which no converter has touched."""
    from edge_bert.encoder.numpy_forward import run_sentences

    rows = _encode(session, session.calibration.held_out)
    return finish_texts(run_sentences(session.weights, rows), session.weights.head)


def _onnx_outputs(session: BuildSession, path: Path, rows: Sequence[Inputs]) -> FloatArray:
    return finish_texts(_run_onnx(session, path, rows), session.weights.head)


def _run_onnx(session: BuildSession, path: Path, rows: Sequence[Inputs]) -> list[FloatArray]:
    """The raw output of every row, inputs [1, n], without the dimension of the batch."""
    unbatched = [{name: values[0] for name, values in row.items()} for row in rows]
    return onnxruntime.run_onnx_model(path, unbatched, session.weights.output_name)


def _encode(
    session: BuildSession, texts: Sequence[str], pairs: Sequence[str] | None = None
) -> list[dict[str, npt.NDArray[np.int32]]]:
    """Inputs [1, n] of every text, without padding."""
    return encode_unpadded(session.tokenizer, session.weights.input_names, texts, pairs)


def _count_operators(path: Path) -> dict[str, int]:
    """The number of nodes of each kind; none for `.ort`, which onnx does not read."""
    if path.suffix != ".onnx":
        return {}
    import onnx

    nodes = onnx.load(path, load_external_data=False).graph.node
    return dict(sorted(Counter(node.op_type for node in nodes).items()))
