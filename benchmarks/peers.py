"""The peers of a comparison, and the settings of each."""

from __future__ import annotations

import importlib.util

from benchmarks.records import Fault, Peer

INSTALL = "pip install 'edge-bert[peers]'"
EXPORTED = ("torch", "onnx", "onnxruntime")
BUCKETS = "smallest length bucket that fits, padded; XNNPACK, 1 thread"
FREE_ORT = "length of the sentence, no padding; all graph optimisations, intra_op and inter_op 1"
FREE_OV = "length of the sentence, no padding; LATENCY hint, INFERENCE_NUM_THREADS 1"

PEERS = (
    Peer(
        name="tflite_float32",
        title="TFLite float32",
        kind="tflite",
        artifact="float32",
        settings=BUCKETS,
        needs=("ai_edge_litert",),
        is_float32=True,
    ),
    Peer(
        name="wi8_afp32",
        title="edge-bert wi8_afp32 (TFLite)",
        kind="tflite",
        artifact="wi8_afp32",
        settings=BUCKETS,
        needs=("ai_edge_litert",),
    ),
    Peer(
        name="wi8_ai8",
        title="edge-bert wi8_ai8 (TFLite)",
        kind="tflite",
        artifact="wi8_ai8",
        settings=BUCKETS,
        needs=("ai_edge_litert",),
    ),
    Peer(
        name="wi8_ai8_afp32",
        title="edge-bert wi8_ai8_afp32 (TFLite)",
        kind="tflite",
        artifact="wi8_ai8_afp32",
        settings=BUCKETS,
        needs=("ai_edge_litert",),
    ),
    Peer(
        name="ort_float32",
        title="ONNX Runtime float32",
        kind="onnx",
        format="onnx_float32",
        settings=FREE_ORT,
        needs=EXPORTED,
        is_float32=True,
    ),
    Peer(
        name="ort_dynamic_int8",
        title="ONNX Runtime dynamic int8",
        kind="onnx",
        format="onnx_int8",
        settings=f"quantize_dynamic, int8 weights per channel; {FREE_ORT}",
        needs=EXPORTED,
    ),
    Peer(
        name="openvino_float32",
        title="OpenVINO float32",
        kind="openvino",
        format="openvino_float32",
        settings=f"computes in float32; {FREE_OV}",
        needs=(*EXPORTED, "openvino"),
        precision="f32",
        is_float32=True,
    ),
    Peer(
        name="openvino_default",
        title="OpenVINO float, precision of its choice",
        kind="openvino",
        format="openvino_float32",
        settings=f"the float32 file, computed in what OpenVINO takes here; {FREE_OV}",
        needs=(*EXPORTED, "openvino"),
    ),
    Peer(
        name="nncf_static_int8",
        title="OpenVINO, NNCF static int8",
        kind="openvino",
        format="openvino_int8",
        settings="model_type transformer, calibrated as edge-bert is by default; "
        f"the rest in what OpenVINO takes here; {FREE_OV}",
        needs=(*EXPORTED, "openvino", "nncf"),
    ),
)


def find_missing_modules(peer: Peer) -> Fault | None:
    """The modules that `peer` lacks on this machine, with the command that installs them."""
    lacking = [module for module in peer.needs if importlib.util.find_spec(module) is None]
    if not lacking:
        return None
    return Fault("not run", f"{INSTALL} (lacks {', '.join(lacking)})")
