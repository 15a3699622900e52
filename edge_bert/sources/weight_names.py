"""Names of weights as wrappers leave them: the one prefix under which an architecture's fit."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from edge_bert.errors import ModelError
from edge_bert.sources.weights import FolderWeights
from edge_bert.text import shorten

# transformers' names of the table that every encoder begins with: those of BERT's kin, GPT-2's and
# ModernBERT's.
TOKEN_TABLES = (
    "embeddings.word_embeddings.weight",
    "wte.weight",
    "embeddings.tok_embeddings.weight",
)
# What transformers writes before an encoder's names under a head, where it is not the model type.
FAMILY_PREFIXES = {
    "gpt2": "transformer.",
    "xlm-roberta": "roberta.",
    "camembert": "roberta.",
    "modernbert": "model.",
}


def strip_wrapper(weights: FolderWeights, model_type: str) -> FolderWeights:
    """`weights` under transformers' names, without what a wrapper put before the encoder's.

    `module.` (DataParallel), `_orig_mod.` (torch.compile), `0.auto_model.` (sentence-transformers)
    or the name of an encoder inside a class of one's own: the token table shows which it is. Other
    tensors, such as a classifier beside that encoder, keep their names. Raises ModelError where
    the file holds several encoders.
    """
    wrapper = _find_wrapper(weights, family_prefix(model_type))
    if not wrapper:
        return weights
    names = {name: name.removeprefix(wrapper) for name in weights if name.startswith(wrapper)}
    clashes = set(names.values()) & (set(weights) - set(names))
    if clashes:
        raise ModelError(
            f"The weights hold {shorten(min(clashes))} twice, with {shorten(wrapper)} before it "
            "and without; save the model again with the one that counts."
        )
    return weights.rename(names)


def family_prefix(model_type: str) -> str:
    """What transformers may write before an encoder's names: `bert.`."""
    return FAMILY_PREFIXES.get(model_type, f"{model_type}.")


def has_weight(names: Collection[str], name: str, model_type: str) -> bool:
    """Whether `name` is among `names`, with or without the family's prefix."""
    return name in names or family_prefix(model_type) + name in names


def _find_wrapper(names: Iterable[str], family: str) -> str:
    """What stands before the family's own prefix, or before the names where it is not used."""
    before = {
        name.removesuffix(table)
        for name in names
        for table in TOKEN_TABLES
        if name == table or name.endswith(f".{table}")
    }
    if not before or before & {"", family}:
        return ""
    if len(before) > 1:
        raise ModelError(
            f"The weights hold several encoders, under {', '.join(map(shorten, sorted(before)))}; "
            "save the one that counts as a model of its own."
        )
    (prefix,) = before
    return prefix.removesuffix(family) if prefix.endswith(f".{family}") else prefix
