"""The task that trains."""

from __future__ import annotations

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import JSON_HELP, MODEL_HELP, parse_options
from edge_bert.cli.run_training import run_training
from edge_bert.cli.training_help import FINE_POINTS, JOBS_HELP, LOOP_HELP, TRAINED_OUT_HELP


@command(
    options={
        "Model and data": {
            "model": MODEL_HELP,
            "data": "labelled texts: FILE.csv:text=A,label=B, FILE.jsonl, conll:FILE, squad:FILE, "
            "stsb:FILE (docs/data.md)",
            "head": "classes, labels, number, tags, span or embedding, where the labels fit "
            "several (default: the model's own, else what docs/training.md says)",
            "name": "what the trained model is called, and its folder",
            "out": TRAINED_OUT_HELP,
        },
        "Training": LOOP_HELP,
        "Fine points": FINE_POINTS,
        "Seeds side by side": JOBS_HELP,
        "Output": {"json": JSON_HELP},
    }
)
def train(
    _: Context,
    data: str | None = None,
    head: str | None = None,
    name: str | None = None,
    model: str | None = None,
    out: str | None = None,
    epochs: str | None = None,
    batch_size: str | None = None,
    learning_rate: str | None = None,
    average: str | None = None,
    freeze: str | None = None,
    held_out: str | None = None,
    patience: str | None = None,
    seed: str | None = None,
    seeds: str | None = None,
    workers: str | None = None,
    scheduler: str | None = None,
    threads: str | None = None,
    head_rate: str | None = None,
    warmup: str | None = None,
    weight_decay: str | None = None,
    smoothing: str | None = None,
    split_seed: str | None = None,
    json: bool = False,
) -> None:
    """Fine-tune a model with the head that the labels need; its folder serves as --model then.

    The same command again goes on where it was stopped. KERAS_BACKEND=jax or torch computes with
    these, where they are installed.

    Example: invoke train --data banking77.csv:text=text,label=category --name banking
    Example: invoke build --profile pixel --model build/checkpoints/banking
    """
    from edge_bert.pipeline.train.options import FineTuneOptions
    from edge_bert.pipeline.train.train_head import train_head

    run_training(parse_options(FineTuneOptions, locals()), train_head, json=json)
