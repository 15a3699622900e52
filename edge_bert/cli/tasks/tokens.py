"""The task that lets a model go on with fewer tokens."""

from __future__ import annotations

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import JSON_HELP, MODEL_HELP, parse_options
from edge_bert.cli.run_training import run_training
from edge_bert.cli.training_help import (
    LOOP_HELP,
    STUDENT_FINE_POINTS,
    TEXT_HELP,
    TRAINED_OUT_HELP,
)

LEARNS = ("freeze", "held-out", "patience", "seed", "seeds", "threads")


@command(
    options={
        "Model and texts": {
            "model": MODEL_HELP,
            "data": "labelled data, whose labels a classifier also learns from; repeatable",
            "text": TEXT_HELP,
            "name": "what the model with fewer tokens is called, and its folder",
            "out": TRAINED_OUT_HELP,
        },
        "Which tokens go on": {
            "after": "layers after which tokens are left out, in rising order, as in 2,4",
            "keep": "share of the WHOLE text that goes on after each of them, as in 70%,50%; the "
            "first token always does, then those that received most attention",
        },
        "Recovery, with texts": {
            "epochs": "passes over the texts; 0 trains nothing, and scores the cuts where there "
            "are texts (default: 2)",
            "batch-size": "texts of a step (default: 64)",
            "learning-rate": "of the encoder's layers (default: 3e-4)",
            **{name: text for name, text in LOOP_HELP.items() if name in LEARNS},
        },
        "Fine points": STUDENT_FINE_POINTS,
        "Output": {"json": JSON_HELP},
    },
    iterable=["data", "text"],
)
def tokens(
    _: Context,
    data: list[str] | None = None,
    text: list[str] | None = None,
    name: str | None = None,
    model: str | None = None,
    out: str | None = None,
    after: str | None = None,
    keep: str | None = None,
    epochs: str | None = None,
    batch_size: str | None = None,
    learning_rate: str | None = None,
    freeze: str | None = None,
    held_out: str | None = None,
    patience: str | None = None,
    seed: str | None = None,
    seeds: str | None = None,
    threads: str | None = None,
    head_rate: str | None = None,
    warmup: str | None = None,
    weight_decay: str | None = None,
    smoothing: str | None = None,
    split_seed: str | None = None,
    json: bool = False,
) -> None:
    """Go on with fewer tokens after some layers: less work on long texts, in the same file.

    Each layer's attention says which tokens the next ones read; pooling reads those that are left.
    The model learns to answer as it did with all of them. Length buckets have taken what padding
    cost already: the longer your texts are, the more is left to gain (docs/training.md). The
    folder serves as --model for float and hybrid files; what needs every token, full integers,
    exits and ONNX are refused.

    Example: invoke tokens --after 2,4 --keep 70%,50% --text sentences.txt --name fewer
    Example: invoke tokens --model build/checkpoints/banking --after 3 --keep 50% \
--data banking77.csv:text=text,label=category --name banking-fewer
    Example: invoke tokens --after 3 --keep 50% --epochs 0 --text sentences.txt --name untrained
    """
    from edge_bert.pipeline.train.options import TokensOptions
    from edge_bert.pipeline.train.tokens.cut_model import cut_model

    run_training(parse_options(TokensOptions, locals()), cut_model, json=json)
