"""How differently two runtimes round one full-integer file: by operator, and as a whole.

    python -m benchmarks.runtime_rounding build/pixel

Every operator of one signature becomes a signature of its own. On both runtimes it gets the inputs
that it has in the file on one held-out sentence, so that no difference is handed on. Then the whole
file runs on all held-out sentences on both runtimes.
"""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert import processes
from edge_bert.bundle import manifest as manifests
from edge_bert.cli.console import error_boundary
from edge_bert.data import calibration
from edge_bert.data.buckets import pad_encoding
from edge_bert.data.tokenizing import Encoding, Tokenizer
from edge_bert.errors import VerificationError
from edge_bert.evaluate.drift import measure_drift
from edge_bert.formats.tflite import flatbuffer
from edge_bert.pipeline.build.artifacts import host_runtime
from edge_bert.pipeline.build.running import run_signatures
from edge_bert.records.profile import TFLITE_RUNTIME_2_14, Runtime
from edge_bert.runtimes import environments
from edge_bert.runtimes.tflite_tensors import read_tensors

Array = npt.NDArray[Any]
WORKER = Path(__file__).resolve().with_name("operator_worker.py")
ARTIFACT, LENGTH = "wi8_ai8", 32
SIGNATURE = f"length_{LENGTH}"


@dataclass(frozen=True)
class SingleOperator:
    """An operator alone: its TFLite name, and the names of its input tensors."""

    operator: str
    inputs: tuple[str, ...]


def split_operators(model: Any, signature: str) -> dict[str, SingleOperator]:
    """Turn `model`, in place, into one signature per operator of `signature`, named by its output.

    Operators that read nothing but constants are skipped.
    """
    names = {value: name for name, value in vars(flatbuffer.load_schema().BuiltinOperator).items()}
    (definition,) = [s for s in model.signatureDefs if _text(s.signatureKey) == signature]
    graph, singles = model.subgraphs[definition.subgraphIndex], {}
    model.subgraphs, model.signatureDefs = [], []
    for operator in graph.operators:
        inputs = [i for i in dict.fromkeys(operator.inputs) if not _is_constant(model, graph, i)]
        if not inputs:
            continue
        name = _text(graph.tensors[operator.outputs[0]].name)
        single = _single_graph(graph, operator, inputs)
        model.signatureDefs.append(
            flatbuffer.make_signature(
                name,
                len(model.subgraphs),
                {f"input{number}": index for number, index in enumerate(single.inputs)},
                {"output": single.outputs[0]},
            )
        )
        model.subgraphs.append(single)
        input_names = tuple(_text(graph.tensors[i].name) for i in inputs)
        singles[name] = SingleOperator(names[flatbuffer.builtin_of(model, operator)], input_names)
    return singles


def _is_constant(model: Any, graph: Any, index: int) -> bool:
    return model.buffers[graph.tensors[index].buffer].data is not None


def _single_graph(graph: Any, operator: Any, inputs: list[int]) -> Any:
    """A graph of one operator of `graph`, whose inputs are the tensors numbered `inputs`."""
    used = list(dict.fromkeys([*operator.inputs, *operator.outputs]))
    copied, numbers = copy.copy(operator), {old: number for number, old in enumerate(used)}
    copied.inputs = [numbers[i] for i in operator.inputs]
    copied.outputs = [numbers[i] for i in operator.outputs]
    single = flatbuffer.load_schema().SubGraphT()
    single.tensors = [copy.copy(graph.tensors[i]) for i in used]
    single.inputs, single.outputs = [numbers[i] for i in inputs], copied.outputs
    single.operators = [copied]
    return single


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def compare_operators(path: Path, inputs: dict[str, Array]) -> Iterator[str]:
    """A line for each kind of operator: count, values, share that differs, largest difference."""
    model = flatbuffer.read_model(path.read_bytes())
    singles = split_operators(model, SIGNATURE)
    operator_inputs = _operator_inputs(path, singles, inputs)
    with tempfile.TemporaryDirectory(prefix="edge-bert-") as folder:
        file = Path(folder) / "operators.tflite"
        file.write_bytes(flatbuffer.write_model(model))
        np.savez(Path(folder) / "inputs.npz", allow_pickle=False, **operator_inputs)
        first, second = (
            _run(Path(folder), file, runtime) for runtime in (host_runtime(), TFLITE_RUNTIME_2_14)
        )
    differences: dict[str, list[Array]] = defaultdict(list)
    for output, single in singles.items():
        difference = np.abs(first[output].astype(int) - second[output].astype(int))
        differences[single.operator].append(difference.reshape(-1))
    for operator, arrays in sorted(differences.items()):
        values = np.concatenate(arrays)
        share = 100 * np.mean(values > 0)
        yield f"{operator}\t{len(arrays)}\t{len(values)}\t{share:.3f}\t{values.max()}\n"


