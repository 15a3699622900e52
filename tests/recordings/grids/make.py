"""Trains small layers with the QAT of torchao and brevitas, and records what they leave behind.

    pip install "edge-bert[torch]" torchao==0.18.0 brevitas==0.13.4
    python -m tests.recordings.grids.make

`trained.safetensors` holds

- `bert.*`: the matrices of the tiny BERT after Int8DynActInt4WeightQATQuantizer in groups of 32, as
  its `convert` stores them: int8 `weight`, `scales` and `zeros`;
- `embedding.*`: a table after Int4WeightOnlyEmbeddingQATQuantizer in groups of 32, converted;
- `tinygemm.weight`: what Int4WeightOnlyQATQuantizer's fake quantizer makes of a matrix, floats;
- `brevitas.weight` and `brevitas.codes`: the same of brevitas's Int8WeightPerChannelFloat, and the
  integers that it says they are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import BertModel

from tests.tiny import models

FILE = Path(__file__).resolve().parent / "trained.safetensors"
STEPS = 20


def train(model: Any, run: Callable[[], Any]) -> Any:
    """`model` after some steps that bring what `run` gives nearer to the length 3."""
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    for _ in range(STEPS):
        loss = run().square().sum(dim=-1).sub(3).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def train_bert() -> dict[str, Any]:
    """The tiny BERT's matrices in groups of four bits."""
    from torchao.quantization.qat import Int8DynActInt4WeightQATQuantizer

    with tempfile.TemporaryDirectory() as folder:
        model = BertModel.from_pretrained(models.write(Path(folder) / "m", "bert"))
    quantizer = Int8DynActInt4WeightQATQuantizer(groupsize=32)
    quantizer.prepare(model.encoder)
    ids = torch.randint(5, 600, (8, 12))
    train(model, lambda: model(ids).last_hidden_state[:, 0])
    tensors = quantizer.convert(model.encoder).state_dict()
    layers = [name.removesuffix(".scales") for name in tensors if name.endswith(".scales")]
    parts = ("weight", "scales", "zeros")
    return {f"bert.encoder.{x}.{part}": tensors[f"{x}.{part}"] for x in layers for part in parts}


def train_embedding() -> dict[str, Any]:
    """A table in groups of four bits."""
    from torchao.quantization.qat import Int4WeightOnlyEmbeddingQATQuantizer

    quantizer = Int4WeightOnlyEmbeddingQATQuantizer(group_size=32)
    model = quantizer.prepare(torch.nn.Sequential(torch.nn.Embedding(96, 64)))
    ids = torch.arange(96)
    train(model, lambda: model(ids))
    tensors = quantizer.convert(model).state_dict()
    return {name.replace("0.", "embedding."): value for name, value in tensors.items()}


def train_tinygemm() -> dict[str, Any]:
    """A matrix in groups of four bits around zero points of floats."""
    from torchao.quantization.qat import Int4WeightOnlyQATQuantizer

    model = torch.nn.Sequential(torch.nn.Linear(256, 16, bias=False))
    quantizer = Int4WeightOnlyQATQuantizer(32, 2, precision=torch.float32)
    quantizer.prepare(model)
    rows = torch.randn(32, 256)
    train(model, lambda: model(rows))
    return {"tinygemm.weight": model[0].weight_fake_quantizer(model[0].weight)}


def train_brevitas() -> dict[str, Any]:
    """A matrix of eight bits per channel, as floats and as integers."""
    import brevitas.nn
    from brevitas.quant import Int8WeightPerChannelFloat

    model = brevitas.nn.QuantLinear(64, 32, bias=True, weight_quant=Int8WeightPerChannelFloat)
    rows = torch.randn(32, 64)
    train(model, lambda: model(rows))
    weight = model.quant_weight()
    return {"brevitas.weight": weight.value, "brevitas.codes": weight.int()}


if __name__ == "__main__":
    torch.manual_seed(0)
    parts = (train_bert(), train_embedding(), train_tinygemm(), train_brevitas())
    tensors = {name: value.detach().contiguous() for part in parts for name, value in part.items()}
    save_file(tensors, FILE)
