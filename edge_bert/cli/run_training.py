"""What the training tasks share: a job with its progress, and what came of it for people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edge_bert.cli.clustering_lines import describe_clustering
from edge_bert.cli.exit_lines import describe_exits
from edge_bert.cli.pruning_lines import describe_pruning
from edge_bert.cli.quantization_lines import describe_quantization
from edge_bert.cli.supernet_lines import describe_supernet
from edge_bert.cli.token_lines import describe_tokens
from edge_bert.cli.training_progress import training_progress

if TYPE_CHECKING:
    from edge_bert.pipeline.train.options import LoopOptions
    from edge_bert.pipeline.train.trained_model import TrainedModel
    from edge_bert.records.seeds import SeedsRun
    from edge_bert.records.training import TrainingCurve


def run_training(options: LoopOptions, job: Callable[..., TrainedModel], *, json: bool) -> None:
    """Run a job, or one for each seed that is asked for, and print what came of it."""
    from edge_bert.cli.console import print_json
    from edge_bert.pipeline.train.seeds import check_jobs, train_seeds
    from edge_bert.pipeline.train.trained_model import check_name, hold_name

    check_name(options.name)
    check_jobs(options)
    with hold_name(options.folder), training_progress() as report:
        if options.seeds:
            summary = train_seeds(options, job, report)
        else:
            trained = job(options, report)
    if options.seeds:
        print_json(summary) if json else _print_seeds(summary, Path(options.out))
    else:
        print_json(trained.run) if json else _print_model(trained)


def _print_model(trained: TrainedModel) -> None:
    curve = trained.run.curve
    _print_lines(*describe_pruning(trained.run), *describe_clustering(trained.run))
    _print_lines(*describe_quantization(trained.run), *describe_supernet(trained.run))
    _print_lines(*describe_exits(trained.run), *describe_tokens(trained.run))
    if curve is not None:
        _print_lines(_describe_curve(curve, trained.run.seconds))
    _print_lines(f"model: {trained.folder}")


def _describe_curve(curve: TrainingCurve, seconds: float) -> str:
    early = ", stopped early" if curve.stopped_early else ""
    start = "" if curve.start_score is None else f" ({curve.start_score:.4f} before training)"
    return (
        f"held-out {curve.metric}: {curve.best_score:.4f}{start} after step "
        f"{curve.best_step}{early}, in {seconds / 60:.1f} minutes"
    )


def _print_seeds(summary: SeedsRun, out: Path) -> None:
    spread = "" if summary.deviation is None else f" ± {summary.deviation:.4f}"
    _print_lines(
        *(
            f"seed {run.seed}: {run.score:.4f} after step {run.step}, {out / run.name}"
            for run in summary.scores
        ),
        f"held-out {summary.metric}: {summary.mean:.4f}{spread}, mean and standard deviation",
        f"summary: {out / summary.name}-seeds.json",
    )


def _print_lines(*lines: str) -> None:
    from edge_bert.cli.console import print_lines

    print_lines(lines)
