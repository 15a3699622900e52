"""ONNX out for servers: a model repository for Triton, or what builds a TensorRT engine."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.export.onnx_files import ExportFile
from edge_bert.records.onnx_export import ServingFile
from edge_bert.serving import tensorrt, triton
from edge_bert.store import content_store
from edge_bert.store.digest import sha256_hex

MAX_BATCH = 32
ONNX_MODELS, TENSORRT_MODELS = "models", "tensorrt_models"


def arrange_triton(
    session: BuildSession, folder: Path, files: list[ExportFile]
) -> tuple[list[ExportFile], tuple[ServingFile, ...]]:
    """A model repository that serves the first file, and one that waits for an engine.

    Two repositories, because a server does not start with a model whose file is not there. `files`
    come back where they are then.
    """
    served = _served_model(session)
    path = triton.write_repository(folder / ONNX_MODELS, served, "onnxruntime_onnx")
    files[0].path.rename(path)
    waiting = dataclasses.replace(served, name=f"{served.name}_tensorrt")
    engine = triton.write_repository(folder / TENSORRT_MODELS, waiting, "tensorrt_plan")
    readme = folder / "README.md"
    content_store.write_atomic(readme, _readme(served, engine.relative_to(folder)).encode())
    example = folder / "request.json"
    content_store.write_atomic(example, _example_request(session))
    serving = (
        _describe(folder, path.parents[1] / triton.CONFIG, "Triton's configuration"),
        _describe(folder, engine.parents[1] / triton.CONFIG, "the same for a TensorRT engine"),
        _describe(folder, readme, "how to serve the model, and to fill the engine's place"),
        _describe(folder, example, "a sentence as a request for the server"),
    )
    return [dataclasses.replace(files[0], path=path), *files[1:]], serving


def arrange_tensorrt(
    session: BuildSession, folder: Path, files: list[ExportFile]
) -> tuple[list[ExportFile], tuple[ServingFile, ...]]:
    """TensorRT's build command for the first file and a script that measures the engine."""
    weights = session.weights
    engine = tensorrt.plan_engine(
        files[0].path.name,
        weights.input_names,
        weights.output_name,
        vocabulary=weights.config.vocabulary,
        lengths=session.lengths,
        max_batch=MAX_BATCH,
    )
    purposes = ("TensorRT's build command", "builds and times the engine", "its shapes")
    paths = tensorrt.write_engine_files(folder, engine)
    serving = [
        _describe(folder, path, purpose) for path, purpose in zip(paths, purposes, strict=True)
    ]
    return files, tuple(serving)


def _served_model(session: BuildSession) -> triton.ServedModel:
    weights = session.weights
    return triton.ServedModel(
        name=triton.folder_name(session.checkpoint.name),
        inputs=weights.input_names,
        output=weights.output_name,
        width=weights.output_width,
        max_batch=MAX_BATCH,
    )


def _example_request(session: BuildSession) -> bytes:
    """A held-out sentence as a request."""
    (row,) = session.encode_inputs(session.calibration.held_out[:1])
    return triton.triton_request({name: values[0].tolist() for name, values in row.items()})


def _readme(served: triton.ServedModel, engine: Path) -> str:
    return f"""# {served.name} on Triton Inference Server

    tritonserver --model-repository=$PWD/{ONNX_MODELS}

Requests give token ids, made with `tokenizer.json`: {", ".join(served.inputs)}, int64
[batch, length]; the answer is {served.output}, float32 [batch, {served.width}]. Requests of one
length are run together, up to {served.max_batch}: pad to a few lengths, with 0 in the mask.
`request.json` is such a request:

    curl --data @request.json http://localhost:8000/v2/models/{served.name}/infer

A TensorRT engine fits one kind of GPU and one version of TensorRT, so it must be built where it
runs: `edge-bert export --to tensorrt`, then `build_engine.sh` there, with the version of TensorRT
that the server has. Put its `model.plan` at `{engine.as_posix()}` and add
`--model-repository=$PWD/{TENSORRT_MODELS}`; until then the server would refuse to start with it.
"""


def _describe(folder: Path, path: Path, purpose: str) -> ServingFile:
    data = path.read_bytes()
    name = path.relative_to(folder).as_posix()
    return ServingFile(file=name, sha256=sha256_hex(data), size_bytes=len(data), purpose=purpose)
