"""What training asks of a kind of head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge_bert.compress.train.examples import LabelledTexts
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.checkpoint import FloatArray, Head


@dataclass(frozen=True)
class HeadKind:
    """A kind of head.

    `choose_head` gives the model's own head of this kind where the labels of the data fit it, else
    a new one; where the labels fit in part, it raises DataError unless the user asked for this kind
    (the last argument). `make_examples` reads labels as that head has them. `add_head` puts a new
    one on an encoder, fitted to examples. `list_labels` names the labels that occur.
    """

    choose_head: Callable[[EvaluationSet, Head | None, bool], Head]
    make_examples: Callable[[EvaluationSet, Tokenizer, Head], LabelledTexts]
    add_head: Callable[[EncoderWeights, Head, LabelledTexts], EncoderWeights]
    list_labels: Callable[[EvaluationSet], set[str]] = lambda _: set()


def compute_vectors(stripped: EncoderWeights, examples: LabelledTexts) -> FloatArray:
    """What an encoder without head gives for examples: [n, hidden], or [tokens, hidden]."""
    from edge_bert.compress.train.forward import ForwardPass
    from edge_bert.compress.train.keras_student import build_student

    forward = ForwardPass(build_student(stripped), stripped.input_names)
    return forward.run(examples.texts)["output"]
