"""ONNX out for servers: a model repository for Triton, or what builds a TensorRT engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from edge_bert.errors import InputError
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.export.onnx_files import SYMMETRIC, Arrange, Made, export_onnx
from edge_bert.progress import Progress, no_progress
from edge_bert.records.onnx_export import OnnxExport, ServingFile
from edge_bert.serving import tensorrt, triton
from edge_bert.store import content_store
from edge_bert.store.digest import sha256_hex

DEFAULT_FORM = "wi8_ai8_afp32"
TENSORRT_FORMS = (SYMMETRIC, "float16", "float32")
MAX_BATCH = 32
ONNX_MODELS, TENSORRT_MODELS = "models", "tensorrt_models"


def export_triton(
    session: BuildSession,
    *,
    forms: Sequence[str] = (),
    compare: bool = False,
    progress: Progress = no_progress,
) -> OnnxExport:
    """A model repository that serves one form of the model, and one that waits for an engine.

    Two repositories, because a server does not start with a model whose file is not there.
    """
    if len(forms) > 1:
        raise InputError("--to triton serves one form; give --recipes one of them.")
    wanted = list(forms) or [DEFAULT_FORM]
    arrange = _triton(session)
    return export_onnx(session, forms=wanted, compare=compare, arrange=arrange, progress=progress)


def export_tensorrt(
    session: BuildSession,
    *,
    forms: Sequence[str] = (),
    compare: bool = False,
    progress: Progress = no_progress,
) -> OnnxExport:
    """One file that TensorRT takes, its build command and a script that measures the engine.

    By default the QDQ file with symmetric activations: TensorRT has no other zero point than 0.
    """
    wanted = list(forms) or [SYMMETRIC]
    if len(wanted) > 1 or wanted[0] not in TENSORRT_FORMS:
        raise InputError(f"--to tensorrt takes one of the forms {', '.join(TENSORRT_FORMS)}.")
    arrange = _tensorrt(session)
    return export_onnx(session, forms=wanted, compare=compare, arrange=arrange, progress=progress)


def _triton(session: BuildSession) -> Arrange:
    def arrange(scratch: Path, made: list[Made]) -> tuple[list[Made], tuple[ServingFile, ...]]:
        ours, *others = made
        served = _served(session)
        place = triton.write_repository(scratch / ONNX_MODELS, served, "onnxruntime_onnx")
        ours.path.rename(place)
        waiting = dataclasses.replace(served, name=f"{served.name}_tensorrt")
        slot = triton.write_repository(scratch / TENSORRT_MODELS, waiting, "tensorrt_plan")
        readme = scratch / "README.md"
        content_store.write_atomic(readme, _readme(served, slot.relative_to(scratch)).encode())
        example = scratch / "request.json"
        content_store.write_atomic(example, _example(session))
        files = (
            _file(scratch, place.parents[1] / triton.CONFIG, "Triton's configuration"),
            _file(scratch, slot.parents[1] / triton.CONFIG, "the same for a TensorRT engine"),
            _file(scratch, readme, "how to serve the model, and to fill the engine's place"),
            _file(scratch, example, "a sentence as a request for the server"),
        )
        return [dataclasses.replace(ours, path=place), *others], files

    return arrange


def _tensorrt(session: BuildSession) -> Arrange:
    def arrange(scratch: Path, made: list[Made]) -> tuple[list[Made], tuple[ServingFile, ...]]:
        weights = session.weights
        shapes = tensorrt.plan_engine(
            made[0].path.name,
            weights.input_names,
            weights.output_name,
            vocabulary=weights.config.vocabulary,
            lengths=session.lengths,
            max_batch=MAX_BATCH,
        )
        purposes = ("TensorRT's build command", "builds and times the engine", "its shapes")
        paths = tensorrt.write_engine_files(scratch, shapes)
        files = (_file(scratch, *pair) for pair in zip(paths, purposes, strict=True))
        return made, tuple(files)

    return arrange


def _served(session: BuildSession) -> triton.ServedModel:
    weights = session.weights
    return triton.ServedModel(
        name=triton.folder_name(session.checkpoint.name),
        inputs=weights.input_names,
        output=weights.output_name,
        width=len(weights.head.labels) or weights.config.hidden,
        max_batch=MAX_BATCH,
    )


def _example(session: BuildSession) -> bytes:
    """A held-out sentence as a session."""
    (row,) = session.encode_inputs(session.calibration.held_out[:1])
    return triton.triton_request({name: values[0].tolist() for name, values in row.items()})


def _readme(served: triton.ServedModel, slot: Path) -> str:
    return f"""# {served.name} on Triton Inference Server

    tritonserver --model-repository=$PWD/{ONNX_MODELS}

Requests give token ids, made with `tokenizer.json`: {", ".join(served.inputs)}, int64
[batch, length]; the answer is {served.output}, float32 [batch, {served.width}]. Requests of one
length are run together, up to {served.max_batch}: pad to a few lengths, with 0 in the mask.
`request.json` is such a session:

    curl --data @request.json http://localhost:8000/v2/models/{served.name}/infer

A TensorRT engine fits one kind of GPU and one version of TensorRT, so it must be built where it
runs: `edge-bert export --to tensorrt`, then `build_engine.sh` there, with the version of TensorRT
that the server has. Put its `model.plan` at `{slot.as_posix()}` and add
`--model-repository=$PWD/{TENSORRT_MODELS}`; until then the server would refuse to start with it.
"""


def _file(scratch: Path, path: Path, purpose: str) -> ServingFile:
    data = path.read_bytes()
    name = path.relative_to(scratch).as_posix()
    return ServingFile(file=name, sha256=sha256_hex(data), size_bytes=len(data), purpose=purpose)
