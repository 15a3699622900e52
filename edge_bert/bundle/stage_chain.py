"""The stages of an artifact, each length's in their order, and the exits that a user may name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge_bert.errors import InputError
from edge_bert.evaluate.choose_exit import check_exit_rule
from edge_bert.records.bundle import Artifact, Manifest, Stage, TensorSpec
from edge_bert.records.exits import ExitRule
from edge_bert.records.stage_names import AGREEMENT, ROWS, find_rows
from edge_bert.text import shorten

HANDED_OVER = ("dtype", "shape", "scale", "zero_point")
AUTO: Literal["auto"] = "auto"
ExitChoice = Literal["auto"] | int | None


@dataclass(frozen=True)
class ChainLink:
    """A stage under the name of its signature, with the outputs that a rule reads."""

    name: str
    stage: Stage
    answer: TensorSpec
    agreement: TensorSpec | None
    rows: TensorSpec | None


Chain = tuple[ChainLink, ...]


@dataclass(frozen=True)
class ExitPlan:
    """How texts leave: by `rule`, or all of them after `last` layers."""

    rule: ExitRule | None
    last: int


def plan_exit(manifest: Manifest, artifact: Artifact, choice: ExitChoice) -> ExitPlan | None:
    """What `choice` means for an artifact; None where texts take the whole path.

    Raises InputError for an exit or a rule that the artifact has not.
    """
    if choice is None:
        return None
    if choice != AUTO and (isinstance(choice, bool) or not isinstance(choice, int)):
        raise InputError(f"exit must be 'auto', a number of layers or None, not {choice!r}.")
    if not artifact.stages:
        raise InputError(
            f"{artifact.name} has no exits; leave exit out, or build from a model that "
            "`invoke exits` made."
        )
    ends = sorted({stage.last for stage in artifact.stages.values()})
    if choice != AUTO:
        if choice not in ends:
            raise InputError(
                f"{artifact.name} has no exit after {choice} layers; it has "
                f"{', '.join(map(str, ends[:-1]))}, and {ends[-1]} for the whole model."
            )
        return ExitPlan(None, choice)
    return ExitPlan(_find_rule(manifest, artifact, ends), ends[-1])


def _find_rule(manifest: Manifest, artifact: Artifact, ends: list[int]) -> ExitRule:
    rule = manifest.exits
    if rule is None:
        raise InputError(
            f"the bundle has no rule for its exits; name one of them "
            f"({', '.join(map(str, ends))}), or build it again."
        )
    check_exit_rule(rule, manifest.model.head)
    if [point.after for point in rule.points] != ends[:-1]:
        points = ", ".join(str(point.after) for point in rule.points)
        raise _contradiction(artifact, f"the rule is for exits after {points} layers")
    if rule.kind == "agreement":
        for name, stage in artifact.stages.items():
            if stage.last < ends[-1] and not any(x.name == AGREEMENT for x in stage.outputs):
                raise _contradiction(artifact, f"{shorten(name)} predicts no agreement")
    return rule


def order_stages(artifact: Artifact) -> Mapping[int, Chain]:
    """The stages of each length from the first layer to the last.

    Raises InputError where they are no whole path, or where one takes other rows than the one
    before gives.
    """
    lengths = {signature.length for signature in artifact.signatures.values()}
    if {stage.length for stage in artifact.stages.values()} != lengths:
        raise _contradiction(artifact, "stages and signatures have different lengths")
    chains = {length: _order_chain(artifact, length) for length in sorted(lengths)}
    if len({tuple(link.stage.last for link in chain) for chain in chains.values()}) != 1:
        raise _contradiction(artifact, "the exits of its lengths differ")
    return chains


def _order_chain(artifact: Artifact, length: int) -> Chain:
    stages = [item for item in artifact.stages.items() if item[1].length == length]
    chain = tuple(_link(artifact, *item) for item in sorted(stages, key=lambda x: x[1].first))
    done, rows = 0, None
    for place, link in enumerate(chain):
        taken = find_rows(link.stage.inputs)
        is_last = place == len(chain) - 1
        if link.stage.first != done or link.stage.last <= done or (link.rows is None) != is_last:
            raise _contradiction(artifact, f"{shorten(link.name)} leads nowhere")
        if (taken is None) != (rows is None) or not _fits(taken, rows):
            raise _contradiction(artifact, f"{shorten(link.name)} takes other rows than it gets")
        done, rows = link.stage.last, link.rows
    return chain


def _link(artifact: Artifact, name: str, stage: Stage) -> ChainLink:
    outputs = {spec.name: spec for spec in stage.outputs}
    rows, agreement = outputs.pop(ROWS, None), outputs.pop(AGREEMENT, None)
    if len(outputs) != 1:
        raise _contradiction(artifact, f"{shorten(name)} gives {len(outputs)} answers")
    (answer,) = outputs.values()
    return ChainLink(name, stage, answer, agreement, rows)


def _fits(taken: TensorSpec | None, given: TensorSpec | None) -> bool:
    return taken is None or all(getattr(taken, x) == getattr(given, x) for x in HANDED_OVER)


def _contradiction(artifact: Artifact, fault: str) -> InputError:
    return InputError(f"the stages of {artifact.file} are damaged: {fault}; build it again.")
