"""Configurations and weight sizes of the tiny models that are neither BERT nor its closest kin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

FAMILIES = ("albert", "electra", "mobilebert", "gpt2", "mpnet", "modernbert", "nomic_bert")
CLASS_PREFIX = {
    "albert": "Albert",
    "electra": "Electra",
    "mobilebert": "MobileBert",
    "gpt2": "GPT2",
    "mpnet": "MPNet",
    "modernbert": "ModernBert",
    "nomic_bert": "NomicBert",
}
HIDDEN, FFN, ATTENTION_HEADS, LAYERS, MAX_LENGTH = 32, 64, 4, 2, 128
EMBEDDING = 16
MPNET = {
    "bos_token_id": 0,
    "pad_token_id": 1,
    "eos_token_id": 2,
    "layer_norm_eps": 1e-5,
    "max_position_embeddings": MAX_LENGTH + 2,
    "relative_attention_num_buckets": 32,
}
Sizes = Iterator[tuple[str, tuple[int, ...]]]


MODERNBERT = {
    "bos_token_id": 2,
    "cls_token_id": 2,
    "eos_token_id": 3,
    "pad_token_id": 0,
    "sep_token_id": 3,
    "global_attn_every_n_layers": 2,
    "hidden_activation": "gelu",
    "hidden_size": HIDDEN,
    "intermediate_size": FFN,
    "local_attention": 16,
    "max_position_embeddings": MAX_LENGTH,
    "norm_eps": 1e-5,
    "num_attention_heads": ATTENTION_HEADS,
    "num_hidden_layers": 3,
}


def config(architecture: str, vocabulary: int) -> dict[str, Any]:
    """What config.json holds, but for the head."""
    own = {"architectures": [f"{CLASS_PREFIX[architecture]}Model"], "model_type": architecture}
    if architecture == "modernbert":
        return own | MODERNBERT | {"vocab_size": vocabulary}
    if architecture == "gpt2":
        return own | {
            "activation_function": "gelu_new",
            "bos_token_id": vocabulary - 1,
            "eos_token_id": vocabulary - 1,
            "layer_norm_epsilon": 1e-5,
            "n_embd": HIDDEN,
            "n_head": ATTENTION_HEADS,
            "n_layer": LAYERS,
            "n_positions": MAX_LENGTH,
            "vocab_size": vocabulary,
        }
    common = own | {
        "embedding_size": EMBEDDING,
        "hidden_act": {"mobilebert": "relu", "albert": "gelu_new"}.get(architecture, "gelu"),
        "hidden_size": HIDDEN,
        "intermediate_size": FFN,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": MAX_LENGTH,
        "num_attention_heads": ATTENTION_HEADS,
        "num_hidden_layers": LAYERS,
        "pad_token_id": 0,
        "type_vocab_size": 2,
        "vocab_size": vocabulary,
    }
    if architecture == "albert":
        return common | {"num_hidden_groups": 1, "inner_group_num": 1, "num_hidden_layers": 3}
    if architecture == "mpnet":
        return common | MPNET
    if architecture == "nomic_bert":
        return common | {"hidden_act": "silu"}
    if architecture == "mobilebert":
        return common | {"intra_bottleneck_size": EMBEDDING, "num_feedforward_networks": 3}
    return common


def sizes(config: Mapping[str, Any], labels: int) -> Sizes:
    """The weights under transformers' names; `labels` is 0 where there is no classifier."""
    makers = {"albert": _albert, "electra": _electra, "mobilebert": _mobilebert, "gpt2": _gpt2}
    makers |= {"mpnet": _mpnet, "modernbert": _modernbert, "nomic_bert": _nomic_bert}
    return makers[config["model_type"]](config, labels)


def _tables(config: Mapping[str, Any], at: str, widths: tuple[int, int, int]) -> Sizes:
    keys = ("vocab_size", "max_position_embeddings", "type_vocab_size")
    for table, key, width in zip(("word", "position", "token_type"), keys, widths, strict=True):
        yield f"{at}embeddings.{table}_embeddings.weight", (config[key], width)


def _albert(config: Mapping[str, Any], labels: int) -> Sizes:
    hidden, ffn, width = (
        config[key] for key in ("hidden_size", "intermediate_size", "embedding_size")
    )
    at = "albert." if labels else ""
    yield from _tables(config, at, (width, width, width))
    yield from _norm(f"{at}embeddings.LayerNorm", width)
    yield from _dense(f"{at}encoder.embedding_hidden_mapping_in", width, hidden)
    for group in range(config["num_hidden_groups"]):
        for inner in range(config["inner_group_num"]):
            layer = f"{at}encoder.albert_layer_groups.{group}.albert_layers.{inner}"
            for name in ("query", "key", "value", "dense"):
                yield from _dense(f"{layer}.attention.{name}", hidden, hidden)
            yield from _norm(f"{layer}.attention.LayerNorm", hidden)
            yield from _dense(f"{layer}.ffn", hidden, ffn)
            yield from _dense(f"{layer}.ffn_output", ffn, hidden)
            yield from _norm(f"{layer}.full_layer_layer_norm", hidden)
    if labels:
        yield from _dense("albert.pooler", hidden, hidden)
        yield from _dense("classifier", hidden, labels)


