"""Write a peer's model file; a process of its own, started by `processes.py`.

Reads one WriteOrder as JSON from standard input. Exit status 1 with the reason as the last line
on standard error when the peer's own tools fail.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import msgspec

from benchmarks.arrays import make_int64_inputs
from benchmarks.records import FileFormat, WriteOrder
from edge_bert.devices.host import CPUINFO, parse_cpuinfo_fields
from edge_bert.records.checkpoint import Task

OPSET = 17
EXAMPLE_TOKENS = 14


def main() -> int:
    """Do what the order says; 0 if the file is there."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=WriteOrder)
    try:
        WRITERS[order.format](order)
    except Exception as error:  # whatever the tools throw must reach the caller as a line
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        sys.stderr.write(f"\n{reason}\n")
        return 1
    return 0


def write_onnx_float32(order: WriteOrder) -> None:
    """The checkpoint as ONNX with a free number of tokens, through torch.onnx.export.

    The tracing exporter with eager attention, because ONNX Runtime then fuses whole attention
    blocks, which it does not do in what torch.export gives (torch 2.13, onnxruntime 1.31).
    """
    import torch

    example = torch.arange(1, EXAMPLE_TOKENS + 1)[None]
    ones, zeros = torch.ones_like(example), torch.zeros_like(example)
    tensors = {"input_ids": example, "attention_mask": ones, "token_type_ids": zeros}
    names = list(order.input_names)
    output = "logits" if order.head.task is Task.CLASSIFICATION else "last_hidden_state"
    free = names if output == "logits" else [*names, output]
    torch.onnx.export(
        _first_output(_transformers_model(order), names),
        tuple(tensors[name] for name in names),
        order.target,
        input_names=names,
        output_names=[output],
        dynamic_axes={name: {1: "tokens"} for name in free},
        opset_version=OPSET,
        dynamo=False,
    )


def _transformers_model(order: WriteOrder) -> Any:
    import transformers

    transformers.utils.logging.disable_progress_bar()
    classifier = order.head.task is Task.CLASSIFICATION
    kind = "AutoModelForSequenceClassification" if classifier else "AutoModel"
    return getattr(transformers, kind).from_pretrained(
        order.source,
        attn_implementation="eager",
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
    )


def _first_output(model: Any, names: list[str]) -> Any:
    """The model with inputs in the order of `names` and its first output alone."""
    import torch

    class FirstOutput(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: Any) -> Any:
            return self.model(**dict(zip(names, tensors, strict=True)), return_dict=False)[0]

    return FirstOutput().eval()


def write_onnx_int8(order: WriteOrder) -> None:
    """Dynamic quantization: int8 weights per channel, uint8 activations at run time.

    Products of uint8 and int8 overflow 16 bits on x86 without VNNI, which ONNX Runtime's manual
    answers with weights of 7 bits (`reduce_range`).
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        order.source,
        order.target,
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=_lacks_vnni(),
    )


def _lacks_vnni() -> bool:
    text = CPUINFO.read_text(encoding="utf-8", errors="replace") if CPUINFO.exists() else ""
    flags = parse_cpuinfo_fields(text).get("flags", "")
    return bool(flags) and "vnni" not in flags


def write_openvino_float32(order: WriteOrder) -> None:
    """OpenVINO's own form of the ONNX file, its weights left in float32."""
    import openvino

    model = openvino.convert_model(order.source)
    openvino.save_model(model, order.target, compress_to_fp16=False)


def write_openvino_int8(order: WriteOrder) -> None:
    """NNCF's static quantization with its transformer preset, on the calibration set."""
    import nncf
    import openvino

    rows = [make_int64_inputs(sentence, order.input_names) for sentence in order.calibration]
    quantized = nncf.quantize(
        openvino.convert_model(order.source),
        nncf.Dataset(rows),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(rows),
    )
    openvino.save_model(quantized, order.target)


WRITERS: dict[FileFormat, Callable[[WriteOrder], None]] = {
    "onnx_float32": write_onnx_float32,
    "onnx_int8": write_onnx_int8,
    "openvino_float32": write_openvino_float32,
    "openvino_int8": write_openvino_int8,
}


if __name__ == "__main__":
    sys.exit(main())
