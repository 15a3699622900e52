"""The task that trains a model on the integers of its file."""

from __future__ import annotations

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import JSON_HELP, MODEL_HELP, parse_options
from edge_bert.cli.run_training import run_training
from edge_bert.cli.training_help import (
    JOBS_HELP,
    LOOP_HELP,
    STUDENT_FINE_POINTS,
    TEXT_HELP,
    TRAINED_OUT_HELP,
    explain_losses,
)


@command(
    options={
        "Model and texts": {
            "model": f"{MODEL_HELP}; it is its own teacher",
            "text": TEXT_HELP,
            "data": "labelled data, whose labels a classifier also learns from; repeatable",
            "name": "what the trained model is called, and its folder",
            "out": TRAINED_OUT_HELP,
        },
        "Integers": {
            "recipe": "wi8_afp32, wi4_afp32 (blocks), wi4c_afp32 or wi2c_afp32 (a scale per output "
            "channel); wi8_ai8, wi4c_ai8 or their _afp32, whose ranges are trained too: the file "
            "that `invoke build --recipes` makes of it",
            "width": "fewer integers than the recipe's file holds: 3, ternary or binary; the file "
            "stays as large",
            "chain": "widths on the way, each from the one before, such as 4,3 (default: none)",
            "chain-epochs": "passes over the texts for each of them (default: 1)",
            "wide-layers": "so many layers, those that lose most, have 4 bits in place of 2",
            "wide": "what has 4 bits where wi2c_afp32 has 2, as in `invoke build`: layers such as "
            "0,-1, or matrices such as value,attention_output",
            "table-bits": "of the word table: 8, 4, or 2 for codebooks (default: 4 below 8 bits)",
        },
        "Losses, by their weight (0 switches one off)": explain_losses("float model")
        | {
            "hidden": "error of the token vectors after each layer (embeddings below 4 bits: "
            "10, classifiers: 1)",
        },
        "Training": LOOP_HELP
        | {
            "epochs": "passes over the texts at the last width (default: 1 at 8 bits, 2 at 4 "
            "and 3, 3 below)",
            "most-texts": "learn at most so many, evenly spread over all (default: all)",
            "batch-size": "texts of a step (default: 64)",
            "learning-rate": "of the layers and scales (default: 5e-5 at 8 bits, 5e-4 at 4 and "
            "3, 1e-3 below)",
            "freeze": "embeddings, which stay on their grid",
            "average": "of the weights, as in `invoke train` (default: 0, the last weights)",
        },
        "Fine points": STUDENT_FINE_POINTS
        | {"warmup": "share of the steps in which the rate rises; then it falls (default: 0.05)"},
        "Seeds side by side": JOBS_HELP,
        "Output": {"json": JSON_HELP},
    },
    iterable=["text", "data"],
)
def qat(
    _: Context,
    model: str | None = None,
    recipe: str | None = None,
    text: list[str] | None = None,
    data: list[str] | None = None,
    name: str | None = None,
    out: str | None = None,
    width: str | None = None,
    chain: str | None = None,
    chain_epochs: str | None = None,
    wide_layers: str | None = None,
    wide: str | None = None,
    table_bits: str | None = None,
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
    most_texts: str | None = None,
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
    """Train a model on the integers that its file will have: it learns to answer as in float.

    No labels are needed. Its folder holds weights that lie on the grid of the recipe, and the file
    that is built of it has these very integers; the same command again goes on where it stopped.

    Example: invoke qat --recipe wi4c_afp32 --text corpus.txt --name small4
    Example: invoke qat --recipe wi2c_afp32 --model build/checkpoints/banking \
--data banking77.csv:text=text,label=category --name banking2
    Example: invoke build --profile pixel --recipes wi4c_afp32 --model build/checkpoints/small4
    """
    from edge_bert.pipeline.train.options import QatOptions
    from edge_bert.pipeline.train.qat.qat_model import quantize_model

    run_training(parse_options(QatOptions, locals()), quantize_model, json=json)
