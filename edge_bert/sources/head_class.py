"""The task that a model was trained for, from its tensors where config.json names no class."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from edge_bert.sources.weight_names import has_weight
from edge_bert.sources.weights import FolderWeights

SEQUENCES, TOKENS, SPANS = "SequenceClassification", "TokenClassification", "QuestionAnswering"
# The last layers of transformers' classes: the first row whose tensors are all there is the task.
LAYOUTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (SEQUENCES, ("classifier.dense.weight", "classifier.out_proj.weight")),  # RoBERTa, ELECTRA
    (SEQUENCES, ("pre_classifier.weight", "classifier.weight")),  # DistilBERT
    (SEQUENCES, ("pooler.dense.weight", "classifier.weight")),  # BERT, MobileBERT
    (SEQUENCES, ("pooler.weight", "classifier.weight")),  # ALBERT
    (SEQUENCES, ("score.weight",)),  # GPT-2
    (SPANS, ("qa_outputs.weight",)),
    (TOKENS, ("classifier.weight",)),
)
LAST_LAYERS = ("classifier.out_proj.weight", "classifier.weight", "score.weight")


def name_class(config: Mapping[str, Any], weights: FolderWeights) -> dict[str, Any]:
    """`config` with "architectures" as the tensors say, where it has none.

    A classifier without "id2label" gets as many labels as its last layer has rows.
    """
    model_type = config["model_type"]
    task = None if config.get("architectures") else find_task(model_type, weights)
    if task is None:
        return dict(config)
    named = {**config, "architectures": [f"{model_type}For{task}"]}
    rows = _count_labels(weights)
    return named if rows is None or "id2label" in config else {**named, "num_labels": rows}


def find_task(model_type: str, names: Collection[str]) -> str | None:
    """The task whose last layers, as transformers lays them out, are among `names`."""
    for task, layers in LAYOUTS:
        if all(has_weight(names, layer, model_type) for layer in layers):
            return task
    return None


def _count_labels(weights: FolderWeights) -> int | None:
    shapes = [weights.shape(layer) for layer in LAST_LAYERS]
    return next((shape[0] for shape in shapes if shape and len(shape) == 2), None)
