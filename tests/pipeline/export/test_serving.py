"""ONNX out for servers, with real conversions of a tiny model and the real onnxruntime."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from msgspec.structs import replace

from edge_bert.errors import InputError
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.export.export import export_model
from edge_bert.pipeline.export.options import ExportOptions
from edge_bert.records.onnx_export import OnnxExport
from tests.tiny import models

runtime = pytest.importorskip("onnxruntime", reason="pip install 'edge-bert[onnx]'")
onnx = pytest.importorskip("onnx", reason="pip install 'edge-bert[onnx]'")


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> ExportOptions:
    folder = tmp_path_factory.mktemp("serving")
    model = models.write(folder / "tiny.model", "bert", "mean-normalize")
    return ExportOptions(
        to="triton",
        model=str(model),
        recipes=("float32",),
        lengths=(8, 24),
        calibration_count=32,
        out=folder / "triton",
    )


@pytest.fixture(scope="module")
def repository(options: ExportOptions) -> tuple[Path, OnnxExport]:
    return options.folder, export_model(options)


def hashes_hold(folder: Path, export: OnnxExport) -> bool:
    files = (*export.artifacts, *export.files, *export.serving)
    return all(
        hashlib.sha256((folder / str(each.file)).read_bytes()).hexdigest() == each.sha256
        for each in files
    )


def test_triton_finds_the_model_where_it_looks(repository: tuple[Path, OnnxExport]) -> None:
    """models/NAME/1/model.onnx runs, and the manifest names every file with its hash."""
    folder, export = repository
    (only,) = export.artifacts
    (model,) = (folder / "models").iterdir()
    assert only.file == f"models/{model.name}/1/model.onnx"
    assert hashes_hold(folder, export)
    assert len(export.serving) == 4
    ids = np.arange(5, 14)[None]
    feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": 0 * ids}
    (answer,) = runtime.InferenceSession(str(folder / only.file)).run(None, feeds)
    assert np.isfinite(answer).all()


def test_the_example_is_a_request_for_the_model(
    repository: tuple[Path, OnnxExport], options: ExportOptions
) -> None:
    """Its tensors have the names, shape and type that the graph takes, and hold a sentence."""
    folder, export = repository
    sent = json.loads((folder / "request.json").read_text())
    feeds = {
        each["name"]: np.array(each["data"], np.int64).reshape(each["shape"])
        for each in sent["inputs"]
    }
    assert {each["datatype"] for each in sent["inputs"]} == {"INT64"}
    session = BuildSession.open(options.build_options)
    tokenizer = tokenizers.Tokenizer.from_file(str(session.checkpoint.tokenizer))
    text = session.calibration.held_out[0]
    assert feeds["input_ids"].tolist() == [tokenizer.encode(text).ids[:24]]
    path = folder / str(export.artifacts[0].file)
    (answer,) = runtime.InferenceSession(str(path)).run(None, feeds)
    assert np.linalg.norm(answer) == pytest.approx(1, abs=1e-4)
    assert f"/v2/models/{path.parents[1].name}/infer" in (folder / "README.md").read_text()


def test_the_configuration_fits_the_file(repository: tuple[Path, OnnxExport]) -> None:
    """Triton's definition reads it, and names, types and sizes are those of the ONNX graph."""
    protobuf = pytest.importorskip(
        "tritonclient.grpc.model_config_pb2", reason="pip install tritonclient grpcio"
    )
    from google.protobuf import text_format

    folder, export = repository
    path = folder / str(export.artifacts[0].file)
    text = (path.parents[1] / "config.pbtxt").read_text()
    config = text_format.Parse(text, protobuf.ModelConfig())
    session = runtime.InferenceSession(str(path))
    assert config.name == path.parents[1].name
    assert [each.name for each in config.input] == [each.name for each in session.get_inputs()]
    assert {each.type for each in session.get_inputs()} == {"tensor(int64)"}
    (output,) = session.get_outputs()
    assert (config.output[0].name, list(config.output[0].dims)) == (output.name, output.shape[1:])


def test_the_engine_has_a_place_of_its_own(repository: tuple[Path, OnnxExport]) -> None:
    """The repository that serves has a file for each model; the engine's says how to fill it."""
    folder, _ = repository
    (waiting,) = (folder / "tensorrt_models").iterdir()
    assert waiting.name.endswith("_tensorrt")
    assert (waiting / "1").is_dir()
    assert 'platform: "tensorrt_plan"' in (waiting / "config.pbtxt").read_text()
    assert f"tensorrt_models/{waiting.name}/1/model.plan" in (folder / "README.md").read_text()


def test_tensorrt_gets_symmetric_integers(options: ExportOptions, tmp_path: Path) -> None:
    """The file is near the float model on onnxruntime; its builder and scripts stand beside it."""
    export = export_model(replace(options, to="tensorrt", recipes=(), out=tmp_path / "engine"))
    (only,) = export.artifacts
    assert only.scores.drift is not None
    assert only.scores.drift.cosine_min > 0.98
    assert hashes_hold(tmp_path / "engine", export)
    names = {each.file for each in export.serving}
    assert names == {"build_engine.sh", "measure_engine.py", "engine.json"}
    assert str(only.file) in (tmp_path / "engine" / "build_engine.sh").read_text()
    graph = onnx.load(tmp_path / "engine" / str(only.file)).graph
    assert not any(each.data_type == onnx.TensorProto.UINT8 for each in graph.initializer)


def test_what_does_not_fit_is_refused(options: ExportOptions, tmp_path: Path) -> None:
    """Several forms for one server, and unsigned activations for TensorRT."""
    for to, recipes, words in (
        ("triton", ("float32", "float16"), "one file"),
        ("tensorrt", ("wi8_ai8_afp32",), "wi8_ai8_afp32_symmetric, float16"),
        ("coreml", (), "onnx, ort, triton, tensorrt"),
    ):
        with pytest.raises(InputError, match=words):
            export_model(replace(options, to=to, recipes=recipes, out=tmp_path / "none"))
    assert not (tmp_path / "none").exists()
