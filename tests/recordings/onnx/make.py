"""Exports tiny transformers models as ONNX, so that reading them is tested without PyTorch.

    pip install "edge-bert[onnx,torch]"
    python -m tests.recordings.onnx.make

Weights are random and seeded. What exporters write about the machine they ran on is taken out.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
WORDS, HIDDEN, FFN, HEADS, LAYERS, POSITIONS, LENGTH = 672, 16, 32, 2, 2, 64, 16
SIZES = {
    "vocab_size": WORDS,
    "hidden_size": HIDDEN,
    "intermediate_size": FFN,
    "num_attention_heads": HEADS,
    "num_hidden_layers": LAYERS,
    "max_position_embeddings": POSITIONS,
}
DISTILBERT = {
    "vocab_size": WORDS,
    "dim": HIDDEN,
    "hidden_dim": FFN,
    "n_heads": HEADS,
    "n_layers": LAYERS,
    "max_position_embeddings": POSITIONS,
}
NARROW = SIZES | {"embedding_size": 8}
CONFIGS: dict[str, tuple[str, Mapping[str, int]]] = {
    "bert": ("Bert", SIZES),
    "distilbert": ("DistilBert", DISTILBERT),
    "roberta": (
        "Roberta",
        SIZES | {"max_position_embeddings": POSITIONS + 2, "type_vocab_size": 1},
    ),
    "albert": ("Albert", NARROW),
    "electra": ("Electra", NARROW),
    "mpnet": ("MPNet", SIZES | {"max_position_embeddings": POSITIONS + 2}),
    "mobilebert": ("MobileBert", NARROW | {"intra_bottleneck_size": 8}),
}
WITHOUT_TYPES = ("distilbert", "roberta", "mpnet")


@dataclass(frozen=True)
class Case:
    """One way to export a model. `head` is tokens, logits, mean or cls."""

    family: str
    exporter: str = "script"
    opset: int = 14
    attention: str = "sdpa"
    dynamic: bool = True
    head: str = "tokens"
    layers: int = LAYERS

    @property
    def name(self) -> str:
        """What the file is called."""
        shapes = "dynamic" if self.dynamic else "static"
        return f"{self.family}-{self.head}-{self.exporter}{self.opset}-{self.attention}-{shapes}"


RECORDED = (
    Case("bert"),
    Case("bert", attention="eager"),
    Case("bert", opset=13, attention="eager", dynamic=False),
    Case("bert", exporter="dynamo", opset=18),
    Case("bert", head="mean", opset=17),
    Case("bert", head="cls"),
    Case("bert", head="logits", exporter="dynamo", opset=18, attention="eager"),
    Case("distilbert", head="logits", opset=17, attention="eager"),
    Case("distilbert", exporter="dynamo", opset=18, dynamic=False),
    Case("roberta", opset=17),
    Case("roberta", head="logits", exporter="dynamo", opset=18),
    Case("albert", exporter="dynamo", opset=18),
    Case("electra", opset=13, attention="eager"),
    Case("mobilebert", exporter="dynamo", opset=18, attention="eager"),
    Case("mpnet", opset=17, attention="eager"),
    Case("mpnet", exporter="dynamo", opset=18, attention="eager", dynamic=False),
    Case("mpnet", head="logits", exporter="dynamo", opset=18, attention="eager"),
)
# Of one layer: exporters and onnx2tf take half the time, and recorded files have two.
EVERY = tuple(
    Case(family, exporter, opset, attention, dynamic, layers=1)
    for family in CONFIGS
    for exporter, opsets in (("script", (13, 14, 15, 16, 17, 18)), ("dynamo", (18,)))
    for opset in opsets
    for attention in ("eager", "sdpa")
    for dynamic in (True, False)
    if (attention == "eager" or opset > 13)  # which exporters refuse
    and (attention == "eager" or family != "mpnet")  # which has no other
    and (dynamic or opset > 16)  # enough of them, as an export takes seconds
)


def export(case: Case, path: Path) -> None:
    """Write the ONNX file of `case` to `path`."""
    import onnx
    import torch

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    model, names, arguments = _model(case), _inputs(case), _arguments(case)
    outputs = ["last_hidden_state" if case.head == "tokens" else _output(case)]
    common: dict[str, Any] = {"input_names": names, "output_names": outputs}
    common |= {"opset_version": case.opset, "verbose": False}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        if case.exporter == "script":
            free = {name: {0: "batch", 1: "length"} for name in names}
            common |= {"dynamic_axes": free if case.dynamic else None, "dynamo": False}
            torch.onnx.export(model, arguments, str(path), **common)
        else:
            sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=POSITIONS)}
            free_shapes = (tuple(sizes for _ in names),) if case.dynamic else None
            common |= {"dynamic_shapes": free_shapes, "dynamo": True, "external_data": False}
            torch.onnx.export(model, arguments, str(path), **common)
    file = onnx.load_model(path)
    _forget_machine(file)
    onnx.save_model(file, path)


def _output(case: Case) -> str:
    return "logits" if case.head == "logits" else "sentence_embedding"


def _inputs(case: Case) -> list[str]:
    names = ["input_ids", "attention_mask", "token_type_ids"]
    return names[:2] if case.family in WITHOUT_TYPES else names


def _arguments(case: Case) -> tuple[Any, ...]:
    import torch

    torch.manual_seed(1)
    rows = 2 if case.dynamic else 1  # a batch of one would be taken for fixed
    ids = torch.randint(5, WORDS, (rows, LENGTH))
    mask = torch.ones_like(ids)
    mask[-1, LENGTH - 4 :] = 0
    return (ids, mask, torch.zeros_like(ids))[: len(_inputs(case))]


def _model(case: Case) -> Any:
    """The model with seeded weights that matter, and its head, as one module."""
    import torch
    import transformers

    prefix, sizes = CONFIGS[case.family]
    layers = {name: case.layers for name in ("num_hidden_layers", "n_layers") if name in sizes}
    config = getattr(transformers, f"{prefix}Config")(**sizes | layers)
    config.num_labels = 3
    kind = "ForSequenceClassification" if case.head == "logits" else "Model"
    model = getattr(transformers, f"{prefix}{kind}")._from_config(
        config, attn_implementation=case.attention
    )
    random = torch.Generator().manual_seed(2)
    for name, parameter in model.named_parameters():
        centre = 1.0 if parameter.ndim == 1 and name.endswith("weight") else 0.0
        torch.nn.init.normal_(parameter, centre, 0.3, generator=random)
    for part in model.modules():
        if isinstance(part, torch.nn.Embedding) and part.padding_idx is not None:
            # As training leaves it: MobileBERT's last token sees the row of the padding after it.
            torch.nn.init.zeros_(part.weight[part.padding_idx])
    return _with_head(model.eval(), _inputs(case), case.head)


def _with_head(model: Any, names: Sequence[str], head: str) -> Any:
    import torch

    class Exported(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = model

        def forward(self, *arguments: Any) -> Any:
            inputs = dict(zip(names, arguments, strict=True))
            found = self.encoder(**inputs)
            if head == "logits":
                return found.logits
            tokens = found.last_hidden_state
            if head == "cls":
                return tokens[:, 0]
            if head == "mean":
                weights = inputs["attention_mask"].unsqueeze(-1).to(tokens.dtype)
                mean = (tokens * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
                return torch.nn.functional.normalize(mean, p=2, dim=1)
            return tokens

    return Exported().eval()


def _forget_machine(model: Any) -> None:
    """Exporters keep stack traces, with the paths of the machine, in metadata and comments."""
    del model.metadata_props[:]
    model.doc_string = model.graph.doc_string = ""
    del model.graph.metadata_props[:]
    del model.graph.value_info[:]
    for part in (*model.graph.node, *model.graph.input, *model.graph.output):
        part.doc_string = ""
        del part.metadata_props[:]
    for tensor in model.graph.initializer:
        tensor.doc_string = ""
        del tensor.metadata_props[:]


def fuse(path: Path, out: Path) -> None:
    """What onnxruntime's own optimizer makes of a BERT: Attention, SkipLayerNormalization, …"""
    from onnxruntime.transformers import optimizer

    optimized = optimizer.optimize_model(
        str(path), model_type="bert", num_heads=HEADS, hidden_size=HIDDEN, opt_level=0
    )
    _forget_machine(optimized.model)
    optimized.save_model_to_file(str(out))


def main() -> None:
    """Write every recorded file."""
    for case in RECORDED:
        export(case, HERE / f"{case.name}.onnx")
    fuse(HERE / f"{Case('bert', attention='eager').name}.onnx", HERE / "bert-fused.onnx")


if __name__ == "__main__":
    main()
