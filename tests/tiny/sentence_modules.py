"""sentence-transformers' modules with seeded weights, in the folder of a tiny model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from tests.tiny.models import HIDDEN, write, write_json

PACKAGE = "sentence_transformers.models"
MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
CLASSES = {
    "linear": "torch.nn.modules.linear.Identity",
    "tanh": "torch.nn.modules.activation.Tanh",
    "relu": "torch.nn.modules.activation.ReLU",
    "gelu": "torch.nn.modules.activation.GELU",
    "sigmoid": "torch.nn.modules.activation.Sigmoid",
}
Module = tuple[str, Mapping[str, Any]]  # its class and its config.json
UNIT: Module = ("Normalize", {})


def dense(
    inputs: int, outputs: int, activation: str = "tanh", *, bias: bool = True, **more: Any
) -> Module:
    """A Dense layer; `more` stands in its config.json too."""
    config = {"in_features": inputs, "out_features": outputs, "bias": bias}
    return "Dense", config | {"activation_function": CLASSES[activation]} | more


def layer_norm(size: int) -> Module:
    """A LayerNorm."""
    return "LayerNorm", {"dimension": size}


def pooling(*modes: str) -> Module:
    """A Pooling as sentence-transformers 6 writes it."""
    mode = modes[0] if len(modes) == 1 else list(modes)
    return "Pooling", {"embedding_dimension": HIDDEN, "pooling_mode": mode}


def pooling_flags(*modes: str) -> Module:
    """A Pooling as versions before it wrote it."""
    flag = {"cls": "cls_token", "lasttoken": "lasttoken"}
    flags = {f"pooling_mode_{flag.get(mode, f'{mode}_tokens')}": mode in modes for mode in MODES}
    flags["pooling_mode_mean_sqrt_len_tokens"] = flags.pop(
        "pooling_mode_mean_sqrt_len_tokens_tokens"
    )
    return "Pooling", {"word_embedding_dimension": HIDDEN} | flags


def write_modules(
    folder: Path, modules: Sequence[Module], *, seed: int = 0, truncate_dim: int | None = None
) -> Path:
    """Write these modules behind the encoder in `folder`, in place of those it has."""
    entries = [{"idx": 0, "name": "0", "path": "", "type": f"{PACKAGE}.Transformer"}]
    random = np.random.RandomState(seed)
    for number, (kind, config) in enumerate(modules, 1):
        path = f"{number}_{kind}"
        entries.append(
            {"idx": number, "name": str(number), "path": path, "type": f"{PACKAGE}.{kind}"}
        )
        write_json(folder / path / "config.json", config)
        arrays = _arrays(random, kind, config)
        if arrays:
            save_file(arrays, folder / path / "model.safetensors", {"format": "pt"})
    write_json(folder / "modules.json", entries)
    more = {} if truncate_dim is None else {"truncate_dim": truncate_dim}
    write_json(folder / "config_sentence_transformers.json", {"prompts": {}, **more})
    return folder


def write_model(
    folder: Path,
    modules: Sequence[Module],
    architecture: str = "bert",
    *,
    seed: int = 0,
    truncate_dim: int | None = None,
    **config: Any,
) -> Path:
    """A tiny model with these modules; `config` goes to config.json."""
    write(folder, architecture, "mean", seed=seed, **config)
    return write_modules(folder, modules, seed=seed, truncate_dim=truncate_dim)


def _arrays(
    random: np.random.RandomState, kind: str, config: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Large enough to matter, and no activation is driven to where it is flat."""
    if kind == "Dense":
        inputs, outputs = config["in_features"], config["out_features"]
        bound = 2.0 / inputs**0.5
        arrays = {"linear.weight": random.uniform(-bound, bound, (outputs, inputs))}
        if config.get("bias", True):
            arrays["linear.bias"] = random.uniform(-0.5, 0.5, outputs)
    elif kind == "LayerNorm":
        size = config["dimension"]
        arrays = {
            "norm.weight": random.uniform(0.5, 1.5, size),
            "norm.bias": random.uniform(-0.5, 0.5, size),
        }
    else:
        return {}
    return {name: array.astype(np.float32) for name, array in arrays.items()}
