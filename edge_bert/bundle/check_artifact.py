"""What a manifest says of an artifact, held against what the file itself says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from edge_bert.bundle.stage_chain import order_stages
from edge_bert.errors import InputError
from edge_bert.records.bundle import Artifact, ModelInfo, Signature, Stage, TensorSpec
from edge_bert.records.checkpoint import Head, Task
from edge_bert.records.stage_names import leave_out_rows
from edge_bert.text import one_line, shorten

ACTIVATIONS = ("identity", "softmax", "sigmoid")
SPAN_ENDS = 2  # where an answer begins, and where it ends
FED = "int32"  # what every input is given
FIELDS = ("name", "dtype", "shape", "scale", "zero_point")


def check_artifact(
    artifact: Artifact, model: ModelInfo, own: Mapping[str, Signature | Stage]
) -> None:
    """Hold an artifact of a manifest against `own`, the signatures of its file.

    Raises InputError, with what the manifest says and what is so, where names, lengths, types,
    shapes, scales or zero points differ, or where the model's longest text or its labels do not
    fit them.
    """
    names = {*artifact.signatures, *artifact.stages}
    if names != own.keys():
        refuse_claim(artifact, "signatures", sorted(names), sorted(own))
    _check_stages(artifact, own)
    for name, said in artifact.signatures.items():
        if said.length != own[name].length:
            refuse_claim(artifact, f"the length of {name}", said.length, own[name].length)
        _check_tensors(artifact, f"inputs of {name}", said.inputs, own[name].inputs)
        _check_tensors(artifact, f"outputs of {name}", said.outputs, own[name].outputs)
        odd = [spec.name for spec in said.inputs if spec.dtype != FED]
        if odd or not said.outputs[0].shape:
            raise InputError(
                f"{artifact.file} is no file that takes {FED} and gives rows of numbers "
                f"({shorten(name)}); build the bundle again."
            )
        _check_head(artifact, model.head, said.outputs[0])
    longest = max(own[name].length for name in artifact.signatures)
    if model.max_length != longest:
        refuse_claim(artifact, "the longest text in tokens", model.max_length, longest)


def _check_stages(artifact: Artifact, own: Mapping[str, Signature | Stage]) -> None:
    """Stages of the manifest against the file: one that takes rows is as long as its tokens."""
    for name, said in artifact.stages.items():
        _check_tensors(artifact, f"inputs of {name}", said.inputs, own[name].inputs)
        _check_tensors(artifact, f"outputs of {name}", said.outputs, own[name].outputs)
        tokens = leave_out_rows(said.inputs)
        if any(spec.dtype != FED or spec.shape[-1:] != (said.length,) for spec in tokens):
            raise InputError(
                f"{artifact.file} has a stage that takes no {FED} of its length "
                f"({shorten(name)}); build the bundle again."
            )
    if artifact.stages:
        order_stages(artifact)


def _check_head(artifact: Artifact, head: Head, output: TensorSpec) -> None:
    channels, labels = output.shape[-1:], len(head.labels)
    if head.task is Task.QUESTION_ANSWERING:
        labels = SPAN_ENDS
    if (labels or head.task is Task.TOKEN_CLASSIFICATION) and channels != (labels,):
        refuse_claim(artifact, "the number of labels", labels, channels)
    if head.activation not in ACTIVATIONS:
        refuse_claim(artifact, "the activation", head.activation, ACTIVATIONS)


def _check_tensors(
    artifact: Artifact, what: str, said: Sequence[TensorSpec], own: Sequence[TensorSpec]
) -> None:
    if len(said) != len(own):
        refuse_claim(artifact, what, [spec.name for spec in said], [spec.name for spec in own])
    for one, other in zip(said, own, strict=True):
        for field in FIELDS:
            values = getattr(one, field), getattr(other, field)
            if values[0] != values[1]:
                refuse_claim(artifact, f"{field.replace('_', ' ')} in {what}", *values)


def refuse_claim(artifact: Artifact, what: str, said: object, own: object) -> NoReturn:
    """Raise InputError: the manifest says `said` of `what`, and the file `own`."""
    raise InputError(
        f"The manifest contradicts {artifact.file}: {one_line(what)} is {shorten(said)} there and "
        f"{shorten(own)} in the file; build the bundle again."
    )
