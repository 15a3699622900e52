"""One FULLY_CONNECTED with weights of 8, 4 and 2 bits per channel, on emulated cores.

    python -m benchmarks.narrow_kernels
    python -m benchmarks.narrow_kernels --cores pixel-5:cortex-a76,galaxy-s24:cortex-x4

The rows are float32, which the kernel rounds to int8, or int8 already. Prints the millions of
instructions of the second inference of 128 rows, and the largest error to numpy's product of the
same integers: a share of the largest output, or steps of int8.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.cli.console import error_boundary
from edge_bert.devices.emulated import EmulatedDevice
from edge_bert.devices.runner.start import RunnerRequest, install_runner
from edge_bert.formats.tflite import flatbuffer
from edge_bert.pipeline.bench.emulated import TIMEOUT_S, count_inference
from edge_bert.profiles import load_profile
from edge_bert.quantize.channelwise import pack_steps
from edge_bert.records.weight_bits import STEPS

ROWS = 128
SHAPES = ((1536, 384), (384, 1536))  # outputs, inputs
CORES = "pixel-5:cortex-a76,galaxy-s24:cortex-x4,redmi-4x:cortex-a53"
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Product:
    """Rows [ROWS, inputs] of int8 by steps [outputs, inputs] with a scale per output.

    The rows' range is all of int8, so that a kernel that rounds floats gets the same integers.
    """

    rows: Array
    steps: Array
    scales: npt.NDArray[np.float32]
    bits: int

    @classmethod
    def make(cls, outputs: int, inputs: int, bits: int) -> Product:
        """Random integers of all values that there are."""
        random, (least, most) = np.random.default_rng(0), STEPS[bits]
        rows = random.integers(-128, 128, (ROWS, inputs))
        rows[:, :2] = -128, 127
        steps = random.integers(least, most + 1, (outputs, inputs))
        scales = random.uniform(0.01, 0.1, outputs).astype(np.float32)
        return cls(rows, steps, scales, bits)

    @property
    def exact(self) -> Array:
        """The product [ROWS, outputs]."""
        return np.asarray((self.rows @ self.steps.T) * self.scales)

    @property
    def output_scale(self) -> float:
        """At which int8 holds the product."""
        return float(np.abs(self.exact).max() / 127)


def write_product(product: Product, *, int8_rows: bool) -> bytes:
    """The product as a file of one operator; the signature is `only`."""
    schema = flatbuffer.load_schema()
    types, model, graph = schema.TensorType, schema.ModelT(), schema.SubGraphT()
    model.version, model.description = 3, "one product"
    model.operatorCodes, model.buffers, graph.tensors = [], [schema.BufferT()], []
    kind = types.INT8 if int8_rows else types.FLOAT32
    outputs = len(product.steps)
    packed = pack_steps(np.ascontiguousarray(product.steps, np.int8), product.bits)
    x = flatbuffer.add_tensor(graph, "x", product.rows.shape, kind)
    dtype = getattr(types, f"INT{product.bits}")
    stored = flatbuffer.add_constant(model, packed)
    w = flatbuffer.add_tensor(graph, "w", product.steps.shape, dtype, buffer=stored)
    flatbuffer.set_scales(graph.tensors[w], product.scales)
    zeros = flatbuffer.add_constant(model, np.zeros(outputs, np.int32))
    b = flatbuffer.add_tensor(
        graph, "b", (outputs,), types.INT32 if int8_rows else types.FLOAT32, buffer=zeros
    )
    y = flatbuffer.add_tensor(graph, "y", (ROWS, outputs), kind)
    if int8_rows:
        flatbuffer.set_scales(graph.tensors[x], 1.0)
        flatbuffer.set_scales(graph.tensors[b], product.scales)
        flatbuffer.set_scales(graph.tensors[y], product.output_scale)
    graph.operators = [flatbuffer.add_operator(model, "FULLY_CONNECTED", [x, w, b], [y], 4)]
    graph.inputs, graph.outputs = [x], [y]
    model.subgraphs = [graph]
    model.signatureDefs = [flatbuffer.make_signature("only", 0, {"x": x}, {"y": y})]
    return flatbuffer.write_model(model)


def run_product(
    device: EmulatedDevice, command: list[str], product: Product, folder: Path, *, int8_rows: bool
) -> tuple[float, float]:
    """Millions of instructions, and the largest error: in steps where the rows are int8."""
    kind = np.int8 if int8_rows else np.float32
    (folder / "m.tflite").write_bytes(write_product(product, int8_rows=int8_rows))
    (folder / "x").write_bytes(product.rows.astype(kind).tobytes())
    model, rows = (device.push(folder / name, name) for name in ("m.tflite", "x"))
    run = RunnerRequest(model, "only", warmup=1, repetitions=1, inputs=rows)
    _, counts = count_inference(device, command, run)
    answer = f"{model}.out"
    device.run([*command, *replace(run, outputs=answer).arguments()], TIMEOUT_S)
    device.pull(answer, folder / "y")
    found = np.fromfile(folder / "y", kind).reshape(ROWS, -1).astype(np.float64)
    if int8_rows:
        steps = np.clip(np.rint(product.exact / np.float32(product.output_scale)), -128, 127)
        return counts.total / 1e6, float(np.abs(found - steps).max())
    return counts.total / 1e6, float(
        np.abs(found - product.exact).max() / np.abs(product.exact).max()
    )


def count_core(profile_name: str, core: str) -> None:
    """Print a line for each product on one core."""
    profile = load_profile(profile_name)
    device = EmulatedDevice(profile, core)
    try:
        command = list(install_runner(device, profile.abi, own_c_library=False))
        with TemporaryDirectory() as folder:
            for outputs, inputs in SHAPES:
                for int8_rows in (False, True):
                    for bits in (8, 4, 2):
                        product = Product.make(outputs, inputs, bits)
                        millions, error = run_product(
                            device, command, product, Path(folder), int8_rows=int8_rows
                        )
                        rows = "int8" if int8_rows else "float32"
                        sys.stdout.write(
                            f"{core}\t{inputs} to {outputs}\t{rows} rows\tint{bits}\t"
                            f"{millions:.2f}\t{error:.1e}\n"
                        )
                        sys.stdout.flush()
    finally:
        device.close()


def main() -> None:
    """Print the figures of every core."""
    parser = argparse.ArgumentParser(description="Matrix products with narrow weights.")
    parser.add_argument("--cores", default=CORES, help="profile:core, comma separated")
    arguments = parser.parse_args()
    with error_boundary():
        for place in arguments.cores.split(","):
            profile, _, core = place.partition(":")
            count_core(profile, core)


if __name__ == "__main__":
    main()
