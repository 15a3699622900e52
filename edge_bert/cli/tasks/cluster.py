"""The task that clusters weights."""

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

LEARNS = ("held-out", "patience", "seed", "threads")


@command(
    options={
        "Model and texts": {
            "model": MODEL_HELP,
            "data": "labelled data, on whose texts the centroids are fine-tuned, a classifier's on "
            "the labels too; repeatable",
            "text": TEXT_HELP,
            "name": "what the clustered model is called, and its folder",
            "out": TRAINED_OUT_HELP,
        },
        "How": {
            "centroids": "at most so many integers in each matrix and in the word table, 2 to 255 "
            "(default: 32)",
            "entropy": "what a bit of a weight is worth, as a share of the weights' mean square, "
            "such as 0.003: the more, the fewer bits and the greater the error (default: 0)",
        },
        "Fine-tuning, with texts": {
            **{name: text for name, text in LOOP_HELP.items() if name in LEARNS},
            "epochs": "passes over the texts (default: 1)",
            "batch-size": "texts of a step (default: 64)",
            "learning-rate": "of centroids, scales, biases and LayerNorms (default: 3e-4)",
        },
        "Fine points": STUDENT_FINE_POINTS,
        "Output": {"json": JSON_HELP},
    },
    iterable=["data", "text"],
)
def cluster(
    _: Context,
    data: list[str] | None = None,
    text: list[str] | None = None,
    name: str | None = None,
    model: str | None = None,
    out: str | None = None,
    centroids: str | None = None,
    entropy: str | None = None,
    epochs: str | None = None,
    batch_size: str | None = None,
    learning_rate: str | None = None,
    held_out: str | None = None,
    patience: str | None = None,
    seed: str | None = None,
    threads: str | None = None,
    head_rate: str | None = None,
    warmup: str | None = None,
    weight_decay: str | None = None,
    smoothing: str | None = None,
    split_seed: str | None = None,
    json: bool = False,
) -> None:
    """Leave few distinct integers in the weights: the file stays as large, its download shrinks.

    The folder's matrices lie on the int8 grid of wi8_afp32, and a build keeps their integers. The
    file that runs has the same form and speed; the sizes as an app ships it are printed. With texts
    the clustered model learns to answer as the whole one did, and no weight leaves its cluster.

    Example: invoke cluster --centroids 32 --name clustered
    Example: invoke cluster --text sentences.txt --name tuned
    Example: invoke cluster --model build/checkpoints/banking --entropy 0.003 --name small-download
    """
    from edge_bert.pipeline.train.cluster.cluster_model import cluster_model
    from edge_bert.pipeline.train.options import ClusterOptions

    run_training(parse_options(ClusterOptions, locals()), cluster_model, json=json)
