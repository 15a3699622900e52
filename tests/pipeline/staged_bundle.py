"""A bundle with exits in milliseconds: stages over shared tables, float32 or with integer rows.

Its layers add a vector to every token's row; an answer is the sum of a text's rows times a matrix.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edge_bert.bundle import manifest as manifests
from edge_bert.formats.tflite import flatbuffer
from edge_bert.records.bundle import Artifact, DefaultChoice, Manifest, Signature, Stage
from edge_bert.records.checkpoint import FloatArray, Head, Task
from edge_bert.records.exits import ExitPoint, ExitRule
from edge_bert.store.digest import sha256_hex
from tests.pipeline.small_bundle import lettered_bundle
from tests.pipeline.small_encoder import WORDS
from tests.runtimes.op_models import Step, Tensor, graph, options_of

LENGTHS, ENDS = (8, 16), (2, 4, 6)
WIDTH, LABELS = 16, 3
RANDOM = np.random.default_rng(3)
TABLE = RANDOM.standard_normal((WORDS, WIDTH)).astype(np.float32)
SHIFTS = 0.5 * RANDOM.standard_normal((len(ENDS), WIDTH)).astype(np.float32)
MATRICES = 0.4 * RANDOM.standard_normal((len(ENDS), LABELS, WIDTH)).astype(np.float32)
SURE = RANDOM.standard_normal((len(ENDS), 1, WIDTH)).astype(np.float32)
ROW_SCALE, OUTPUT_SCALE, OUTPUT_ZERO = 0.05, 0.125, -3
CLASSES = Head(Task.CLASSIFICATION, labels=("a", "b", "c"), activation="softmax")
VECTORS = Head(Task.EMBEDDING, normalize=True)
CONFIDENCE = ExitRule(
    "confidence", (ExitPoint(2, 1.5, 0.7), ExitPoint(4, 2.0, 0.8)), wanted_agreement=0.99
)
PATIENCE = ExitRule("patience", (ExitPoint(2), ExitPoint(4)), 0.99, patience=1)
AGREEMENT = ExitRule(
    "agreement", (ExitPoint(2, threshold=0.9), ExitPoint(4, threshold=0.6)), wanted_agreement=0.98
)


def staged_bundle(
    folder: Path,
    *,
    rule: ExitRule | None = CONFIDENCE,
    integer: bool = False,
    profile: str = "pixel-9",
) -> Path:
    """Write the bundle to `folder`/`profile`; gives that folder. It has classes, or vectors where
    the rule is of agreement."""
    bundle = lettered_bundle(folder, profile)
    vectors = rule is not None and rule.kind == "agreement"
    data = staged_encoder(integer=integer, vectors=vectors)
    manifest = manifests.read_manifest(bundle)
    (artifact,) = manifest.artifacts
    (bundle / artifact.file).unlink()
    (bundle / "staged.tflite").write_bytes(data)
    artifact = msgspec.structs.replace(
        artifact,
        file="staged.tflite",
        sha256=sha256_hex(data),
        size_bytes=len(data),
        signatures=_describe(data, f"encode_{LENGTHS[0]}", f"encode_{LENGTHS[1]}"),
        stages=_describe_stages(data),
    )
    model = msgspec.structs.replace(manifest.model, head=VECTORS if vectors else CLASSES)
    write_manifest(
        bundle,
        msgspec.structs.replace(
            manifest,
            model=model,
            artifacts=(artifact,),
            default=DefaultChoice(artifact.name, "the only one"),
            exits=rule,
        ),
    )
    return bundle


def write_manifest(bundle: Path, manifest: Manifest) -> None:
    """Write `manifest` as the bundle's."""
    (bundle / manifests.FILE).write_bytes(manifests.encode_manifest(manifest))


def change_artifact(bundle: Path, **values: Any) -> Artifact:
    """Let the manifest say other things of its artifact."""
    manifest = manifests.read_manifest(bundle)
    artifact = msgspec.structs.replace(manifest.artifacts[0], **values)
    write_manifest(bundle, msgspec.structs.replace(manifest, artifacts=(artifact,)))
    return artifact


