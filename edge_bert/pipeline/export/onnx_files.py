"""ONNX out: a model in, checked and scored ONNX files out, beside onnxruntime's own quantizers."""

from __future__ import annotations

import platform
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_bert.bundle import atomic_folder
from edge_bert.bundle.manifest import FILE
from edge_bert.data.buckets import pad_encoding
from edge_bert.data.tokenizing import Encoding, Tokenizer
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError, MissingToolError, VerificationError
from edge_bert.evaluate.drift import measure_drift
from edge_bert.evaluate.outputs import finish_outputs
from edge_bert.pipeline.build import bundle_files
from edge_bert.pipeline.build.scoring import score_model
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.progress import Progress, no_progress
from edge_bert.quantize.onnx import ort_quantizer
from edge_bert.quantize.onnx.convert import MISSING, write_float_onnx, write_int8_onnx
from edge_bert.quantize.onnx.ort_format import to_ort
from edge_bert.records.bundle import Scores
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.onnx_export import (
    FORMAT_VERSION,
    OnnxArtifact,
    OnnxExport,
    OnnxTiming,
    ServingFile,
)
from edge_bert.records.profile import Runtime
from edge_bert.runtimes import onnxruntime
from edge_bert.store import content_store
from edge_bert.store.digest import sha256_hex

FORMS = ("float32", "float16", "wi8_ai8_afp32")
SYMMETRIC = "wi8_ai8_afp32_symmetric"  # only for TensorRT: elsewhere the other is more exact
TOKENS = (14, 128)  # a typical sentence, and the longest bucket
TOLERANCE = 1e-4
OURS = "edge-bert"


@dataclass(frozen=True)
class Made:
    """A file on disk; `kept` says that it is part of the export."""

    name: str
    maker: str
    path: Path
    kept: bool


# Puts the files of a folder where a server looks for them, and writes what it needs beside them.
Arrange = Callable[[Path, list[Made]], tuple[list[Made], tuple[ServingFile, ...]]]


def as_made(_: Path, made: list[Made]) -> tuple[list[Made], tuple[ServingFile, ...]]:
    """All files side by side."""
    return made, ()


def export_onnx(
    session: BuildSession,
    *,
    forms: Sequence[str] = FORMS,
    ort: bool = False,
    compare: bool = False,
    arrange: Arrange = as_made,
    progress: Progress = no_progress,
) -> OnnxExport:
    """Write the `forms` of the request's model into its folder, with `.ort` files if asked.

    With `compare`, onnxruntime's dynamic and static quantization of the same model are made too,
    scored and timed in the same run, and not kept. Raises VerificationError when the float32 file
    is not the float model, MissingToolError without the extra.
    """
    _check(forms)
    with (
        atomic_folder.replace_folder(session.folder) as scratch,
        tempfile.TemporaryDirectory() as aside,
    ):
        made = [_ours(session, form, scratch, progress) for form in forms]
        if ort:
            progress("ort: writing onnxruntime's own format")
            made += [_in_ort_format(each) for each in made]
        if compare:
            made += _theirs(session, Path(aside), progress)
        made, serving = arrange(scratch, made)
        found = _manifest(session, made, serving, scratch, progress)
        content_store.write_atomic(scratch / FILE, content_store.encode_json(found))
    return found


def _check(forms: Sequence[str]) -> None:
    unknown = [form for form in forms if form not in (*FORMS, SYMMETRIC)]
    if unknown:
        raise InputError(
            f"No ONNX form is called {unknown[0]!r}; there are {', '.join((*FORMS, SYMMETRIC))}."
        )
    for package in ("onnx", "onnxruntime"):
        try:
            metadata.version(package)
        except metadata.PackageNotFoundError as error:
            raise MissingToolError(MISSING) from error


def _ours(session: BuildSession, form: str, target: Path, progress: Progress) -> Made:
    progress(f"{form}: writing the ONNX graph")
    weights = session.weights
    makers: dict[str, Callable[[], bytes]] = {
        "float32": lambda: write_float_onnx(weights),
        "float16": lambda: write_float_onnx(weights, "float16"),
        "wi8_ai8_afp32": lambda: write_int8_onnx(session.calibrated),
        SYMMETRIC: lambda: write_int8_onnx(session.calibrated, signed=True),
    }
    path = target / f"{form}.onnx"
    path.write_bytes(makers[form]())
    return Made(form, OURS, path, kept=True)


def _in_ort_format(made: Made) -> Made:
    path = made.path.with_suffix(".ort")
    to_ort(made.path, path)
    return Made(f"{made.name}.ort", OURS, path, kept=True)