def _electra(config: Mapping[str, Any], labels: int) -> Sizes:
    hidden, ffn, width = (
        config[key] for key in ("hidden_size", "intermediate_size", "embedding_size")
    )
    at = "electra." if labels else ""
    yield from _tables(config, at, (width, width, width))
    yield from _norm(f"{at}embeddings.LayerNorm", width)
    if width != hidden:
        yield from _dense(f"{at}embeddings_project", width, hidden)
    for index in range(config["num_hidden_layers"]):
        layer = f"{at}encoder.layer.{index}"
        for name in ("self.query", "self.key", "self.value", "output.dense"):
            yield from _dense(f"{layer}.attention.{name}", hidden, hidden)
        yield from _norm(f"{layer}.attention.output.LayerNorm", hidden)
        yield from _dense(f"{layer}.intermediate.dense", hidden, ffn)
        yield from _dense(f"{layer}.output.dense", ffn, hidden)
        yield from _norm(f"{layer}.output.LayerNorm", hidden)
    if labels:
        yield from _dense("classifier.dense", hidden, hidden)
        yield from _dense("classifier.out_proj", hidden, labels)


def _mobilebert(config: Mapping[str, Any], labels: int) -> Sizes:
    hidden, ffn, width = (
        config[key] for key in ("hidden_size", "intermediate_size", "intra_bottleneck_size")
    )
    at = "mobilebert." if labels else ""
    embedding = config["embedding_size"]
    yield from _tables(config, at, (embedding, hidden, hidden))
    yield from _dense(f"{at}embeddings.embedding_transformation", 3 * embedding, hidden)
    yield from _norm(f"{at}embeddings.LayerNorm", hidden)
    inside = config.get("use_bottleneck_attention", False)
    shared = config.get("key_query_shared_bottleneck", True)
    for index in range(config["num_hidden_layers"]):
        layer = f"{at}encoder.layer.{index}"
        for name in ("input", "attention") if shared else ("input",):
            yield from _dense(f"{layer}.bottleneck.{name}.dense", hidden, width)
            yield from _norm(f"{layer}.bottleneck.{name}.LayerNorm", width)
        for name in ("query", "key"):
            yield from _dense(f"{layer}.attention.self.{name}", width, width)
        yield from _dense(f"{layer}.attention.self.value", width if inside else hidden, width)
        yield from _dense(f"{layer}.attention.output.dense", width, width)
        yield from _norm(f"{layer}.attention.output.LayerNorm", width)
        stacked = [f".ffn.{place}" for place in range(config["num_feedforward_networks"] - 1)]
        for part in (*stacked, ""):
            yield from _dense(f"{layer}{part}.intermediate.dense", width, ffn)
            yield from _dense(f"{layer}{part}.output.dense", ffn, width)
            yield from _norm(f"{layer}{part}.output.LayerNorm", width)
        yield from _dense(f"{layer}.output.bottleneck.dense", width, hidden)
        yield from _norm(f"{layer}.output.bottleneck.LayerNorm", hidden)
    if labels:
        if config.get("classifier_activation", True):
            yield from _dense("mobilebert.pooler.dense", hidden, hidden)
        yield from _dense("classifier", hidden, labels)


def _mpnet(config: Mapping[str, Any], labels: int) -> Sizes:
    hidden, ffn = config["hidden_size"], config["intermediate_size"]
    at = "mpnet." if labels else ""
    yield f"{at}embeddings.word_embeddings.weight", (config["vocab_size"], hidden)
    positions = config["max_position_embeddings"]
    yield f"{at}embeddings.position_embeddings.weight", (positions, hidden)
    yield from _norm(f"{at}embeddings.LayerNorm", hidden)
    for index in range(config["num_hidden_layers"]):
        layer = f"{at}encoder.layer.{index}"
        for name in "qkvo":
            yield from _dense(f"{layer}.attention.attn.{name}", hidden, hidden)
        yield from _norm(f"{layer}.attention.LayerNorm", hidden)
        yield from _dense(f"{layer}.intermediate.dense", hidden, ffn)
        yield from _dense(f"{layer}.output.dense", ffn, hidden)
        yield from _norm(f"{layer}.output.LayerNorm", hidden)
    buckets = config["relative_attention_num_buckets"]
    yield f"{at}encoder.relative_attention_bias.weight", (buckets, config["num_attention_heads"])
    if labels:
        yield from _dense("classifier.dense", hidden, hidden)
        yield from _dense("classifier.out_proj", hidden, labels)


