"""How differently two runtimes round the same full-integer file: operator by operator, and in all.

    python -m benchmarks.runtime_rounding build/pixel

Every operator of one signature becomes a signature of its own and gets, on both runtimes, the
inputs that it really had on one held-out sentence; so no operator sees what an earlier one rounded
differently. Then the whole file runs on all held-out sentences on both runtimes.
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
from edge_bert.pipeline.build import run_signatures
from edge_bert.pipeline.build.artifacts import host_runtime
from edge_bert.records.profile import TFLITE_RUNTIME_2_14, Runtime
from edge_bert.runtimes import environments
from edge_bert.runtimes.tflite_tensors import read_tensors

Array = npt.NDArray[Any]
WORKER = Path(__file__).resolve().with_name("operator_worker.py")
ARTIFACT, LENGTH = "wi8_ai8", 32
SIGNATURE = f"length_{LENGTH}"


@dataclass(frozen=True)
class SingleOperator:
    """An operator alone: its TFLite name, and the names of the tensors that it reads."""

    operator: str
    reads: tuple[str, ...]


def split_operators(model: Any, signature: str) -> dict[str, SingleOperator]:
    """Turn `model`, in place, into one signature per operator of `signature`, named by its output.

    Operators that read nothing but constants are left out.
    """
    names = {value: name for name, value in vars(flatbuffer.load_schema().BuiltinOperator).items()}
    (wanted,) = [s for s in model.signatureDefs if _text(s.signatureKey) == signature]
    whole, found = model.subgraphs[wanted.subgraphIndex], {}
    model.subgraphs, model.signatureDefs = [], []
    for operator in whole.operators:
        reads = [i for i in dict.fromkeys(operator.inputs) if not _is_constant(model, whole, i)]
        if not reads:
            continue
        name = _text(whole.tensors[operator.outputs[0]].name)
        graph = _alone(whole, operator, reads)
        inputs = {f"input{place}": index for place, index in enumerate(graph.inputs)}
        outputs = {"output": graph.outputs[0]}
        made = flatbuffer.make_signature(name, len(model.subgraphs), inputs, outputs)
        model.signatureDefs.append(made)
        model.subgraphs.append(graph)
        tensors_read = tuple(_text(whole.tensors[i].name) for i in reads)
        found[name] = SingleOperator(names[flatbuffer.builtin_of(model, operator)], tensors_read)
    return found


def _is_constant(model: Any, graph: Any, place: int) -> bool:
    return model.buffers[graph.tensors[place].buffer].data is not None


def _alone(whole: Any, operator: Any, reads: list[int]) -> Any:
    """A graph of one operator, whose inputs are the tensors in `reads`."""
    used = list(dict.fromkeys([*operator.inputs, *operator.outputs]))
    single, new = copy.copy(operator), {old: index for index, old in enumerate(used)}
    single.inputs = [new[i] for i in operator.inputs]
    single.outputs = [new[i] for i in operator.outputs]
    graph = flatbuffer.load_schema().SubGraphT()
    graph.tensors = [copy.copy(whole.tensors[i]) for i in used]
    graph.inputs, graph.outputs = [new[i] for i in reads], single.outputs
    graph.operators = [single]
    return graph


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def compare_operators(path: Path, inputs: dict[str, Array]) -> Iterator[str]:
    """A line for each kind of operator: how many, the share of values that differ, by how much."""
    model = flatbuffer.read_model(path.read_bytes())
    singles = split_operators(model, SIGNATURE)
    given = _given(path, singles, inputs)
    with tempfile.TemporaryDirectory(prefix="edge-bert-") as folder:
        file = Path(folder) / "operators.tflite"
        file.write_bytes(flatbuffer.write_model(model))
        np.savez(Path(folder) / "inputs.npz", allow_pickle=False, **given)
        first, second = (
            _run(Path(folder), file, runtime) for runtime in (host_runtime(), TFLITE_RUNTIME_2_14)
        )
    differences: dict[str, list[Array]] = defaultdict(list)
    for output, single in singles.items():
        away = np.abs(first[output].astype(int) - second[output].astype(int))
        differences[single.operator].append(away.reshape(-1))
    for operator, parts in sorted(differences.items()):
        every = np.concatenate(parts)
        share = 100 * np.mean(every > 0)
        yield f"{operator}\t{len(parts)}\t{len(every)}\t{share:.3f}\t{every.max()}\n"


def _given(
    path: Path, singles: dict[str, SingleOperator], inputs: dict[str, Array]
) -> dict[str, Array]:
    """What each operator really reads, from one run of the whole file on the host's runtime."""
    wanted = sorted({name for single in singles.values() for name in single.reads} - set(inputs))
    (stored,) = read_tensors(path, SIGNATURE, inputs, wanted)
    values = {name: each.values for name, each in stored.items()} | inputs
    return {
        f"{output}|input{place}": values[name]
        for output, single in singles.items()
        for place, name in enumerate(single.reads)
    }


def _run(folder: Path, file: Path, runtime: Runtime) -> dict[str, Array]:
    outputs = folder / f"{runtime.name}.npz"
    python, module = environments.prepare_python(runtime), environments.MODULES[runtime.name]
    command = [str(python), str(WORKER), str(file), str(folder / "inputs.npz"), str(outputs)]
    done = processes.run_process(
        [*command, module], timeout_s=600, failure=VerificationError, what=str(runtime)
    )
    if done.returncode:
        raise VerificationError(f"{runtime}: {done.stderr.strip().rpartition(chr(10))[2]}")
    with np.load(outputs, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def compare_files(folder: Path, encodings: list[Encoding], pad_id: int) -> Iterator[str]:
    """Lines about the whole file: each runtime against float32, and one against the other."""
    head = manifests.read_manifest(folder).model.head
    plain = run_signatures.ModelUnderTest.of(folder / "float32.tflite", head)
    reference = run_signatures.finished_outputs(plain, encodings, pad_id, host_runtime())
    subject, found = run_signatures.ModelUnderTest.of(folder / f"{ARTIFACT}.tflite", head), []
    for runtime in (host_runtime(), TFLITE_RUNTIME_2_14):
        found.append(
            run_signatures.run_signatures(subject, encodings, pad_id, runtime).by_sentence()
        )
        away = measure_drift(found[-1], reference)
        yield f"{runtime} to float32: cosine {away.cosine_mean:.4f} / {away.cosine_min:.4f}\n"
    away = measure_drift(*found)
    yield f"one to the other: cosine {away.cosine_mean:.4f} / {away.cosine_min:.4f}\n"
    scale = subject.signatures[SIGNATURE].outputs[0].scale or 1.0
    steps = np.abs(found[0] - found[1]) / scale
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
        longest = max((each for each in encodings if len(each) <= LENGTH), key=len)
        names = [spec.name for spec in signature.inputs]
        sys.stdout.write("operator\tcount\tvalues\tdiffer %\tlargest difference, steps\n")
        sys.stdout.writelines(
            compare_operators(path, pad_encoding(longest, LENGTH, tokenizer.pad_id, names))
        )
        sys.stdout.writelines(compare_files(folder, encodings, tokenizer.pad_id))


if __name__ == "__main__":
    main()
