"""The task that teaches a smaller model what a larger one gives."""

from __future__ import annotations

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import JSON_HELP, parse_options
from edge_bert.cli.run_training import run_training
from edge_bert.cli.training_help import (
    JOBS_HELP,
    LOOP_HELP,
    STUDENT_FINE_POINTS,
    TRAINED_OUT_HELP,
    explain_losses,
)


@command(
    options={
        "Teacher and texts": {
            "teacher": "model folder or name on the hub (default: all-MiniLM-L6-v2); of several, "
            "with commas, the mean counts, and the student starts from the first",
            "layers": "how many of the teacher's layers the student keeps, or which, as in 0,4,5",
            "structure": "JSON with layers, heads and ffn in place of --layers, or a bundle's "
            "search.json",
            "text": "sentences without labels: .txt, FILE.csv:text=COLUMN; repeatable",
            "data": "labelled data, whose texts serve every teacher and whose classes a "
            "classifier; repeatable (docs/data.md)",
            "name": "what the student is called, and its folder",
            "out": TRAINED_OUT_HELP,
        },
        "Losses, by their weight (0 switches one off)": explain_losses("teacher"),
        "Training": LOOP_HELP
        | {
            "batch-size": "texts of a step (default: 64)",
            "learning-rate": "of the encoder's layers (default: 3e-4)",
        },
        "Fine points": STUDENT_FINE_POINTS,
        "Seeds side by side": JOBS_HELP,
        "Output": {"json": JSON_HELP},
    },
    iterable=["text", "data"],
)
def distill(
    _: Context,
    teacher: str | None = None,
    layers: str | None = None,
    structure: str | None = None,
    text: list[str] | None = None,
    data: list[str] | None = None,
    name: str | None = None,
    out: str | None = None,
    cosine: str | None = None,
    similarity: str | None = None,
    dimensions: str | None = None,
    soft_targets: str | None = None,
    temperature: str | None = None,
    label_weight: str | None = None,
    hidden: str | None = None,
    relations: str | None = None,
    attention: str | None = None,
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
    """Teach a smaller model what a larger one gives, on texts with or without labels.

    The student starts as its teacher with less in it, brought back to it in closed form; the same
    command again goes on where it was stopped. Its folder then serves as --model everywhere.

    Example: invoke distill --layers 3 --text corpus.txt --name small
    Example: invoke distill --teacher build/checkpoints/banking --layers 3 \
--data banking77.csv:text=text,label=category --text corpus.txt --name small-banking
    """
    from edge_bert.pipeline.train.distill.distill_model import distill_model
    from edge_bert.pipeline.train.options import DistillOptions

    run_training(parse_options(DistillOptions, locals()), distill_model, json=json)
