"""Integers that PyTorch trained, and those in the file that is built of them.

    pip install "edge-bert[torch]"
    python -m benchmarks.trained_grids
    python -m benchmarks.trained_grids --model FOLDER --steps 3

Trains a BERT for a few steps with PyTorch's eager QAT (int8 per channel) and saves the state dict,
then with four bits in groups of 64, by torchao's rule for symmetric groups (a scale of the largest
weight over 7.5), and saves the floats that its fake quantization gives. Builds wi8_afp32 and
wi4_afp32 of them and prints how many weights are stored as what PyTorch multiplied by.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.cli.console import error_boundary
from edge_bert.formats.tflite import flatbuffer
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.progress import no_progress
from edge_bert.quantize.channelwise import pack_steps
from edge_bert.records.recipe import RECIPES
from edge_bert.sources.load import load_checkpoint
from edge_bert.store import cache

GROUP, LENGTH = 64, 16
HEAD = "file\tmatrices\tweights\tstored as trained\tat -128, stored as -127\n"
Codes = Mapping[str, npt.NDArray[np.int8]]


def train_eight_bits(model: Any, steps: int) -> tuple[dict[str, Any], Codes]:
    """The state dict of a model after eager QAT, and its integers by the names of their weights."""
    from torch.ao import quantization

    model.encoder.qconfig = quantization.get_default_qat_qconfig("x86")
    quantization.prepare_qat(model, inplace=True)
    run = train(model, steps)
    run()  # the scales follow the weights of the last step
    model.apply(quantization.disable_observer)
    codes = {}
    for name, layer in model.named_modules():
        quantizer = getattr(layer, "weight_fake_quant", None)
        if quantizer is not None:
            values = (quantizer(layer.weight) / quantizer.scale[:, None]).round()
            codes[f"{name}.weight"] = values.detach().numpy().astype(np.int8)
    return dict(model.state_dict()), codes


def train_four_bits(model: Any, steps: int) -> tuple[dict[str, Any], Codes]:
    """The floats of a model after QAT in groups of four bits, and its integers."""
    import torch
    from torch.nn.utils import parametrize

    class GroupQuantizer(torch.nn.Module):  # type: ignore[misc]
        def forward(self, weight: Any) -> Any:
            groups = weight.reshape(-1, GROUP)
            scale = groups.detach().abs().amax(dim=1) / 7.5
            zeros = torch.zeros_like(scale, dtype=torch.int32)
            rounded = torch.fake_quantize_per_channel_affine(groups, scale, zeros, 0, -8, 7)
            return rounded.reshape(weight.shape)

    layers = {x: y for x, y in model.named_modules() if isinstance(y, torch.nn.Linear)}
    layers = {name: layer for name, layer in layers.items() if name.startswith("encoder.")}
    for layer in layers.values():
        parametrize.register_parametrization(layer, "weight", GroupQuantizer())
    train(model, steps)
    codes = {}
    for name, layer in layers.items():
        latent = layer.parametrizations.weight.original.detach().reshape(-1, GROUP)
        values = layer.weight.detach().reshape(-1, GROUP) / (latent.abs().amax(1) / 7.5)[:, None]
        codes[f"{name}.weight"] = values.round().reshape(layer.weight.shape).numpy().astype(np.int8)
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    return dict(model.state_dict()), codes


def train(model: Any, steps: int) -> Any:
    """Train `model` towards its own first outputs; gives what runs it once more."""
    import torch

    ids = torch.randint(1000, 20_000, (8, LENGTH), generator=torch.Generator().manual_seed(0))
    wanted = model(ids).last_hidden_state.detach()
    optimizer = torch.optim.AdamW(model.encoder.parameters(), 2e-5)
    for _ in range(steps):
        loss = (model(ids).last_hidden_state - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return lambda: model(ids)


def compare_stored(data: bytes, codes: Codes, bits: int) -> str:
    """How many of the trained integers a file holds."""
    model = flatbuffer.read_model(data)
    held = {bytes(np.asarray(x.data)) for x in model.buffers if x.data is not None}
    total = sum(matrix.size for matrix in codes.values())
    last = sum(int((matrix == -128).sum()) for matrix in codes.values())
    stored = sum(
        matrix.size
        for matrix in codes.values()
        if pack_steps(np.maximum(matrix, -127), bits).tobytes() in held
    )
    return f"{len(codes)}\t{total}\t{stored - last}\t{last}"


def build_trained(source: Path, steps: int) -> Iterator[str]:
    """A row for each width."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModel

    torch.manual_seed(0)
    for name, bits, quantize in (
        ("wi8_afp32", 8, train_eight_bits),
        ("wi4_afp32", 4, train_four_bits),
    ):
        tensors, codes = quantize(AutoModel.from_pretrained(source).train(), steps)
        with TemporaryDirectory() as folder:
            copy = Path(folder) / "trained"
            shutil.copytree(source, copy)
            contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
            save_file(contiguous, copy / "model.safetensors", {"format": "pt"})
            options = BuildOptions(profile="pixel", model=str(copy), lengths=(LENGTH,))
            session = BuildSession.open(options)
            data = artifacts.build_artifact(session, RECIPES[name], no_progress)
        yield f"{name}\t{compare_stored(data, codes, bits)}\n"


def main() -> None:
    """Read the arguments and print the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="folder of a BERT (default: all-MiniLM-L6-v2)")
    parser.add_argument("--steps", type=int, default=3, help="of training (default: 3)")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # torch.ao.quantization moves
    with error_boundary():
        checkpoint = load_checkpoint(arguments.model, cache.cache_folder("models"))
        sys.stdout.write(HEAD)
        for row in build_trained(Path(str(checkpoint.folder)), arguments.steps):
            sys.stdout.write(row)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
