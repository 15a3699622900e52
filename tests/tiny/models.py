"""Tiny models: whole folders in Hugging Face's layout, with the same bytes on every machine.

`write(tmp_path / "m", "bert", "mean-normalize")` gives a folder for `edge_bert.sources.load`, or
`checkpoint(...)` the loaded model. No PyTorch and no network are needed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from edge_bert.records.checkpoint import Checkpoint
from edge_bert.sources.load import load_checkpoint
from tests.tiny import families
from tests.tiny.tokenizer_files import (
    write_bare_byte_level,
    write_byte_level,
    write_camembert,
    write_modernbert,
    write_mpnet,
    write_sentencepiece,
    write_unigram,
    write_wordpiece,
)

ARCHITECTURES = ("bert", "distilbert", "roberta")
ROBERTAS = ("roberta", "xlm-roberta", "camembert")  # one model, three tokenizers
HEADS = ("mean-normalize", "mean", "cls-normalize", "cls", "classification")
LABELS = ("negative", "neutral", "positive")
TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
# By head: what transformers calls its model, its one matrix, and that matrix's outputs.
TOKEN_HEADS = {
    "token_classification": ("ForTokenClassification", "classifier", len(TAGS)),
    "question_answering": ("ForQuestionAnswering", "qa_outputs", 2),
}
HIDDEN, FFN, ATTENTION_HEADS, LAYERS, MAX_LENGTH = 32, 64, 4, 2, 128
Sizes = Iterator[tuple[str, tuple[int, ...]]]


def write(
    folder: Path,
    architecture: str = "bert",
    head: str = "mean-normalize",
    *,
    seed: int = 0,
    **config: Any,
) -> Path:
    """Write a model of `architecture` with `head` (one of HEADS or TOKEN_HEADS) into `folder`;
    gives `folder`.

    It may also be one of `families.FAMILIES`, and GPT-2's head may be `last` or `last-normalize`.
    `config` replaces entries of config.json before the weights are sized by it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = TOKENIZERS.get(architecture, write_wordpiece)(folder)
    full = _config(architecture, vocabulary) | config
    if head == "classification":
        full |= _labels(LABELS)
        full |= {"architectures": [f"{CLASS_PREFIX[architecture]}ForSequenceClassification"]}
    elif head in TOKEN_HEADS:
        full |= _labels(TAGS) if head == "token_classification" else {}
        full |= {"architectures": [f"{CLASS_PREFIX[architecture]}{TOKEN_HEADS[head][0]}"]}
    else:
        _write_modules(folder, head)
    write_json(folder / "config.json", full)
    save_file(weights(full, head, seed), folder / "model.safetensors", {"format": "pt"})
    return folder


def _labels(names: Sequence[str]) -> dict[str, Any]:
    """The entries of config.json that name the outputs of a classifier."""
    return {
        "id2label": {str(number): label for number, label in enumerate(names)},
        "label2id": {label: number for number, label in enumerate(names)},
    }


def checkpoint(folder: Path, *args: Any, **kwargs: Any) -> Checkpoint:
    """`write` with these arguments, then what edge-bert reads."""
    return load_checkpoint(str(write(folder, *args, **kwargs)), folder.parent)


