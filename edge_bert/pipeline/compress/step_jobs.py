"""The steps of a plan as the training jobs that take them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from edge_bert.compress.train.loop import Report
from edge_bert.data.evaluation import parse_reference
from edge_bert.errors import DataError, InputError
from edge_bert.pipeline.compress.options import CompressOptions
from edge_bert.pipeline.train.options import (
    ClusterOptions,
    DistillOptions,
    ExitsOptions,
    FineTuneOptions,
    LoopOptions,
    PruneOptions,
    QatOptions,
    StudentOptions,
    TokensOptions,
)
from edge_bert.pipeline.train.trained_model import TrainedModel
from edge_bert.records.checkpoint import Head
from edge_bert.records.plan import Plan


@dataclass(frozen=True)
class StepJob:
    """How a step is run: its options, those that say what a model is, and the job.

    `name_model` puts the model before the step into its options. `check` raises InputError for
    options that cannot be, before anything trains.
    """

    options: type[LoopOptions]
    name_model: Callable[[Any, str | None], LoopOptions]
    check: Callable[[Any], object]
    run: Callable[[Any, Report], TrainedModel]


@dataclass(frozen=True)
class PlannedStep:
    """A step of a plan with all options but the model that it starts from."""

    kind: str
    options: LoopOptions


def _start_from(options: LoopOptions, model: str | None) -> LoopOptions:
    return msgspec.structs.replace(options, model=model)


def _train(options: FineTuneOptions, report: Report) -> TrainedModel:
    from edge_bert.pipeline.train.train_head import train_head

    return train_head(options, report)


def _teach_by(options: DistillOptions, model: str | None) -> LoopOptions:
    return msgspec.structs.replace(options, teacher=(model,) if model else ())


def _check_distillation(options: DistillOptions) -> object:
    from edge_bert.pipeline.train.distill import student_start

    student_start.check_structure_option(options)
    return options.settings, _check_losses(options)


def _check_losses(options: StudentOptions) -> object:
    from edge_bert.pipeline.train.distill import choose_losses

    names = {
        *choose_losses.EVERYWHERE,
        *(name for own in choose_losses.OWN.values() for name in own),
    }
    return choose_losses.read_loss_weights(options, tuple(sorted(names)))


def _distill(options: DistillOptions, report: Report) -> TrainedModel:
    from edge_bert.pipeline.train.distill.distill_model import distill_model

    return distill_model(options, report)


def _check_pruning(options: PruneOptions) -> object:
    from edge_bert.pipeline.train.prune.pruning_goal import choose_goal

    return options.settings, choose_goal(options)


def _prune(options: PruneOptions, report: Report) -> TrainedModel:
    from edge_bert.pipeline.train.prune.prune_model import prune_model

    return prune_model(options, report)


def _check_clustering(options: ClusterOptions) -> object:
    from edge_bert.pipeline.train.cluster.cluster_model import check_clustering

    check_clustering(options)
    return options.settings


def _cluster(options: ClusterOptions, report: Report) -> TrainedModel:
    from edge_bert.pipeline.train.cluster.cluster_model import cluster_model

    return cluster_model(options, report)


def _check_qat(options: QatOptions) -> object:
    from edge_bert.pipeline.train.qat import choose_stages

    recipe = choose_stages.find_recipe(options.recipe)
    if recipe.needs_calibration:
        from edge_bert.pipeline.train.qat.train_integers import check_integer_options

        return check_integer_options(options, recipe), _check_losses(options)
    return choose_stages.choose_stages(options, recipe), _check_losses(options)


def _quantize(options: QatOptions, report: Report) -> TrainedModel:
    from edge_bert.pipeline.train.qat.qat_model import quantize_model

    return quantize_model(options, report)


def _check_exits(options: ExitsOptions) -> object:
    from edge_bert.pipeline.train.exits.exit_choices import check_exits

    check_exits(options)
    return options.settings


def _add_exits(options: ExitsOptions, report: Report) -> TrainedModel:
    from edge_bert.pipeline.train.exits.exits_model import add_exits

    return add_exits(options, report)


def _check_tokens(options: TokensOptions) -> object:
    from edge_bert.pipeline.train.tokens.token_options import choose_cuts, choose_settings

    return choose_settings(options), choose_cuts(options)


def _cut_tokens(options: TokensOptions, report: Report) -> TrainedModel:
    from edge_bert.pipeline.train.tokens.cut_model import cut_model

    return cut_model(options, report)


JOBS: dict[str, StepJob] = {
    "train": StepJob(FineTuneOptions, _start_from, lambda options: options.settings, _train),
    "distill": StepJob(DistillOptions, _teach_by, _check_distillation, _distill),
    "prune": StepJob(PruneOptions, _start_from, _check_pruning, _prune),
    "cluster": StepJob(ClusterOptions, _start_from, _check_clustering, _cluster),
    "qat": StepJob(QatOptions, _start_from, _check_qat, _quantize),
    "tokens": StepJob(TokensOptions, _start_from, _check_tokens, _cut_tokens),
    "exits": StepJob(ExitsOptions, _start_from, _check_exits, _add_exits),
}

TEACHERS = ("classes", "embedding")  # kinds of heads that distillation and pruning take


def check_head(steps: Sequence[PlannedStep], own: Head) -> None:
    """Raise DataError where a first step gives a head that a later one cannot take.

    `own` is the source's head.
    """
    from edge_bert.pipeline.train.heads.choose_kind import choose_kind

    first, *later = steps
    others = [step.kind for step in later if step.kind != first.kind]
    if not isinstance(first.options, FineTuneOptions) or not others:
        return
    data = parse_reference(first.options.data)
    kind = choose_kind(data, own, first.options.head)
    if kind not in TEACHERS:
        raise DataError(
            f"{data.name} trains a head of the kind {kind}, and {others[0]} takes "
            f"{' and '.join(TEACHERS)} alone; leave out what follows train, or give other data."
        )


def check_layers(steps: Sequence[PlannedStep], present: int) -> None:
    """Raise InputError for a step that keeps layers which the source, with so many, or the student
    of a step before does not have."""
    from edge_bert.pipeline.train.distill.student_start import check_layers_option

    for number, step in enumerate(steps, start=1):
        options = step.options
        if isinstance(options, DistillOptions) and options.layers:
            try:
                check_layers_option(options.layers, present)
            except InputError as error:
                raise InputError(f"step {number} (distill): {error}") from error
            present = options.layers[0] if len(options.layers) == 1 else len(options.layers)
        elif isinstance(options, PruneOptions) and options.layers:
            if options.layers > present:
                raise InputError(
                    f"step {number} (prune): --layers {options.layers}: the model has {present}."
                )
            present = options.layers
        elif isinstance(options, ExitsOptions | TokensOptions):
            _check_places(number, step, options.after, present)


def _check_places(number: int, step: PlannedStep, after: tuple[int, ...], present: int) -> None:
    from edge_bert.pipeline.train.exits.exit_choices import check_places
    from edge_bert.pipeline.train.tokens.token_options import check_cut_places

    check = check_places if isinstance(step.options, ExitsOptions) else check_cut_places
    try:
        check(after, present)
    except InputError as error:
        raise InputError(f"step {number} ({step.kind}): {error}") from error


_OPTION = "is an option of compress itself, the same for all steps"
_ABOVE = "stands above the steps, the same for all of them"
# Options of the steps' commands that the plan or its command gives, and how.
GIVEN = {
    **dict.fromkeys(("name", "out", "model", "data", "text", "profile", "threads"), _OPTION),
    **dict.fromkeys(("held_out", "split_seed"), _ABOVE),
    "teacher": "is the model that the step before left",
    "seeds": "trains several models, and a plan goes on with one; give seed",
    **dict.fromkeys(("workers", "scheduler"), _OPTION),
}


def give_options(
    options: CompressOptions, plan: Plan, number: int, step_options: Mapping[str, Any]
) -> dict[str, Any]:
    """The options that a plan gives to its step of this number, by name.

    Raises InputError for a step on labels where there is no data.
    """
    kind = plan.steps[number - 1].kind
    given: dict[str, Any] = {
        "name": options.step_folder(number, kind).name,
        "out": options.out,
        "held_out": plan.held_out,
        "split_seed": plan.split_seed,
        "threads": options.threads,
        "data": options.data,
        "text": options.text,
    }
    if kind == "train":
        if not options.data:
            raise InputError(f"step {number} (train) learns from labels; give --data.")
        given["data"] = options.data[0]
    elif not options.data and not options.text:
        raise InputError(f"step {number} ({kind}) learns from texts; give --text, or --data.")
    if "max_latency" in step_options:
        given["profile"] = options.profile
    return given
