"""Heads as transformers lays them out: the class that opens a model, the names of its weights."""

from __future__ import annotations

from edge_bert.encoder.architectures.architecture import Architecture
from edge_bert.encoder.architectures.name_arrays import name_dense
from edge_bert.encoder.config import DenseHead
from edge_bert.encoder.head_layers import ANSWER_SPAN, TOKEN_CLASSIFIER
from edge_bert.encoder.weights import EncoderWeights, HeadDense
from edge_bert.records.checkpoint import FloatArray, Pooling, Task

CLASS_PREFIXES = {
    "bert": "Bert",
    "distilbert": "DistilBert",
    "roberta": "Roberta",
    "xlm-roberta": "XLMRoberta",
    "camembert": "Camembert",
    "albert": "Albert",
    "electra": "Electra",
    "mpnet": "MPNet",
}
CLASS_ENDINGS = {
    Task.CLASSIFICATION: "ForSequenceClassification",
    Task.TOKEN_CLASSIFICATION: "ForTokenClassification",
    Task.QUESTION_ANSWERING: "ForQuestionAnswering",
}


def find_class(weights: EncoderWeights, architecture: Architecture) -> str | None:
    """The class of transformers that computes what the head does; None where there is none."""
    prefix, ending = CLASS_PREFIXES.get(architecture.name), CLASS_ENDINGS.get(weights.head.task)
    if prefix is None or ending is None or not _is_laid_out(weights, architecture):
        return None
    return f"{prefix}{ending}"


def find_problem(weights: EncoderWeights) -> str | None:
    """The `problem_type` by which transformers reads the logits of a classifier of texts."""
    head = weights.head
    if head.task is not Task.CLASSIFICATION:
        return None
    if head.activation == "identity":
        return "regression"
    if head.activation == "softmax":
        return "single_label_classification"
    return "multi_label_classification"


def name_head_arrays(weights: EncoderWeights, architecture: Architecture) -> dict[str, FloatArray]:
    """The arrays of the head's layers under the names that the class gives them."""
    layers = _list_layers(weights.head.task, architecture)
    arrays: dict[str, FloatArray] = {}
    for names, layer in zip(layers, weights.head_layers, strict=True):
        if isinstance(layer, HeadDense):
            arrays |= name_dense(names.name, layer)
    return arrays


def _is_laid_out(weights: EncoderWeights, architecture: Architecture) -> bool:
    """Whether the head has the layers of the class, and reads what the class reads."""
    head, layers = weights.head, _list_layers(weights.head.task, architecture)
    alike = len(layers) == len(weights.head_layers) and all(
        isinstance(layer, HeadDense) and layer.activation == names.activation
        for names, layer in zip(layers, weights.head_layers, strict=True)
    )
    if head.task is Task.CLASSIFICATION:
        one_class = len(head.labels) == 1 and head.activation == "softmax"
        alike = alike and head.poolings == (Pooling.CLS,) and not one_class
    return alike and head.pools_prompt and not head.normalize and head.dimensions is None


def _list_layers(task: Task, architecture: Architecture) -> tuple[DenseHead, ...]:
    match task:
        case Task.TOKEN_CLASSIFICATION:
            return (TOKEN_CLASSIFIER,)
        case Task.QUESTION_ANSWERING:
            return (ANSWER_SPAN,)
    return architecture.head