def _modernbert(config: Mapping[str, Any], labels: int) -> Sizes:
    hidden, ffn = config["hidden_size"], config["intermediate_size"]
    at, norm_bias = ("model." if labels else ""), config.get("norm_bias", False)

    def norm(name: str) -> Sizes:
        yield from list(_norm(name, hidden))[: 2 if norm_bias else 1]

    def dense(name: str, inputs: int, outputs: int, key: str) -> Sizes:
        yield from list(_dense(name, inputs, outputs))[: 2 if config.get(key, False) else 1]

    yield f"{at}embeddings.tok_embeddings.weight", (config["vocab_size"], hidden)
    yield from norm(f"{at}embeddings.norm")
    for index in range(config["num_hidden_layers"]):
        layer = f"{at}layers.{index}"
        yield from norm(f"{layer}.attn_norm") if index else ()
        yield from dense(f"{layer}.attn.Wqkv", hidden, 3 * hidden, "attention_bias")
        yield from dense(f"{layer}.attn.Wo", hidden, hidden, "attention_bias")
        yield from norm(f"{layer}.mlp_norm")
        yield from dense(f"{layer}.mlp.Wi", hidden, 2 * ffn, "mlp_bias")
        yield from dense(f"{layer}.mlp.Wo", ffn, hidden, "mlp_bias")
    yield from norm(f"{at}final_norm")
    if labels:
        yield from dense("head.dense", hidden, hidden, "classifier_bias")
        yield from norm("head.norm")
        yield from _dense("classifier", hidden, labels)


def _nomic_bert(config: Mapping[str, Any], labels: int) -> Sizes:
    hidden, ffn = config["hidden_size"], config["intermediate_size"]
    at = "nomic_bert." if labels else ""
    yield f"{at}embeddings.word_embeddings.weight", (config["vocab_size"], hidden)
    types = config["type_vocab_size"]
    yield f"{at}embeddings.token_type_embeddings.weight", (types, hidden)
    yield from _norm(f"{at}embeddings.LayerNorm", hidden)
    width = config.get("head_dim") or hidden // config["num_attention_heads"]
    width *= config["num_attention_heads"]
    for index in range(config["num_hidden_layers"]):
        layer = f"{at}layers.{index}"
        for name in "qkv":
            yield f"{layer}.self_attn.{name}_proj.weight", (width, hidden)
        yield f"{layer}.self_attn.o_proj.weight", (hidden, width)
        yield from _norm(f"{layer}.post_attention_layernorm", hidden)
        for name in ("gate", "up"):
            yield f"{layer}.mlp.{name}_proj.weight", (ffn, hidden)
        yield f"{layer}.mlp.down_proj.weight", (hidden, ffn)
        yield from _norm(f"{layer}.post_mlp_layernorm", hidden)
    if labels:
        yield from _dense("nomic_bert.pooler.dense", hidden, hidden)
        yield from _dense("classifier", hidden, labels)


def _gpt2(config: Mapping[str, Any], labels: int) -> Sizes:
    hidden = config["n_embd"]
    ffn = config.get("n_inner") or 4 * hidden
    at = "transformer." if labels else ""
    yield f"{at}wte.weight", (config["vocab_size"], hidden)
    yield f"{at}wpe.weight", (config["n_positions"], hidden)
    for index in range(config["n_layer"]):
        layer = f"{at}h.{index}"
        yield from _norm(f"{layer}.ln_1", hidden)
        yield from _conv1d(f"{layer}.attn.c_attn", hidden, 3 * hidden)
        yield from _conv1d(f"{layer}.attn.c_proj", hidden, hidden)
        yield from _norm(f"{layer}.ln_2", hidden)
        yield from _conv1d(f"{layer}.mlp.c_fc", hidden, ffn)
        yield from _conv1d(f"{layer}.mlp.c_proj", ffn, hidden)
    yield from _norm(f"{at}ln_f", hidden)
    if labels:
        yield "score.weight", (labels, hidden)


def _dense(name: str, inputs: int, outputs: int) -> Sizes:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def _conv1d(name: str, inputs: int, outputs: int) -> Sizes:
    yield f"{name}.weight", (inputs, outputs)
    yield f"{name}.bias", (outputs,)


def _norm(name: str, size: int) -> Sizes:
    yield f"{name}.weight", (size,)
    yield f"{name}.bias", (size,)
