"""Build a TensorRT engine from the ONNX file beside this script, and time it on this GPU.

    python measure_engine.py [--engine model.plan] [--rounds 200]

Without a `model.plan` it builds one. Prints JSON: milliseconds per shape (median, p95), and the
least cosine to onnxruntime on the same random ids where onnxruntime is installed. Exits with 3
where TensorRT or CUDA for Python is missing. Needs nothing of edge-bert.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MISSING = (
    "needs TensorRT (10 or 11) and CUDA for Python on a machine with an NVIDIA GPU: "
    "pip install tensorrt cuda-python numpy"
)
WARM_UP = 20


def main(arguments: list[str]) -> int:
    """Build if needed, measure, print; 3 where a package is missing, 1 where TensorRT refuses."""
    options = _parser().parse_args(arguments)
    try:
        import numpy  # noqa: F401
        import tensorrt  # type: ignore[import-not-found, unused-ignore]
        from cuda.bindings import runtime as cuda  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        print(f"{Path(__file__).name} {MISSING} ({error}).", file=sys.stderr)  # noqa: T201
        return 3
    shapes = json.loads((HERE / "engine.json").read_text())
    try:
        if not options.engine.is_file():
            unfinished = options.engine.with_suffix(".unfinished")
            unfinished.write_bytes(build_engine(tensorrt, shapes))
            unfinished.replace(options.engine)
        times = measure_engine(tensorrt, cuda, shapes, options.engine.read_bytes(), options.rounds)
    except RuntimeError as error:
        print(f"TensorRT: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps(times, indent=2))  # noqa: T201
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--engine", type=Path, default=HERE / "model.plan")
    parser.add_argument("--rounds", type=int, default=200)
    return parser


def build_engine(tensorrt: Any, shapes: dict[str, Any]) -> bytes:
    """The serialized engine; every tensor has the type that the file says."""
    logger = tensorrt.Logger(tensorrt.Logger.WARNING)
    builder = tensorrt.Builder(logger)
    strongly_typed = tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    network = builder.create_network(1 << int(strongly_typed))
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse((HERE / shapes["onnx"]).read_bytes()):
        raise RuntimeError(str(parser.get_error(0)))
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    for name in shapes["inputs"]:
        profile.set_shape(name, *(tuple(shapes[key]) for key in ("least", "best", "most")))
    config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise RuntimeError("no engine was built; the lines above say why")
    return bytes(engine)


def measure_engine(
    tensorrt: Any, cuda: Any, shapes: dict[str, Any], engine: bytes, rounds: int
) -> dict[str, Any]:
    """Times of one sentence, of the best shape and of the largest, without copies to the GPU."""
    logger = tensorrt.Logger(tensorrt.Logger.WARNING)
    loaded = tensorrt.Runtime(logger).deserialize_cuda_engine(engine)
    if loaded is None:
        raise RuntimeError("the engine is of another GPU or version; remove it and start again")
    rows = []
    for shape in ((1, shapes["best"][1]), tuple(shapes["best"]), tuple(shapes["most"])):
        run = Inference(cuda, loaded.create_execution_context(), shapes, shape)
        times = run.time_runs(rounds)
        rows.append(
            {
                "batch": shape[0],
                "length": shape[1],
                "median_ms": statistics.median(times),
                "p95_ms": sorted(times)[max(0, -(-len(times) * 95 // 100) - 1)],
                "cosine_min": least_cosine(shapes, run.inputs, run.output()),
            }
        )
    return {"tensorrt": tensorrt.__version__, "rounds": rounds, "shapes": rows}


class Inference:
    """One shape on the GPU, its inputs copied once for all runs."""

    def __init__(self, cuda: Any, context: Any, shapes: dict[str, Any], shape: Any) -> None:
        import numpy as np

        self._cuda, self._context = cuda, context
        ids = np.random.default_rng(0).integers(0, shapes["vocabulary"], shape)
        values = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        self.inputs = {name: values.get(name, np.zeros_like(ids)) for name in shapes["inputs"]}
        self._stream = self._call(cuda.cudaStreamCreate)
        for name, value in self.inputs.items():
            context.set_input_shape(name, shape)
            pointer = self._call(cuda.cudaMalloc, value.nbytes)
            kind = cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
            self._call(cuda.cudaMemcpy, pointer, value.ctypes.data, value.nbytes, kind)
            context.set_tensor_address(name, pointer)
        self._host = np.zeros(tuple(context.get_tensor_shape(shapes["output"])), np.float32)
        self._pointer = self._call(cuda.cudaMalloc, self._host.nbytes)
        context.set_tensor_address(shapes["output"], self._pointer)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The result of a CUDA call; RuntimeError where it failed."""
        error, *results = function(*arguments)
        if error != self._cuda.cudaError_t.cudaSuccess:
            raise RuntimeError(f"{function.__name__}: {error}")
        return results[0] if results else None

    def run_once(self) -> None:
        """Run, and wait for the end."""
        if not self._context.execute_async_v3(int(self._stream)):
            raise RuntimeError("the engine did not run")
        self._call(self._cuda.cudaStreamSynchronize, self._stream)

    def time_runs(self, rounds: int) -> list[float]:
        """Milliseconds of each of `rounds` runs, after a warm-up."""
        for _ in range(WARM_UP):
            self.run_once()
        times = []
        for _ in range(rounds):
            started_at = time.perf_counter()
            self.run_once()
            times.append((time.perf_counter() - started_at) * 1e3)
        return times

    def output(self) -> Any:
        """The output [batch, width] of the last run."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        size = self._host.nbytes
        self._call(self._cuda.cudaMemcpy, self._host.ctypes.data, self._pointer, size, kind)
        return self._host


def least_cosine(shapes: dict[str, Any], inputs: dict[str, Any], output: Any) -> float | None:
    """The least cosine to onnxruntime's output of the same file; None without onnxruntime."""
    import numpy as np

    try:
        import onnxruntime
    except ImportError:
        return None
    path = str(HERE / shapes["onnx"])
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (expected,) = session.run([shapes["output"]], inputs)
    lengths = np.linalg.norm(output, axis=1) * np.linalg.norm(expected, axis=1)
    return float(((output * expected).sum(axis=1) / lengths).min())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
