"""Tensors of a weights file that no layer reads: harmless, worth a word, or part of the answer."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping

from edge_bert.encoder.architectures.registry import ARCHITECTURES, CUSTOM
from edge_bert.encoder.checkpoint import custom_weights, encoder_weights, read_encoder_config
from edge_bert.errors import EdgeBertError, ModelError, WeightError
from edge_bert.records.checkpoint import Checkpoint, FloatArray, find_shape
from edge_bert.text import list_some, shorten

# Without the family's prefix. What no answer of an encoder depends on: buffers of old files, the
# pooler of a model whose head does not read it, and the layers that only training needed.
HARMLESS = (
    r"(.+\.)?(position_ids|token_type_ids|masked_bias)",
    r"pooler(\..+)?",
    r"(cls|lm_head|generator_lm_head|generator_predictions|discriminator_predictions)\..+",
    r"(predictions|sop_classifier|vocab_transform|vocab_layer_norm|vocab_projector)\..+",
    r"(lm_loss|mlm_head|nsp_head|decoder|qa_loss|loss|loss_fct|criterion)(\..+)?",
)
# A model that was trained to fill masks has nothing else outside its encoder.
MASKED_LM = re.compile(r".*(ForMaskedLM|ForPreTraining|LMHeadModel)")
# The last layers of tasks, as transformers and others call them; `linear` is ColBERT's.
ANSWERS = (
    r"(.+\.)?(classifier|pre_classifier|classification_head|qa_outputs|score|out_proj|linear)"
    r"[0-9]*\..+",
    r"(.+\.)?(logits_proj|regressor|regression_head|head|heads|span_classifier|fc|output_layer)"
    r"[0-9]*\..+",
    r"(.+\.)?(text_projection|projection|proj|projector|sequence_summary|sparse_linear)"
    r"[0-9]*(\..+)?",
    r".+\.(adapters?|lora_A|lora_B|lora_embedding_A)\..+",
)


def list_unused(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The names of the tensors that the checkpoint's architecture and head do not read.

    None where the model cannot be read at all, which whoever builds it will say. Raises ModelError
    where a tensor that is read is not one of finite floats.
    """
    if not checkpoint.weights:
        return ()
    recorder = _Recorder(checkpoint.weights)
    watched = dataclasses.replace(checkpoint, weights=recorder)
    try:
        custom = checkpoint.architecture in CUSTOM
        (custom_weights if custom else encoder_weights)(watched)
    except WeightError:
        raise
    except EdgeBertError:
        return ()
    return tuple(name for name in checkpoint.weights if name not in recorder.read)


class _Recorder(Mapping[str, FloatArray]):
    """The weights, with the names that were asked for."""

    def __init__(self, weights: Mapping[str, FloatArray]) -> None:
        self._weights = weights
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> FloatArray:
        array = self._weights[name]
        self.read.add(name)
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._weights)

    def __len__(self) -> int:
        return len(self._weights)

    def __contains__(self, name: object) -> bool:
        return name in self._weights

    def shape(self, name: str) -> tuple[int, ...] | None:
        return find_shape(self._weights, name)


def judge_unused(checkpoint: Checkpoint) -> tuple[str, ...]:
    """A line that names the tensors which nothing reads and nobody knows, if there are any.

    Raises ModelError where one looks like a part of the answer, unless the checkpoint's head is
    certain, because sentence-transformers' modules say what is computed: then it is named like the
    others.
    """
    unknown = [name for name in list_unused(checkpoint) if not _is_harmless(checkpoint, name)]
    answers = [name for name in unknown if _is_answer(checkpoint, name)]
    if answers and not checkpoint.head_is_certain:
        raise ModelError(
            f"The weights hold {list_some([*map(shorten, answers)])}, which "
            f"{'looks' if len(answers) == 1 else 'look'} like a part of the answer, and which "
            f"{checkpoint.architecture} with the head {checkpoint.head.task.value} does not read: "
            'name the class of transformers that computes it in "architectures" of config.json, '
            "or save the model without it."
        )
    return (
        (f"weights that nothing reads: {list_some([*map(shorten, unknown)])}",) if unknown else ()
    )


def _is_harmless(checkpoint: Checkpoint, name: str) -> bool:
    own = name.removeprefix(_family_prefix(checkpoint.architecture))
    classes = map(str, checkpoint.config.get("architectures") or ())
    fills_masks = any(MASKED_LM.fullmatch(name) for name in classes)
    return _matches(HARMLESS, own) or (fills_masks and own.partition(".")[0] == "head")


def _is_answer(checkpoint: Checkpoint, name: str) -> bool:
    """By its name, or because it is a matrix over the encoder's channels outside its layers."""
    own = name.removeprefix(_family_prefix(checkpoint.architecture))
    if _matches(ANSWERS, own):
        return True
    inside = re.match(r"(encoder|transformer|embeddings|h|layers?)\.", own)
    shape = find_shape(checkpoint.weights, name) or ()
    return len(shape) == 2 and not inside and read_encoder_config(checkpoint).hidden in shape


def _family_prefix(architecture: str) -> str:
    custom = CUSTOM.get(architecture)
    return custom.prefix if custom else ARCHITECTURES[architecture].prefix


def _matches(patterns: Iterable[str], name: str) -> bool:
    return any(re.fullmatch(pattern, name) for pattern in patterns)
