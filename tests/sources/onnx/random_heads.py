"""Seeded random heads on a tiny BERT, exported by PyTorch as people export theirs."""

from __future__ import annotations

import dataclasses
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.recordings.onnx.make import HEADS, HIDDEN, LENGTH, WORDS, Case
from tests.recordings.onnx.make import _model as make_encoder

POOLINGS = ("mean", "cls", "max", "mean_sqrt_length", "weighted_mean", "last")
# Heads that edge-bert does not have: each must be refused, not taken for another.
STRANGE = (
    "max over padding", "sum of poolings", "attention pooling", "two layers", "softplus",
    "log softmax", "residual", "batch norm", "power", "ranks", "middle channels",
    "dense and pooled",
)  # fmt: skip
ACTIVATIONS = ("linear", "tanh", "relu", "gelu", "gelu_tanh", "sigmoid")
NAMES = ["input_ids", "attention_mask", "token_type_ids"]


@dataclasses.dataclass(frozen=True)
class Spec:
    """One head, and how it is exported. `layers` are dense:WIDTH:ACTIVATION, norm, unit, dropout.

    `final` is what logits go through; `after` is what is done to the file: fuse, or float16.
    """

    kind: str
    poolings: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    dimensions: int | None = None
    normalize: bool = False
    final: str = ""
    strange: str = ""
    output: str = "sentence_embedding"
    beside: bool = False
    opset: int = 17
    exporter: str = "script"
    attention: str = "sdpa"
    after: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The outputs that count."""
        return ["start_logits", "end_logits"] if self.kind == "span" else [self.output]


def draw_spec(seed: int) -> Spec:
    """The head of a seed."""
    random = np.random.default_rng(seed)
    pick = lambda *options: options[random.integers(len(options))]  # noqa: E731
    kind = pick("embedding", "embedding", "classifier", "tokens", "span", "strange")
    opset = int(random.integers(13, 19))
    spec = Spec(
        kind,
        opset=opset,
        attention="eager" if opset == 13 else pick("eager", "sdpa"),
        beside=bool(random.integers(2)),
        after=pick((), (), (), ("fuse",), ("float16",), ("fuse", "float16"), ("float16 all",)),
    )
    return dataclasses.replace(spec, **_draw_head(kind, random, pick))


def _draw_head(kind: str, random: Any, pick: Any) -> dict[str, Any]:
    count = int(random.integers(1, 4)) if random.random() < 0.3 else 1
    poolings = tuple(random.choice(POOLINGS, count, replace=False).tolist())
    if kind == "embedding":
        layers = tuple(_draw_layer(random, pick) for _ in range(random.integers(0, 4)))
        cut = int(random.integers(1, 6)) if random.random() < 0.3 else None
        return {
            "poolings": poolings,
            "layers": layers,
            "dimensions": cut,
            "normalize": bool(random.integers(2)),
        }
    labels = int(random.integers(1, 5))
    hidden = () if random.integers(2) else (f"dense:{HIDDEN}:{pick(*ACTIVATIONS[1:])}",)
    logits = (*hidden, "dropout", f"dense:{labels}:linear")
    if kind == "classifier":
        final = pick("", "", "sigmoid", "softmax" if labels > 1 else "squeeze")
        return {"poolings": poolings, "layers": logits, "final": final, "output": "logits"}
    if kind == "tokens":
        labels = max(labels, 3)
        logits = (*logits[:-1], f"dense:{labels}:linear")
        return {"layers": logits, "final": pick("", "softmax"), "output": "logits"}
    if kind == "span":
        return {"layers": ("dense:2:linear",)}
    return {"strange": pick(*STRANGE), "poolings": poolings[:1]}


def _draw_layer(random: Any, pick: Any) -> str:
    kinds = (f"dense:{random.integers(2, 20)}:{pick(*ACTIVATIONS)}", "norm", "unit", "dropout")
    return str(kinds[random.choice(4, p=(0.6, 0.2, 0.1, 0.1))])


def export_head(spec: Spec, path: Path, seed: int) -> None:
    """Write the ONNX file of `spec` to `path`."""
    import torch

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    torch.manual_seed(seed)
    model = _build_model(spec)
    ids = torch.randint(5, WORDS, (2, LENGTH))
    mask = torch.ones_like(ids)
    mask[-1, LENGTH - 4 :] = 0
    arguments = (ids, mask, torch.zeros_like(ids))
    outputs = [*(["last_hidden_state"] if spec.beside else []), *spec.names]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        if spec.exporter == "script":
            free = {name: {0: "batch", 1: "length"} for name in NAMES}
            free |= {name: {0: "batch"} for name in outputs}
            torch.onnx.export(
                model, arguments, str(path), input_names=NAMES, output_names=outputs,
                opset_version=spec.opset, dynamic_axes=free, dynamo=False,
            )  # fmt: skip
        else:
            sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=64)}
            torch.onnx.export(
                model, arguments, str(path), input_names=NAMES, output_names=outputs,
                opset_version=18, dynamic_shapes=((sizes,) * 3,), dynamo=True, verbose=False,
                external_data=False,
            )  # fmt: skip
    for step in spec.after:
        _change_file(path, step)


def _build_model(spec: Spec) -> Any:
    import torch

    encoder = make_encoder(Case("bert", attention=spec.attention)).encoder
    head = _Head(spec)

    class Exported(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.head = encoder, torch.nn.ModuleList(head.modules)

        def forward(self, *arguments: Any) -> Any:
            found = self.encoder(
                **dict(zip(NAMES, arguments, strict=True)), output_hidden_states=True
            )
            outputs = head.run(found.last_hidden_state, arguments[1], found.hidden_states)
            if spec.kind == "span":
                start, end = outputs.split(1, dim=-1)
                outputs = (start.squeeze(-1), end.squeeze(-1))
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            return (found.last_hidden_state, *outputs) if spec.beside else outputs

    return Exported().eval()


class _Head:
    """The head's modules, in PyTorch alone."""

    def __init__(self, spec: Spec) -> None:
        import torch

        self.spec, self.torch = spec, torch
        width = HIDDEN * max(1, len(spec.poolings))
        self.modules: list[Any] = []
        self.steps: list[Any] = []
        for layer in spec.layers:
            name, *rest = layer.split(":")
            if name == "dense":
                dense = torch.nn.Linear(width, int(rest[0]), bias=len(self.steps) % 3 != 2)
                torch.nn.init.normal_(dense.weight, 0.0, 0.4)
                width = int(rest[0])
                self._add(dense)
                self.steps.append(self._activation(rest[1]))
            elif name == "norm":
                norm = torch.nn.LayerNorm(width, eps=1e-6)
                torch.nn.init.normal_(norm.weight, 1.0, 0.3)
                torch.nn.init.normal_(norm.bias, 0.0, 0.3)
                self._add(norm)
            elif name == "unit":
                self.steps.append(lambda rows: torch.nn.functional.normalize(rows, dim=-1))
            else:
                self._add(torch.nn.Dropout(0.1))
        if spec.strange:
            self._add(torch.nn.Linear(HIDDEN, HIDDEN))
            self._add(torch.nn.BatchNorm1d(HIDDEN))

    def _add(self, module: Any) -> None:
        self.modules.append(module)
        self.steps.append(module)

    def _activation(self, name: str) -> Any:
        functional = self.torch.nn.functional
        if name == "gelu_tanh":
            return lambda rows: functional.gelu(rows, approximate="tanh")
        if name == "linear":
            return lambda rows: rows
        return getattr(functional if name in ("relu", "gelu") else self.torch, name)

    def run(self, tokens: Any, mask: Any, hidden_states: Sequence[Any]) -> Any:
        """What the head gives for tokens [batch, length, channels]."""
        if self.spec.strange:
            return self._run_strange(tokens, mask, hidden_states)
        pooled = [self._pool(tokens, mask, pooling) for pooling in self.spec.poolings]
        rows = self.torch.cat(pooled, dim=-1) if pooled else tokens
        for step in self.steps:
            rows = step(rows)
        rows = rows[..., : self.spec.dimensions] if self.spec.dimensions else rows
        rows = self.torch.nn.functional.normalize(rows, dim=-1) if self.spec.normalize else rows
        finals = {
            "softmax": lambda rows: self.torch.softmax(rows, -1),
            "sigmoid": self.torch.sigmoid,
            "squeeze": lambda rows: rows.squeeze(-1),
            "": lambda rows: rows,
        }
        return finals[self.spec.final](rows)

    def _pool(self, tokens: Any, mask: Any, pooling: str) -> Any:
        """As sentence-transformers' Pooling does."""
        torch = self.torch
        wide = mask.unsqueeze(-1).expand(tokens.size()).to(tokens.dtype)
        if pooling == "cls":
            return tokens[:, 0]
        if pooling == "max":
            return tokens.masked_fill(wide == 0, -1e9).max(1)[0]
        if pooling == "last":
            last = mask.sum(1) - 1
            return torch.gather(tokens, 1, last[:, None, None].expand(-1, 1, HIDDEN)).squeeze(1)
        if pooling == "weighted_mean":
            places = torch.arange(1, tokens.shape[1] + 1)[None, :, None].to(tokens.dtype)
            wide = wide * places
        total = (tokens * wide).sum(1)
        count = wide.sum(1).clamp(min=1e-9)
        return total / (count.sqrt() if pooling == "mean_sqrt_length" else count)

    def _run_strange(self, tokens: Any, mask: Any, hidden_states: Sequence[Any]) -> Any:
        torch, (dense, norm) = self.torch, self.modules
        pooled = self._pool(tokens, mask, self.spec.poolings[0])
        scores = dense(tokens)[..., 0] + (1 - mask) * -1e4
        answers = {
            "max over padding": lambda: tokens.max(1)[0],
            "sum of poolings": lambda: pooled + tokens[:, 1],
            "attention pooling": lambda: (torch.softmax(scores, 1)[..., None] * tokens).sum(1),
            "two layers": lambda: self._pool(
                hidden_states[-1] + hidden_states[-2], mask, self.spec.poolings[0]
            ),
            "softplus": lambda: torch.nn.functional.softplus(dense(pooled)),
            "log softmax": lambda: torch.log_softmax(dense(pooled), -1),
            "residual": lambda: pooled + dense(pooled),
            "batch norm": lambda: norm(pooled) * 2 + 1,
            "power": lambda: torch.sign(pooled) * torch.sqrt(pooled.abs() + 1e-6),
            "ranks": lambda: pooled / pooled.abs().max(-1, keepdim=True)[0],
            "middle channels": lambda: pooled[:, 3:9],
            "dense and pooled": lambda: torch.cat([dense(pooled), pooled], -1),
        }
        return answers[self.spec.strange]()


def _change_file(path: Path, step: str) -> None:
    import onnx

    if step == "fuse":
        from onnxruntime.transformers import optimizer

        optimized = optimizer.optimize_model(
            str(path), model_type="bert", num_heads=HEADS, hidden_size=HIDDEN, opt_level=1
        )
        optimized.save_model_to_file(str(path))
        return
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load_model(path)
    kept = step == "float16"
    model = convert_float_to_float16(model, keep_io_types=kept)
    onnx.save_model(model, path)
