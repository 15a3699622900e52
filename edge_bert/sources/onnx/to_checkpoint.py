"""The recognized encoder, under the names of an equivalent transformers checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_bert.encoder.weights import HeadDense
from edge_bert.records.checkpoint import FloatArray
from edge_bert.sources.onnx.blocks import OnnxEncoderLayer
from edge_bert.sources.onnx.embeddings import OnnxEmbeddings
from edge_bert.sources.onnx.head import GraphHead
from edge_bert.sources.onnx.head_path import HeadPath
from edge_bert.sources.onnx.layer_names import BERT, LAYER_NAMES, PROJECTIONS
from edge_bert.sources.onnx.parts import Linear, NotRecognized, OnnxNorm

Weights = dict[str, FloatArray]
EPSILON_OF_DISTILBERT = 1e-12
MPNET_OFFSET = 2
SAME_AS = {"camembert": "roberta", "xlm-roberta": "roberta"}  # but for their tokens
# The activation before the last layer of each one's classifier.
CLASSIFIER_ACTIVATIONS = {"distilbert": "relu", "electra": "gelu"}


@dataclass(frozen=True, eq=False)
class RecognizedEncoder:
    """An encoder in parts; `inputs` gives our name of each input of the graph.

    `fixed_length` is the one length that a graph of fixed shapes takes. `relative_bias` is the
    table [buckets, heads] that all layers add to their scores.
    """

    embeddings: OnnxEmbeddings
    layers: tuple[OnnxEncoderLayer, ...]
    head: GraphHead
    heads: int
    inputs: Mapping[str, str]
    fixed_length: int | None = None
    relative_bias: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Named:
    """An architecture of ours with the configuration and the weights that it wants."""

    architecture: str
    config: Mapping[str, Any]
    weights: Weights


def name_weights(encoder: RecognizedEncoder, preferred: str | None) -> Named:
    """As the architecture `preferred` (from config.json) if it fits, else as the first that does.

    Among several, one whose own classifier has the activation of the graph's comes first. Raises
    NotRecognized where none of them computes what the graph does.
    """
    fits_by_name = FITS if encoder.relative_bias is None else {"mpnet": _fits_mpnet}
    candidates = [name for name, fits in fits_by_name.items() if fits(encoder)]
    if not candidates:
        raise NotRecognized("its embeddings belong to no architecture that edge-bert builds")
    usual = [name for name in candidates if _has_usual_head(encoder.head.path, name)]
    own = SAME_AS.get(preferred or "", preferred)
    architecture = own if own in candidates else (usual or candidates)[0]
    names = LAYER_NAMES.get(architecture, BERT)
    config_of = _distilbert_config if architecture == "distilbert" else _bert_config
    count = 1 if architecture == "albert" else len(encoder.layers)
    weights = _embeddings(encoder.embeddings, architecture) | _layers(encoder, names, count)
    if encoder.relative_bias is not None:
        weights["encoder.relative_attention_bias.weight"] = encoder.relative_bias
    config = config_of(encoder, architecture)
    name = preferred if preferred and own == architecture else architecture
    return Named(name, {"model_type": name} | config, weights)


def _has_usual_head(path: HeadPath, architecture: str) -> bool:
    """Whether a classifier of two layers is the architecture's own; other heads say nothing."""
    first = path.layers[0] if len(path.layers) == 2 else None
    if not isinstance(first, HeadDense):
        return True
    return first.activation == CLASSIFIER_ACTIVATIONS.get(architecture, "tanh")


def _fits_bert(encoder: RecognizedEncoder) -> bool:
    embeddings = encoder.embeddings
    return (
        embeddings.offset == 0
        and embeddings.token_type is not None
        and embeddings.projection is None
    )


def _fits_distilbert(encoder: RecognizedEncoder) -> bool:
    embeddings = encoder.embeddings
    return (
        embeddings.offset == 0
        and embeddings.token_type is None
        and embeddings.projection is None
        and _epsilon(encoder) == EPSILON_OF_DISTILBERT
    )


def _fits_roberta(encoder: RecognizedEncoder) -> bool:
    """Any position offset, and a row of zeros where no token type is added."""
    return encoder.embeddings.projection is None


def _fits_mpnet(encoder: RecognizedEncoder) -> bool:
    """RoBERTa without token types; its first token takes row MPNET_OFFSET."""
    embeddings = encoder.embeddings
    return (
        _fits_roberta(encoder)
        and embeddings.token_type is None
        and embeddings.offset <= MPNET_OFFSET
    )


def _fits_albert(encoder: RecognizedEncoder) -> bool:
    embeddings = encoder.embeddings
    return (
        embeddings.offset == 0
        and embeddings.projection is not None
        and all(_same_weights(layer, encoder.layers[0]) for layer in encoder.layers)
    )


def _same_weights(layer: OnnxEncoderLayer, first: OnnxEncoderLayer) -> bool:
    pairs = ((layer.ffn_in, first.ffn_in), (layer.attention.value, first.attention.value))
    return all(np.array_equal(linear.kernel, first_linear.kernel) for linear, first_linear in pairs)


def _fits_electra(encoder: RecognizedEncoder) -> bool:
    """With or without a projection."""
    return encoder.embeddings.offset == 0


FITS = {
    "bert": _fits_bert,
    "distilbert": _fits_distilbert,
    "roberta": _fits_roberta,
    "albert": _fits_albert,
    "electra": _fits_electra,
}