def write_json(path: Path, content: object) -> None:
    """A JSON file, readable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False), "utf-8")


def change_json(path: Path, **changes: Any) -> None:
    """Replace entries of the JSON object in `path`; None takes one away."""
    content = json.loads(path.read_text("utf-8")) | changes
    write_json(path, {key: value for key, value in content.items() if value is not None})


CLASS_PREFIX = {
    "bert": "Bert",
    "distilbert": "DistilBert",
    "roberta": "Roberta",
    "xlm-roberta": "XLMRoberta",
    "camembert": "Camembert",
    **families.CLASS_PREFIX,
}
TOKENIZERS = {
    "roberta": write_byte_level,
    "xlm-roberta": write_sentencepiece,
    "camembert": write_camembert,
    "mpnet": write_mpnet,
    "modernbert": write_modernbert,
    "albert": write_unigram,
    "gpt2": write_bare_byte_level,
}


def _config(architecture: str, vocabulary: int) -> dict[str, Any]:
    if architecture in families.FAMILIES:
        return families.config(architecture, vocabulary)
    common = {
        "architectures": [f"{CLASS_PREFIX[architecture]}Model"],
        "model_type": architecture,
        "vocab_size": vocabulary,
        "max_position_embeddings": MAX_LENGTH,
    }
    if architecture == "distilbert":
        return common | {
            "activation": "gelu",
            "dim": HIDDEN,
            "hidden_dim": FFN,
            "n_heads": ATTENTION_HEADS,
            "n_layers": LAYERS,
            "pad_token_id": 0,
        }
    common |= {
        "hidden_act": "gelu",
        "hidden_size": HIDDEN,
        "intermediate_size": FFN,
        "layer_norm_eps": 1e-12,
        "num_attention_heads": ATTENTION_HEADS,
        "num_hidden_layers": LAYERS,
        "pad_token_id": 0,
        "type_vocab_size": 2,
    }
    if architecture in ROBERTAS:
        offset = {"max_position_embeddings": MAX_LENGTH + 2, "pad_token_id": 1}
        common |= offset | {"type_vocab_size": 1, "layer_norm_eps": 1e-5}
        first, last = (5, 6) if architecture == "camembert" else (0, 2)
        common |= {"bos_token_id": first, "eos_token_id": last}
    return common


def _write_modules(folder: Path, head: str) -> None:
    """sentence-transformers' files; `head` names pooling and whether the output is normalised."""
    kinds = ["Transformer", "Pooling"] + ["Normalize"] * head.endswith("-normalize")
    paths = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": paths[k], "type": f"sentence_transformers.models.{k}"}
        for i, k in enumerate(kinds)
    ]
    write_json(folder / "modules.json", modules)
    mode = {f"pooling_mode_{name}": False for name in ("max_tokens", "mean_sqrt_len_tokens")}
    mode |= {"pooling_mode_cls_token": head.startswith("cls")}
    mode |= {"pooling_mode_mean_tokens": head.startswith("mean")}
    mode |= {"pooling_mode_lasttoken": head.startswith("last")}
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": HIDDEN, **mode})
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": MAX_LENGTH})


def weights(config: Mapping[str, Any], head: str, seed: int) -> dict[str, np.ndarray]:
    """Seeded weights under transformers' names; every one is large enough to matter.

    RandomState and uniform numbers, because NumPy promises that their bits never change.
    """
    random = np.random.RandomState(seed)
    if head in TOKEN_HEADS:
        sizes = _token_sizes(config, head)
    elif config["model_type"] in families.FAMILIES:
        sizes = families.sizes(config, len(LABELS) if head == "classification" else 0)
    elif config["model_type"] == "distilbert":
        sizes = _distilbert(config, head)
    else:
        sizes = _bert(config, head)
    return {name: _values(random, name, shape) for name, shape in sizes}


def _token_sizes(config: Mapping[str, Any], head: str) -> Sizes:
    """The bare encoder's behind transformers' prefix, and the one matrix of the head."""
    family = config["model_type"]
    if family in families.FAMILIES:
        bare = families.sizes(config, 0)
    else:
        bare = (_distilbert if family == "distilbert" else _bert)(config, "mean")
    prefix = {"gpt2": "transformer", "modernbert": "model"} | dict.fromkeys(ROBERTAS, "roberta")
    hidden = config.get("hidden_size") or config.get("dim") or config["n_embd"]
    yield from ((f"{prefix.get(family, family)}.{name}", shape) for name, shape in bare)
    if family == "modernbert":  # whose heads are alike
        yield "head.dense.weight", (hidden, hidden)
        yield "head.norm.weight", (hidden,)
        yield from _dense("classifier", hidden, TOKEN_HEADS[head][2])
        return
    yield from _dense(TOKEN_HEADS[head][1], hidden, TOKEN_HEADS[head][2])


