"""The layers of a head, between pooling (or the tokens) and the output, from a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge_bert.encoder.architectures.weight_reader import WeightReader
from edge_bert.encoder.config import DenseHead
from edge_bert.encoder.weights import HeadDense, HeadLayer, HeadNorm, HeadUnit
from edge_bert.records.checkpoint import Checkpoint, Head, HeadModule, HeadModuleKind, Task

TOKEN_CLASSIFIER = DenseHead("classifier")  # transformers calls it so in every architecture
ANSWER_SPAN = DenseHead("qa_outputs")
SPAN_LOGITS = 2  # of the answer's first token, and of its last


def read_head_layers(
    checkpoint: Checkpoint,
    reader: WeightReader,
    hidden: int,
    classifier: Sequence[DenseHead],
    token_head: Sequence[DenseHead] | None = None,
) -> tuple[HeadLayer, ...]:
    """The head's layers: those that the model's files list, else those of its task.

    `classifier` are the dense layers of the architecture's sequence classifier, `token_head` those
    of its heads on tokens, where they are not as transformers has them in most. Raises ModelError
    for a weight that is missing or has another size.
    """
    head = checkpoint.head
    modules = checkpoint.head_modules or tuple(_list_modules(head, hidden, classifier, token_head))
    width = hidden if head.gives_tokens else hidden * len(head.poolings)
    layers: list[HeadLayer] = []
    for module in modules:
        layers.append(_read_layer(reader, module, width))
        width = module.outputs if module.kind is HeadModuleKind.DENSE else width
    return tuple(layers)


def _list_modules(
    head: Head,
    hidden: int,
    classifier: Sequence[DenseHead],
    token_head: Sequence[DenseHead] | None,
) -> Iterator[HeadModule]:
    """The dense layers that transformers' model for the head's task has."""
    match head.task:
        case Task.CLASSIFICATION:
            layers, outputs = classifier, len(head.labels)
        case Task.TOKEN_CLASSIFICATION:
            layers, outputs = token_head or (TOKEN_CLASSIFIER,), len(head.labels)
        case Task.QUESTION_ANSWERING:
            layers, outputs = token_head or (ANSWER_SPAN,), SPAN_LOGITS
        case _:
            return
    widths = [hidden] * (len(layers) - 1) + [outputs]
    for dense, width in zip(layers, widths, strict=True):
        kind = HeadModuleKind.DENSE
        yield HeadModule(kind, dense.name, width, dense.activation, bias=dense.bias)
        if dense.norm:
            kind = HeadModuleKind.LAYER_NORM
            yield HeadModule(kind, dense.norm, epsilon=dense.epsilon, bias=dense.norm_bias)


def _read_layer(reader: WeightReader, module: HeadModule, inputs: int) -> HeadLayer:
    match module.kind:
        case HeadModuleKind.DENSE:
            dense = reader.dense(module.weights, inputs, module.outputs, bias=module.bias)
            return HeadDense(dense.kernel, dense.bias, module.activation)
        case HeadModuleKind.LAYER_NORM:
            norm = reader.norm(module.weights, inputs, bias=module.bias)
            return HeadNorm(norm.gamma, norm.beta, module.epsilon)
        case HeadModuleKind.UNIT_LENGTH:
            return HeadUnit()