def _embeddings(embeddings: OnnxEmbeddings, architecture: str) -> Weights:
    weights = {
        "embeddings.word_embeddings.weight": embeddings.word,
        "embeddings.position_embeddings.weight": embeddings.position,
        **_norm("embeddings.LayerNorm", embeddings.norm),
    }
    if embeddings.projection is not None:
        weights |= _dense(PROJECTIONS[architecture], embeddings.projection)
    if architecture == "roberta" and embeddings.offset == 0:  # which counts from the padding id
        first = np.zeros_like(embeddings.position[:1])
        rows = np.concatenate([first, embeddings.position])
        weights["embeddings.position_embeddings.weight"] = rows
    if architecture == "mpnet":
        weights["embeddings.position_embeddings.weight"] = _mpnet_positions(embeddings)
    if architecture not in ("distilbert", "mpnet"):
        types = embeddings.token_type
        rows = np.zeros_like(embeddings.word[:1]) if types is None else types
        weights["embeddings.token_type_embeddings.weight"] = rows
    return weights


def _mpnet_positions(embeddings: OnnxEmbeddings) -> FloatArray:
    rows = np.zeros_like(embeddings.position[: MPNET_OFFSET - embeddings.offset])
    return np.concatenate([rows, embeddings.position])


def _layers(encoder: RecognizedEncoder, names: Mapping[str, str], count: int) -> Weights:
    """The weights of the first `count` layers."""
    weights: Weights = {}
    size = encoder.layers[0].attention.query.kernel.shape[1] // encoder.heads
    for index, layer in enumerate(encoder.layers[:count]):
        at = f"{names['layer']}.{index}"
        scale = layer.attention.scale
        # Scores are divided by the root of a head's width later; what differs goes to the queries.
        extra = 1.0 if scale is None else scale * size**0.5
        query = layer.attention.query
        if not np.isclose(extra, 1.0, rtol=1e-5):
            query = Linear(query.input, query.output, query.kernel * extra, query.bias * extra)
        linears = {
            "query": query,
            "key": layer.attention.key,
            "value": layer.attention.value,
            "attention_output": layer.attention_output,
            "ffn_in": layer.ffn_in,
            "ffn_out": layer.ffn_out,
        }
        for ours, dense in linears.items():
            weights |= _dense(f"{at}.{names[ours]}", dense)
        weights |= _norm(f"{at}.{names['attention_norm']}", layer.attention_norm)
        weights |= _norm(f"{at}.{names['ffn_norm']}", layer.ffn_norm)
    return weights


def _dense(name: str, dense: Linear) -> Weights:
    kernel = np.ascontiguousarray(dense.kernel.T, np.float32)
    return {f"{name}.weight": kernel, f"{name}.bias": dense.bias.astype(np.float32)}


def _norm(name: str, norm: OnnxNorm) -> Weights:
    return {f"{name}.weight": norm.gamma, f"{name}.bias": norm.beta}


def _epsilon(encoder: RecognizedEncoder) -> float:
    """The one epsilon of all norms; NotRecognized where they differ."""
    norms = [encoder.embeddings.norm]
    norms += [norm for layer in encoder.layers for norm in (layer.attention_norm, layer.ffn_norm)]
    values = {round(norm.epsilon, 15) for norm in norms}
    smallest, largest = min(values), max(values)
    if largest > smallest * 1.001:
        raise NotRecognized(f"its norms have several epsilons, {smallest:g} to {largest:g}")
    return float(f"{largest:.6g}")


def _activation(encoder: RecognizedEncoder) -> str:
    kinds = {layer.activation for layer in encoder.layers}
    if len(kinds) > 1:
        raise NotRecognized(f"its layers have several activations: {', '.join(sorted(kinds))}")
    return kinds.pop()


def _bert_config(encoder: RecognizedEncoder, architecture: str) -> dict[str, Any]:
    embeddings = encoder.embeddings
    rows = len(embeddings.position)
    config = {
        "hidden_act": _activation(encoder),
        "embedding_size": embeddings.word.shape[1],
        "hidden_size": encoder.layers[0].ffn_out.kernel.shape[1],
        "intermediate_size": encoder.layers[0].ffn_in.kernel.shape[1],
        "layer_norm_eps": _epsilon(encoder),
        "max_position_embeddings": rows,
        "num_attention_heads": encoder.heads,
        "num_hidden_layers": len(encoder.layers),
        "type_vocab_size": 1 if embeddings.token_type is None else len(embeddings.token_type),
        "vocab_size": len(embeddings.word),
    }
    if architecture == "roberta":
        offset = max(embeddings.offset, 1)
        config["pad_token_id"] = offset - 1
        config["max_position_embeddings"] = rows + (embeddings.offset == 0)
    if architecture == "mpnet":
        config["max_position_embeddings"] = rows + MPNET_OFFSET - embeddings.offset
    return config


def _distilbert_config(encoder: RecognizedEncoder, _: str) -> dict[str, Any]:
    embeddings = encoder.embeddings
    return {
        "activation": _activation(encoder),
        "dim": embeddings.word.shape[1],
        "hidden_dim": encoder.layers[0].ffn_in.kernel.shape[1],
        "max_position_embeddings": len(embeddings.position),
        "n_heads": encoder.heads,
        "n_layers": len(encoder.layers),
        "vocab_size": len(embeddings.word),
    }
