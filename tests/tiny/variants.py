"""The tiny models that references were recorded of: every architecture, head and option."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tiny.models import ARCHITECTURES, HEADS, write

# Name: architecture, head, changes to config.json.
VARIANTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    f"{architecture}-{head}": (architecture, head, {})
    for architecture in ARCHITECTURES
    for head in HEADS
} | {
    "bert-one-token-type": ("bert", "mean", {"type_vocab_size": 1}),
    "bert-gelu-new": ("bert", "mean", {"hidden_act": "gelu_new"}),
    "bert-relu": ("bert", "cls", {"hidden_act": "relu", "layer_norm_eps": 1e-3}),
    "distilbert-relu": ("distilbert", "mean", {"activation": "relu"}),
    "roberta-late-padding-id": (
        "roberta",
        "mean",
        {"pad_token_id": 3, "max_position_embeddings": 132},
    ),
    "roberta-two-token-types": ("roberta", "mean", {"type_vocab_size": 2}),
    "albert-mean-normalize": ("albert", "mean-normalize", {}),
    "albert-cls": ("albert", "cls", {}),
    "albert-classification": ("albert", "classification", {}),
    "albert-groups": (
        "albert",
        "mean",
        {"num_hidden_groups": 2, "inner_group_num": 2, "hidden_act": "relu"},
    ),
    "electra-mean-normalize": ("electra", "mean-normalize", {}),
    "electra-cls-normalize": ("electra", "cls-normalize", {}),
    "electra-classification": ("electra", "classification", {}),
    "electra-one-width": ("electra", "mean", {"embedding_size": 32}),
    "mobilebert-mean-normalize": ("mobilebert", "mean-normalize", {}),
    "mobilebert-cls": ("mobilebert", "cls", {}),
    "mobilebert-classification": ("mobilebert", "classification", {}),
    "mobilebert-without-pooler": (
        "mobilebert",
        "classification",
        {"classifier_activation": False, "num_feedforward_networks": 1},
    ),
    "mobilebert-inside": (
        "mobilebert",
        "mean",
        {"use_bottleneck_attention": True, "key_query_shared_bottleneck": False},
    ),
    "gpt2-mean-normalize": ("gpt2", "mean-normalize", {}),
    "gpt2-last": ("gpt2", "last", {}),
    "gpt2-last-normalize": ("gpt2", "last-normalize", {}),
    "gpt2-classification": ("gpt2", "classification", {}),
    "gpt2-scales": (
        "gpt2",
        "mean",
        {"scale_attn_by_inverse_layer_idx": True, "n_inner": 48, "activation_function": "relu"},
    ),
    "xlm-roberta-mean-normalize": ("xlm-roberta", "mean-normalize", {}),
    "xlm-roberta-cls": ("xlm-roberta", "cls", {}),
    "xlm-roberta-classification": ("xlm-roberta", "classification", {}),
    "camembert-mean": ("camembert", "mean", {}),
    "camembert-classification": ("camembert", "classification", {}),
    "mpnet-mean-normalize": ("mpnet", "mean-normalize", {}),
    "mpnet-cls": ("mpnet", "cls", {}),
    "mpnet-classification": ("mpnet", "classification", {}),
    "mpnet-relu": ("mpnet", "mean", {"hidden_act": "relu"}),
    "modernbert-mean-normalize": ("modernbert", "mean-normalize", {}),
    "modernbert-cls": ("modernbert", "cls", {}),
    "modernbert-classification": ("modernbert", "classification", {}),
    "modernbert-mean-classification": (
        "modernbert",
        "classification",
        {"classifier_pooling": "mean", "classifier_bias": True, "norm_bias": True},
    ),
    "modernbert-all-local-with-biases": (
        "modernbert",
        "mean",
        {
            "attention_bias": True,
            "mlp_bias": True,
            "norm_bias": True,
            "layer_types": ["sliding_attention"] * 3,
            "rope_parameters": {
                "full_attention": {"rope_type": "default", "rope_theta": 500.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
            },
        },
    ),
    "nomic_bert-mean-normalize": ("nomic_bert", "mean-normalize", {}),
    "nomic_bert-cls": ("nomic_bert", "cls", {}),
    "nomic_bert-classification": ("nomic_bert", "classification", {}),
    "nomic_bert-wide-heads": (
        "nomic_bert",
        "mean",
        {"head_dim": 12, "rope_parameters": {"rope_type": "default", "rope_theta": 50.0}},
    ),
}


def write_variant(folder: Path, name: str) -> Path:
    """The folder of the variant called `name`; its seed is its place among the variants."""
    architecture, head, config = VARIANTS[name]
    return write(folder, architecture, head, seed=list(VARIANTS).index(name), **config)