def expected_answers(ids: list[int], ends: int = len(ENDS)) -> list[FloatArray]:
    """What the float32 exits of classes say of token ids, in the order of the exits."""
    rows, answers = TABLE[ids], []
    for place in range(ends):
        rows = rows + (SHIFTS[place] if place else 0)
        answers.append(MATRICES[place] @ rows.sum(0))
    return answers


@functools.cache
def staged_encoder(*, integer: bool = False, vectors: bool = False) -> bytes:
    """The file: `encode_L` for each length, and its stages."""
    parts = []
    for length in LENGTHS:
        parts.append(_build_path(f"encode_{length}", length, 0, 2, integer, vectors))
        parts.append(_build_path(f"start_{length}_2", length, 0, 0, integer, vectors))
        parts.append(_build_path(f"continue_{length}_2_4", length, 1, 1, integer, vectors))
        parts.append(_build_path(f"continue_{length}_4_6", length, 2, 2, integer, vectors))
    return flatbuffer.write_model(_join(parts))


def _build_path(key: str, length: int, first: int, last: int, integer: bool, vectors: bool) -> Any:
    """One signature: the layers from place `first` to place `last`, and the answer behind them."""
    path = _Path(length, integer)
    rows = path.start() if first == 0 else path.take_rows()
    for place in range(max(first, 1), last + 1):
        rows = path.add(rows, SHIFTS[place])
    outputs = {"rows": rows} if not key.startswith("encode") and last < len(ENDS) - 1 else {}
    summed = path.sum_rows(rows)
    outputs["sentence"] = path.answer(summed, MATRICES[last])
    if vectors and "rows" in outputs:
        outputs["agreement"] = path.agree(summed, SURE[last])
    return path.write(key, outputs)


