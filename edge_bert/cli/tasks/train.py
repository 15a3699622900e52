"""The task that trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import JSON_HELP, MODEL_HELP, parse_options
from edge_bert.cli.training_progress import training_progress

if TYPE_CHECKING:
    from edge_bert.pipeline.train.trained_model import TrainedModel


@command(
    options={
        "Model and data": {
            "model": MODEL_HELP,
            "data": "labelled texts: FILE.csv:text=A,label=B, FILE.jsonl, sst2:FILE (docs/data.md)",
            "name": "what the trained model is called, and its folder",
            "out": "folder that trained models are written to (default: build/checkpoints)",
        },
        "Training": {
            "epochs": "at most so many passes over the data (default: 6)",
            "batch-size": "texts of a step (default: 32)",
            "learning-rate": "of the encoder's layers; the head has ten times that (default: 2e-4)",
            "freeze": "embeddings (default: twice as fast, and every model shares its table), "
            "encoder, or nothing",
            "held-out": "share of the texts that is scored and never trained on (default: 0.1)",
            "patience": "epochs without a better score before it stops (default: 3)",
            "seed": "which texts are held out, and the order of the others (default: 0)",
            "threads": "1 makes two runs equal bit by bit (default: all processors)",
        },
        "Output": {"json": JSON_HELP},
    }
)
def train(
    _: Context,
    data: str | None = None,
    name: str | None = None,
    model: str | None = None,
    out: str | None = None,
    epochs: str | None = None,
    batch_size: str | None = None,
    learning_rate: str | None = None,
    freeze: str | None = None,
    held_out: str | None = None,
    patience: str | None = None,
    seed: str | None = None,
    threads: str | None = None,
    json: bool = False,
) -> None:
    """Fine-tune a classifier on labelled texts; its folder then serves as --model everywhere.

    The same command again goes on where it was stopped. KERAS_BACKEND=jax or torch computes with
    these, where they are installed.

    Example: invoke train --data banking77.csv:text=text,label=category --name banking
    Example: invoke build --profile pixel --model build/checkpoints/banking
    """
    from edge_bert.pipeline.train.options import FineTuneOptions
    from edge_bert.pipeline.train.train_classifier import train_classifier

    options = parse_options(FineTuneOptions, locals())
    with training_progress() as report:
        trained = train_classifier(options, report)
    _print_model(trained, json=json)


def _print_model(trained: TrainedModel, *, json: bool) -> None:
    from rich.console import Console

    from edge_bert.cli.console import print_json

    if json:
        print_json(trained.run)
        return
    curve, console = trained.run.curve, Console()
    early = ", stopped early" if curve.stopped_early else ""
    console.print(
        f"held-out {curve.metric}: {curve.best_score:.4f} after step {curve.best_step}{early}, "
        f"in {trained.run.seconds / 60:.1f} minutes",
        highlight=False,
    )
    console.print(f"model: {trained.folder}", highlight=False, soft_wrap=True)