def _theirs(session: BuildSession, aside: Path, progress: Progress) -> list[Made]:
    """onnxruntime's int8 of our float32 file on our calibration set: dynamic, and static of all
    operators and of those that we quantize."""
    source = aside / "float32.onnx"
    source.write_bytes(write_float_onnx(session.weights))
    progress("onnxruntime: its own dynamic and static quantization, to compare with")
    sentences = session.calibration_inputs
    makers: dict[str, Callable[[Path], None]] = {
        "dynamic int8": lambda path: ort_quantizer.quantize_dynamic(source, path),
        "static int8": lambda path: ort_quantizer.quantize_static(source, path, sentences),
        "static int8 of matrices": lambda path: ort_quantizer.quantize_static(
            source, path, sentences, ort_quantizer.MATRICES
        ),
    }
    found = []
    for name, make in makers.items():
        path = aside / f"{name.replace(' ', '_')}.onnx"
        make(path)
        maker = f"onnxruntime {metadata.version('onnxruntime')}"
        found.append(Made(name, maker, path, kept=False))
    return found


def _manifest(
    session: BuildSession,
    made: Sequence[Made],
    serving: tuple[ServingFile, ...],
    scratch: Path,
    progress: Progress,
) -> OnnxExport:
    tokenizer = session.tokenizer
    progress("timing all files in turn, one thread")
    timed = onnxruntime.time_onnx_files({each.name: each.path for each in made}, _tokens(session))
    expected = _expected(session, tokenizer)
    return OnnxExport(
        format_version=FORMAT_VERSION,
        model=bundle_files.model_info(session),
        calibration=session.calibration.info,
        runtime=Runtime(name="onnxruntime", version=metadata.version("onnxruntime")),
        artifacts=tuple(
            _artifact(session, each, scratch, tokenizer, expected, timed[each.name], progress)
            for each in made
        ),
        files=bundle_files.write_tokenizer_files(session, scratch),
        tool_versions={
            name: metadata.version(name) for name in ("edge-bert", "numpy", "onnx", "onnxruntime")
        },
        machine=f"{platform.machine()} {platform.system()}",
        serving=serving,
    )


def _tokens(session: BuildSession) -> list[int]:
    return [count for count in TOKENS if count <= max(session.lengths)] or [max(session.lengths)]


def _artifact(
    session: BuildSession,
    made: Made,
    scratch: Path,
    tokenizer: Tokenizer,
    expected: FloatArray,
    timed: Mapping[int, Sequence[float]],
    progress: Progress,
) -> OnnxArtifact:
    progress(f"{made.name}: running the held-out sentences")
    weights = session.weights

    def outputs_of(texts: Sequence[str], pairs: Sequence[str] | None) -> FloatArray:
        encodings = tokenizer.encode_batch(texts, pairs)
        return _outputs(weights, made.path, encodings, tokenizer.pad_id)

    held_out = outputs_of(session.calibration.held_out, None)
    difference = float(np.abs(held_out - expected).max())
    if made.name == "float32" and not difference <= TOLERANCE:
        raise VerificationError(f"float32.onnx differs from the float model by {difference:.1e}.")
    data = made.path.read_bytes()
    labels = tuple(
        score_model(each, session.checkpoint.head, outputs_of) for each in session.evaluation_sets
    )
    return OnnxArtifact(
        name=made.name,
        maker=made.maker,
        file=made.path.relative_to(scratch).as_posix() if made.kept else None,
        sha256=sha256_hex(data),
        size_bytes=len(data),
        operators=_operators(made.path),
        scores=Scores(drift=measure_drift(held_out, expected), labels=labels),
        difference=difference if made.name.startswith("float32") else None,
        timings=tuple(
            OnnxTiming(tokens=tokens, median_ms=statistics.median(runs), runs_ms=tuple(runs))
            for tokens, runs in timed.items()
        ),
    )


def _expected(session: BuildSession, tokenizer: Tokenizer) -> FloatArray:
    """Finished outputs of the float encoder in numpy, which no converter has touched."""
    from edge_bert.encoder.numpy_forward import run_encoder

    weights = session.weights
    encodings = tokenizer.encode_batch(session.calibration.held_out)
    rows = _rows(weights, encodings, tokenizer.pad_id)
    return finish_outputs(run_encoder(weights, rows), weights.head)


def _outputs(
    weights: EncoderWeights, path: Path, encodings: Sequence[Encoding], pad_id: int
) -> FloatArray:
    rows = [
        {name: values[0] for name, values in row.items()}
        for row in _rows(weights, encodings, pad_id)
    ]
    found = onnxruntime.run_onnx_model(path, rows, weights.output_name)
    return finish_outputs(np.stack([each.reshape(-1) for each in found]), weights.head)


def _rows(
    weights: EncoderWeights, encodings: Sequence[Encoding], pad_id: int
) -> list[dict[str, npt.NDArray[np.int32]]]:
    """Inputs [1, n] of every sentence, without padding."""
    return [pad_encoding(each, len(each), pad_id, weights.input_names) for each in encodings]


def _operators(path: Path) -> dict[str, int]:
    """How many nodes of each kind; none for `.ort`, which onnx does not read."""
    if path.suffix != ".onnx":
        return {}
    import onnx

    nodes = onnx.load(path, load_external_data=False).graph.node
    return dict(sorted(Counter(node.op_type for node in nodes).items()))
