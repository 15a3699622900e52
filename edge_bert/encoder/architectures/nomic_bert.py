"""nomic-bert (Nussbaum et al. 2024, arXiv:2402.01613): BERT, but turned, gated and without biases.

Its files are those of transformers 5, or those of nomic's own code, which have other names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_bert.encoder.architectures.config_json import (
    MAX_LAYERS,
    check_heads,
    read_epsilon,
    read_size,
)
from edge_bert.encoder.architectures.custom import (
    CustomArchitecture,
    WeightSource,
    norm_weights,
)
from edge_bert.encoder.architectures.rotary_json import (
    read_gated_activation,
    read_theta,
    refuse_options,
)
from edge_bert.encoder.config import DenseHead, NomicBertConfig
from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import FloatArray, find_shape

# What nomic's own configuration calls the keys of transformers 5.
OWN_KEYS = {
    "n_embd": "hidden_size",
    "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
    "n_inner": "intermediate_size",
    "n_positions": "max_position_embeddings",
    "layer_norm_epsilon": "layer_norm_eps",
}
# Options of nomic's own code, and what its embedding models have.
OWN_OPTIONS = {
    "rotary_emb_fraction": 1.0,
    "rotary_emb_interleaved": False,
    "rotary_emb_scale_base": None,
    "rotary_scaling_factor": None,
    "prenorm": False,
    "parallel_block": False,
    "causal": False,
    "use_rms_norm": False,
    "qkv_proj_bias": False,
    "mlp_fc1_bias": False,
    "mlp_fc2_bias": False,
    "num_experts": 0,
    "scale_attn_by_inverse_layer_idx": False,
    "scale_attn_weights": True,
    "parallel_block_tied_norm": False,
    "activation_function": "swiglu",
}
# Names of nomic's own files, and those of transformers 5.
RENAMED = (
    (re.compile(r"^bert\."), ""),
    (re.compile(r"^emb_ln\."), "embeddings.LayerNorm."),
    (re.compile(r"^encoder\.layers\."), "layers."),
    (re.compile(r"\.attn\.out_proj\."), ".self_attn.o_proj."),
    (re.compile(r"\.mlp\.fc11\."), ".mlp.up_proj."),
    (re.compile(r"\.mlp\.fc12\."), ".mlp.gate_proj."),
    (re.compile(r"\.mlp\.fc2\."), ".mlp.down_proj."),
    (re.compile(r"\.norm1\."), ".post_attention_layernorm."),
    (re.compile(r"\.norm2\."), ".post_mlp_layernorm."),
)
JOINED = ".attn.Wqkv.weight"


def read_config(config: Mapping[str, Any]) -> NomicBertConfig:
    """Sizes from a nomic-bert config.json, of transformers or of nomic's own code."""
    own = "n_embd" in config  # beside them stand the defaults of transformers
    if own:
        refuse_options(config, OWN_OPTIONS)
        config = {**config, **{new: config[old] for old, new in OWN_KEYS.items() if old in config}}
    hidden, heads = read_size(config, "hidden_size"), read_size(config, "num_attention_heads")
    check_heads(hidden, heads)
    size = hidden // heads if config.get("head_dim") is None else read_size(config, "head_dim")
    if size % 2:
        raise ModelError(f"config.json: heads of {size} channels cannot be turned.")
    full = {"max_position_embeddings": 2048, "type_vocab_size": 2, **config}
    theta = read_theta(config.get("rope_parameters"), config.get("rotary_emb_base"), 1000.0)
    return NomicBertConfig(
        hidden=hidden,
        layers=read_size(config, "num_hidden_layers", MAX_LAYERS),
        heads=heads,
        head_size=size,
        ffn=read_size(config, "intermediate_size"),
        vocabulary=read_size(config, "vocab_size"),
        positions=read_size(full, "max_position_embeddings"),
        token_types=read_size(full, "type_vocab_size"),
        epsilon=read_epsilon(config, 1e-12),
        activation="silu" if own else read_gated_activation(config.get("hidden_act", "silu")),
        theta=theta,
    )


