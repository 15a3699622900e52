"""One module of sentence-transformers each: what its config.json asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_bert.errors import ModelError
from edge_bert.formats.huggingface.json_files import read_json
from edge_bert.records.checkpoint import HeadModule, HeadModuleKind, Pooling
from edge_bert.sources.torch_classes import read_torch_class
from edge_bert.text import shorten

# In the order in which sentence-transformers joins the vectors of old flags.
POOLING_FLAGS = {
    "pooling_mode_cls_token": Pooling.CLS,
    "pooling_mode_max_tokens": Pooling.MAX,
    "pooling_mode_mean_tokens": Pooling.MEAN,
    "pooling_mode_mean_sqrt_len_tokens": Pooling.MEAN_SQRT_LENGTH,
    "pooling_mode_weightedmean_tokens": Pooling.WEIGHTED_MEAN,
    "pooling_mode_lasttoken": Pooling.LAST,
}
POOLING_NAMES = {
    "cls": Pooling.CLS,
    "max": Pooling.MAX,
    "mean": Pooling.MEAN,
    "mean_sqrt_len_tokens": Pooling.MEAN_SQRT_LENGTH,
    "weightedmean": Pooling.WEIGHTED_MEAN,
    "lasttoken": Pooling.LAST,
}
# PyTorch's classes by their last names; sentence-transformers calls them without arguments.
ACTIVATIONS = {
    "Identity": "linear",
    "Tanh": "tanh",
    "ReLU": "relu",
    "GELU": "gelu",
    "Sigmoid": "sigmoid",
}
SENTENCE = "sentence_embedding"
MAX_FEATURES = 2**20
NORM_EPSILON = 1e-5  # torch.nn.LayerNorm's


def read_poolings(path: Path) -> tuple[Pooling, ...]:
    """The ways that a Pooling's config.json at `path` joins; ModelError for one that is unknown."""
    config = read_json(path)
    modes = config.get("pooling_mode")
    if modes is None:
        chosen = tuple(mode for flag, mode in POOLING_FLAGS.items() if config.get(flag))
        unknown = [
            key
            for key, value in config.items()
            if key.startswith("pooling_mode_") and value and key not in POOLING_FLAGS
        ]
        if unknown:
            raise ModelError(f"{path}: {shorten(unknown[0])} is no pooling that edge-bert knows.")
        return chosen or (Pooling.MEAN,)
    names = [modes] if isinstance(modes, str) else modes
    if not isinstance(names, list) or not names or not all(_is_pooling(name) for name in names):
        raise ModelError(
            f"{path}: pooling_mode is {shorten(modes)}; edge-bert has {', '.join(POOLING_NAMES)}."
        )
    return tuple(POOLING_NAMES[name] for name in names)


def _is_pooling(name: object) -> bool:
    return isinstance(name, str) and name in POOLING_NAMES


def read_dense(path: Path, weights: str) -> HeadModule:
    """The layer of a Dense's config.json; its arrays begin with `weights`.

    Raises ModelError for what is not a layer from sentence embedding to sentence embedding.
    """
    config = read_json(path)
    check_feature_names(path, config)
    if config.get("use_residual"):
        raise ModelError(f"{path}: use_residual is set; edge-bert has Dense without it.")
    bias = config.get("bias", True)
    if not isinstance(bias, bool):
        raise ModelError(f"{path}: bias is {shorten(bias)}, neither true nor false.")
    outputs = _read_features(path, config, "out_features")
    _read_features(path, config, "in_features")  # the width before it says whether it fits
    name = config.get("activation_function", "torch.nn.modules.activation.Tanh")
    activation = read_torch_class(path, "activation_function", name, ACTIVATIONS)
    kind = HeadModuleKind.DENSE
    return HeadModule(kind, f"{weights}.linear", outputs, activation, bias=bias)


def read_layer_norm(path: Path, weights: str) -> HeadModule:
    """The layer of a LayerNorm's config.json; its arrays begin with `weights`."""
    size = _read_features(path, read_json(path), "dimension")
    return HeadModule(HeadModuleKind.LAYER_NORM, f"{weights}.norm", size, epsilon=NORM_EPSILON)


def check_feature_names(path: Path, config: Mapping[str, Any]) -> None:
    """Raises ModelError where a module reads or writes something else than the embedding."""
    for key in ("module_input_name", "module_output_name"):
        name = config.get(key)
        if name not in (None, SENTENCE):
            raise ModelError(f"{path}: {key} is {shorten(name)}; edge-bert has {SENTENCE} only.")


def _read_features(path: Path, config: Mapping[str, Any], key: str) -> int:
    value = config.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MAX_FEATURES:
        raise ModelError(f"{path}: {key} is {shorten(value)}, no usable number of channels.")
    return value
