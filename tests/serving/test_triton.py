"""Triton's model repositories, read with Triton's own protobuf definition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_bert.serving import triton

model_config = pytest.importorskip(
    "tritonclient.grpc.model_config_pb2",
    reason="needs Triton's protobuf definition: pip install tritonclient grpcio",
)
text_format = pytest.importorskip("google.protobuf.text_format")
SERVED = triton.ServedModel("mini", ("input_ids", "attention_mask"), "embedding", 384, 32)


def parsed(served: triton.ServedModel, platform: triton.Platform) -> Any:
    return text_format.Parse(triton.triton_config(served, platform), model_config.ModelConfig())


def test_triton_reads_what_was_meant() -> None:
    """Names, types, sizes without the batch, dynamic batching: as Triton understands them."""
    found = parsed(SERVED, "onnxruntime_onnx")
    assert (found.name, found.platform, found.max_batch_size) == ("mini", "onnxruntime_onnx", 32)
    assert found.default_model_filename == "model.onnx"
    assert [(each.name, list(each.dims)) for each in found.input] == [
        ("input_ids", [-1]),
        ("attention_mask", [-1]),
    ]
    assert {each.data_type for each in found.input} == {model_config.TYPE_INT64}
    (output,) = found.output
    assert (output.name, output.data_type, list(output.dims)) == (
        "embedding",
        model_config.TYPE_FP32,
        [384],
    )
    assert found.HasField("dynamic_batching")
    (group,) = found.instance_group
    assert (group.count, group.kind) == (1, model_config.ModelInstanceGroup.KIND_AUTO)


def test_an_engine_is_served_on_gpus() -> None:
    """The TensorRT variant names its platform, its file and the GPU."""
    found = parsed(SERVED, "tensorrt_plan")
    assert (found.platform, found.default_model_filename) == ("tensorrt_plan", "model.plan")
    assert found.instance_group[0].kind == model_config.ModelInstanceGroup.KIND_GPU


@pytest.mark.parametrize("name", ['a"b', "back\\slash", "new\nline", "ü{}", "]\x00#"])
def test_names_cannot_leave_their_string(name: str) -> None:
    """A tensor's name, which may come from a stranger's file, stays one string."""
    served = triton.ServedModel("mini", (name,), name, 2, 1)
    found = parsed(served, "onnxruntime_onnx")
    (tensor,) = found.input
    assert tensor.name == "".join("_" if each < " " else each for each in name)
    assert found.max_batch_size == 1


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        ("all-MiniLM-L6-v2", "all-MiniLM-L6-v2"),
        ("../a b/ü", "a_b"),
        ("/..", "model"),
        ("", "model"),
    ],
)
def test_a_models_name_becomes_a_folder(model: str, folder: str) -> None:
    """No separator, dot or space is left."""
    assert triton.folder_name(model) == folder


def test_the_repository_has_a_version(tmp_path: Path) -> None:
    """The model's file belongs into the folder of version 1, beside the configuration."""
    place = triton.write_repository(tmp_path, SERVED, "onnxruntime_onnx")
    assert place == tmp_path / "mini" / "1" / "model.onnx"
    assert place.parent.is_dir()
    assert (tmp_path / "mini" / "config.pbtxt").is_file()