@dataclass(frozen=True)
class RenamedWeights(Mapping[str, FloatArray]):
    """`weights` under other names: of each the file's name, and which third of it, if not all.

    An array is read when it is asked for, so that it shows which the encoder reads.
    """

    weights: Mapping[str, FloatArray]
    sources: Mapping[str, tuple[str, int | None]]

    def __getitem__(self, name: str) -> FloatArray:
        source, third = self.sources[name]
        array = self.weights[source]
        if third is None or len(array) % 3:
            return array
        return np.asarray(np.split(array, 3)[third], np.float32)

    def __iter__(self) -> Iterator[str]:
        return iter(self.sources)

    def shape(self, name: str) -> tuple[int, ...] | None:
        source, third = self.sources[name]
        shape = find_shape(self.weights, source)
        if not shape or third is None or shape[0] % 3:
            return shape
        return shape[0] // 3, *shape[1:]

    def __len__(self) -> int:
        return len(self.sources)


def rename_weights(weights: Mapping[str, FloatArray]) -> RenamedWeights:
    """The weights under the names of transformers 5; a joined matrix becomes three."""
    sources: dict[str, tuple[str, int | None]] = {}
    for name in weights:
        new = name
        for pattern, replacement in RENAMED:
            new = pattern.sub(replacement, new)
        if new.endswith(JOINED):
            at = new.removesuffix(JOINED)
            thirds = {f"{at}.self_attn.{x}_proj.weight": i for i, x in enumerate("qkv")}
            sources |= {third: (name, index) for third, index in thirds.items()}
        else:
            sources[new] = (name, None)
    return RenamedWeights(weights, sources)


def list_weights(sizes: NomicBertConfig) -> Iterator[WeightSource]:
    """Every weight of the encoder."""
    hidden, width = sizes.hidden, sizes.heads * sizes.head_size
    tables = "embeddings."
    tokens, types = (sizes.vocabulary, hidden), (sizes.token_types, hidden)
    yield WeightSource("embeddings.word", f"{tables}word_embeddings.weight", tokens)
    yield WeightSource("embeddings.token_type", f"{tables}token_type_embeddings.weight", types)
    yield from norm_weights("embeddings.norm", f"{tables}LayerNorm", hidden)
    for index in range(sizes.layers):
        ours, file = f"layer.{index}", f"layers.{index}"
        for name in ("query", "key", "value"):
            matrix = f"{file}.self_attn.{name[0]}_proj"
            yield _matrix(f"{ours}.attention.{name}", matrix, hidden, width)
        yield _matrix(
            f"{ours}.attention.attention_output", f"{file}.self_attn.o_proj", width, hidden
        )
        yield from norm_weights(
            f"{ours}.attention_norm", f"{file}.post_attention_layernorm", hidden
        )
        yield _matrix(f"{ours}.ffn.ffn_in", f"{file}.mlp.gate_proj", hidden, sizes.ffn)
        yield _matrix(f"{ours}.ffn.ffn_gate", f"{file}.mlp.up_proj", hidden, sizes.ffn)
        yield _matrix(f"{ours}.ffn.ffn_out", f"{file}.mlp.down_proj", sizes.ffn, hidden)
        yield from norm_weights(f"{ours}.ffn_norm", f"{file}.post_mlp_layernorm", hidden)


def _matrix(ours: str, file: str, inputs: int, outputs: int) -> WeightSource:
    """A torch.nn.Linear without a bias."""
    return WeightSource(f"{ours}.kernel", f"{file}.weight", (outputs, inputs), transposed=True)


def list_head(_: NomicBertConfig) -> tuple[DenseHead, ...]:
    """BERT's pooler and classifier."""
    return (DenseHead("pooler.dense", "tanh"), DenseHead("classifier"))


def build_model(weights: Any) -> Any:
    """The Keras model of checked weights, without their values."""
    from edge_bert.encoder.keras_nomic_bert import NomicBert

    return NomicBert(weights.config, weights.head, weights.head_layers)


NOMIC_BERT = CustomArchitecture(
    name="nomic_bert",
    prefix="nomic_bert.",
    read_config=read_config,
    list_weights=list_weights,
    list_head=list_head,
    build_model=build_model,
    rounds_to_nearest=True,
    answers_questions=False,
    rename_weights=rename_weights,
)