def _values(random: np.random.RandomState, name: str, shape: tuple[int, ...]) -> np.ndarray:
    values = random.random_sample(shape) * 2 - 1
    if "embeddings.weight" in name or name.endswith(("wte.weight", "wpe.weight")):
        return values.astype(np.float32)
    if len(shape) == 2:
        # Queries and keys are larger, so that attention is far from even.
        parts = ("query", "key", "q_lin", "k_lin", "c_attn", "attn.q.", "attn.k.", "Wqkv")
        parts += ("q_proj", "k_proj")
        sharp = 2.0 if any(part in name for part in parts) else 1.0
        inputs = shape[0] if ".c_" in name else shape[1]
        return (values * sharp * math.sqrt(3 / inputs)).astype(np.float32)
    ones = ("orm.weight", "orm.gamma", "ln_1.weight", "ln_2.weight", "ln_f.weight")
    centre = 1.0 if name.endswith(ones) else 0.0
    return (centre + 0.3 * values).astype(np.float32)


def _bert(config: Mapping[str, Any], head: str) -> Sizes:
    """BERT and RoBERTa, which differ in the names of their heads only."""
    family, hidden, ffn = config["model_type"], config["hidden_size"], config["intermediate_size"]
    prefix = "roberta" if family in ROBERTAS else family
    at = f"{prefix}." if head == "classification" else ""
    for table, size in (
        ("word", "vocab_size"), ("position", "max_position_embeddings"),
        ("token_type", "type_vocab_size"),
    ):  # fmt: skip
        yield f"{at}embeddings.{table}_embeddings.weight", (config[size], hidden)
    yield from _norm(f"{at}embeddings.LayerNorm", hidden)
    for index in range(config["num_hidden_layers"]):
        layer = f"{at}encoder.layer.{index}"
        for name in ("query", "key", "value"):
            yield from _dense(f"{layer}.attention.self.{name}", hidden, hidden)
        yield from _dense(f"{layer}.attention.output.dense", hidden, hidden)
        yield from _norm(f"{layer}.attention.output.LayerNorm", hidden)
        yield from _dense(f"{layer}.intermediate.dense", hidden, ffn)
        yield from _dense(f"{layer}.output.dense", ffn, hidden)
        yield from _norm(f"{layer}.output.LayerNorm", hidden)
    if head == "classification":
        names = ("classifier.dense", "classifier.out_proj")
        first, last = names if family in ROBERTAS else ("bert.pooler.dense", "classifier")
        yield from _dense(first, hidden, hidden)
        yield from _dense(last, hidden, len(LABELS))


def _distilbert(config: Mapping[str, Any], head: str) -> Sizes:
    hidden, ffn = config["dim"], config["hidden_dim"]
    at = "distilbert." if head == "classification" else ""
    yield f"{at}embeddings.word_embeddings.weight", (config["vocab_size"], hidden)
    positions = config["max_position_embeddings"]
    yield f"{at}embeddings.position_embeddings.weight", (positions, hidden)
    yield from _norm(f"{at}embeddings.LayerNorm", hidden)
    for index in range(config["n_layers"]):
        layer = f"{at}transformer.layer.{index}"
        for name in ("q_lin", "k_lin", "v_lin", "out_lin"):
            yield from _dense(f"{layer}.attention.{name}", hidden, hidden)
        yield from _norm(f"{layer}.sa_layer_norm", hidden)
        yield from _dense(f"{layer}.ffn.lin1", hidden, ffn)
        yield from _dense(f"{layer}.ffn.lin2", ffn, hidden)
        yield from _norm(f"{layer}.output_layer_norm", hidden)
    if head == "classification":
        yield from _dense("pre_classifier", hidden, hidden)
        yield from _dense("classifier", hidden, len(LABELS))


def _dense(name: str, inputs: int, outputs: int) -> Sizes:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def _norm(name: str, size: int) -> Sizes:
    yield f"{name}.weight", (size,)
    yield f"{name}.bias", (size,)