def _operator_inputs(
    path: Path, singles: dict[str, SingleOperator], inputs: dict[str, Array]
) -> dict[str, Array]:
    """The inputs of each operator in one run of the file on the host's runtime."""
    names = sorted({name for single in singles.values() for name in single.inputs} - set(inputs))
    (stored,) = read_tensors(path, SIGNATURE, inputs, names)
    values = {name: tensor.values for name, tensor in stored.items()} | inputs
    return {
        f"{output}|input{number}": values[name]
        for output, single in singles.items()
        for number, name in enumerate(single.inputs)
    }


def _run(folder: Path, file: Path, runtime: Runtime) -> dict[str, Array]:
    outputs = folder / f"{runtime.name}.npz"
    python, module = environments.prepare_python(runtime), environments.MODULES[runtime.name]
    command = [str(python), str(WORKER), str(file), str(folder / "inputs.npz"), str(outputs)]
    completed = processes.run_process(
        [*command, module], timeout_s=600, failure=VerificationError, what=str(runtime)
    )
    if completed.returncode:
        raise VerificationError(f"{runtime}: {completed.stderr.strip().rpartition(chr(10))[2]}")
    with np.load(outputs, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def compare_files(folder: Path, encodings: list[Encoding], pad_id: int) -> Iterator[str]:
    """Lines about the whole file: each runtime against float32, then one against the other."""
    head = manifests.read_manifest(folder).model.head
    float_model = run_signatures.ModelUnderTest.of(folder / "float32.tflite", head)
    reference = run_signatures.finished_outputs(float_model, encodings, pad_id, host_runtime())
    model = run_signatures.ModelUnderTest.of(folder / f"{ARTIFACT}.tflite", head)
    outputs = []
    for runtime in (host_runtime(), TFLITE_RUNTIME_2_14):
        result = run_signatures.run_signatures(model, encodings, pad_id, runtime)
        outputs.append(result.by_sentence())
        drift = measure_drift(outputs[-1], reference)
        yield f"{runtime} to float32: cosine {drift.cosine_mean:.4f} / {drift.cosine_min:.4f}\n"
    drift = measure_drift(*outputs)
    yield f"one to the other: cosine {drift.cosine_mean:.4f} / {drift.cosine_min:.4f}\n"
    scale = model.signatures[SIGNATURE].outputs[0].scale or 1.0
    steps = np.abs(outputs[0] - outputs[1]) / scale
    within = 100 * np.mean(steps < 1.5)
    yield f"outputs within one step: {within:.1f} %, the largest difference {steps.max():.0f}\n"


def main() -> None:
    """Print both tables for a bundle that has float32 and wi8_ai8."""
    parser = argparse.ArgumentParser(description="How differently two runtimes round.")
    parser.add_argument("bundle", type=Path)
    folder = parser.parse_args().bundle
    with error_boundary():
        model, path = manifests.read_manifest(folder).model, folder / f"{ARTIFACT}.tflite"
        tokenizer = Tokenizer.open(folder / "tokenizer.json", model.max_length)
        sentences = calibration.select_sentences(calibration.default_sentences(), 256, 0).held_out
        encodings = tokenizer.encode_batch(sentences)
        signature = run_signatures.ModelUnderTest.of(path, model.head).signatures[SIGNATURE]
        longest = max((encoding for encoding in encodings if len(encoding) <= LENGTH), key=len)
        names = [spec.name for spec in signature.inputs]
        sys.stdout.write("operator\tcount\tvalues\tdiffer %\tlargest difference, steps\n")
        sys.stdout.writelines(
            compare_operators(path, pad_encoding(longest, LENGTH, tokenizer.pad_id, names))
        )
        sys.stdout.writelines(compare_files(folder, encodings, tokenizer.pad_id))


if __name__ == "__main__":
    main()