class _Path:
    """Tensors and steps of one signature as they grow."""

    def __init__(self, length: int, integer: bool) -> None:
        self.integer, self.length = integer, length
        self.tensors: list[Tensor] = []
        self.steps: list[Step] = []
        self.inputs: dict[str, int] = {}
        self.shape = (1, length, WIDTH)

    def start(self) -> int:
        ids = self._input("input_ids", Tensor((1, self.length), "int32"))
        table = self._tensor(self._rows(TABLE.shape, _quantize(TABLE) if self.integer else TABLE))
        options = options_of("GatherOptions")
        return self._step("GATHER", (table, ids), self._rows(self.shape), options)

    def take_rows(self) -> int:
        return self._input("rows", self._rows(self.shape))

    def add(self, rows: int, shift: FloatArray) -> int:
        constant = self._tensor(Tensor(shift.shape, "float32", data=shift))
        real = self._to_float(rows)
        added = self._step(
            "ADD", (real, constant), Tensor(self.shape, "float32"), options_of("AddOptions")
        )
        if not self.integer:
            return added
        return self._step(
            "QUANTIZE", (added,), self._rows(self.shape), options_of("QuantizeOptions")
        )

    def sum_rows(self, rows: int) -> int:
        mask = self._input("attention_mask", Tensor((1, self.length), "int32"))
        cast = options_of("CastOptions", inDataType=schema.TensorType.INT32, outDataType=0)
        real = self._step("CAST", (mask,), Tensor((1, self.length), "float32"), cast)
        shape = np.array([1, 1, self.length], np.int32)
        new = self._tensor(Tensor((3,), "int32", data=shape))
        options = options_of("ReshapeOptions", newShape=shape.tolist())
        weights = self._step(
            "RESHAPE", (real, new), Tensor((1, 1, self.length), "float32"), options
        )
        return self._step(
            "BATCH_MATMUL",
            (weights, self._to_float(rows)),
            Tensor((1, 1, WIDTH), "float32"),
            options_of("BatchMatMulOptions"),
        )

    def answer(self, summed: int, matrix: FloatArray) -> int:
        answer = self._multiply(summed, matrix)
        if not self.integer:
            return answer
        spec = Tensor((1, len(matrix)), "int8", OUTPUT_SCALE, OUTPUT_ZERO)
        return self._step("QUANTIZE", (answer,), spec, options_of("QuantizeOptions"))

    def agree(self, summed: int, matrix: FloatArray) -> int:
        return self._step("LOGISTIC", (self._multiply(summed, matrix),), Tensor((1, 1), "float32"))

    def write(self, key: str, outputs: dict[str, int]) -> Any:
        model = flatbuffer.read_model(graph(self.tensors, self.steps))
        (signature,), (subgraph,) = model.signatureDefs, model.subgraphs
        subgraph.inputs, subgraph.outputs = list(self.inputs.values()), list(outputs.values())
        signature.signatureKey = key.encode()
        signature.inputs = [_entry(name, at) for name, at in self.inputs.items()]
        signature.outputs = [_entry(name, at) for name, at in outputs.items()]
        for tensor in subgraph.tensors:
            tensor.name = f"{key}/".encode() + tensor.name
        return model

    def _multiply(self, summed: int, matrix: FloatArray) -> int:
        weights = self._tensor(Tensor(matrix.shape, "float32", data=matrix))
        options = options_of("FullyConnectedOptions")
        spec = Tensor((1, len(matrix)), "float32")
        return self._step("FULLY_CONNECTED", (summed, weights), spec, options)

    def _rows(self, shape: tuple[int, ...], data: Any = None) -> Tensor:
        if self.integer:
            return Tensor(shape, "int8", ROW_SCALE, data=data)
        return Tensor(shape, "float32", data=data)

    def _to_float(self, rows: int) -> int:
        if not self.integer:
            return rows
        return self._step(
            "DEQUANTIZE", (rows,), Tensor(self.shape, "float32"), options_of("DequantizeOptions")
        )

    def _input(self, name: str, tensor: Tensor) -> int:
        self.inputs[name] = self._tensor(tensor)
        return self.inputs[name]

    def _tensor(self, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def _step(
        self, operator: str, inputs: tuple[int, ...], output: Tensor, options: Any = None
    ) -> int:
        version = 2 if operator in ("GATHER", "DEQUANTIZE") and self.integer else 1
        self.steps.append(Step(operator, version, inputs, self._tensor(output), options))
        return len(self.tensors) - 1


def _quantize(values: FloatArray) -> Any:
    return np.clip(np.round(values / ROW_SCALE), -128, 127).astype(np.int8)


def _entry(name: str, index: int) -> Any:
    item = schema.TensorMapT()
    item.name, item.tensorIndex = name.encode(), index
    return item


def _join(parts: list[Any]) -> Any:
    first = parts[0]
    for place, part in enumerate(parts[1:], start=1):
        for tensor in part.subgraphs[0].tensors:
            tensor.buffer += len(first.buffers)
        for operator in part.subgraphs[0].operators:
            operator.opcodeIndex += len(first.operatorCodes)
        part.signatureDefs[0].subgraphIndex = place
        for name in ("buffers", "operatorCodes", "subgraphs", "signatureDefs"):
            getattr(first, name).extend(getattr(part, name))
    return first


def _describe(data: bytes, *names: str) -> dict[str, Signature]:
    from ai_edge_litert.interpreter import Interpreter

    from edge_bert.bundle.artifact_runner import read_signatures

    own = read_signatures(Interpreter(model_content=data))
    return {name: own[name] for name in names or own}


def _describe_stages(data: bytes) -> dict[str, Stage]:
    stages = {}
    for name, signature in _describe(data).items():
        kind, length, *ends = name.split("_")
        if kind != "encode":
            first, last = [0, *map(int, ends)][-2:]
            stages[name] = Stage(int(length), first, last, signature.inputs, signature.outputs)
    return stages
