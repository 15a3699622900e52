"""The task that trains one model for many sizes."""

from __future__ import annotations

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import JSON_HELP, MODEL_HELP, parse_options
from edge_bert.cli.run_training import run_training
from edge_bert.cli.training_help import (
    STUDENT_FINE_POINTS,
    TEXT_HELP,
    TRAINED_OUT_HELP,
    add_loop_help,
    explain_losses,
)

# The last layer, whose attention these compare, differs from one sub-network to the next.
NOT_HERE = ("relations", "attention")


@command(
    options={
        "Model and texts": {
            "model": MODEL_HELP,
            "text": TEXT_HELP,
            "data": "labelled data, whose labels a classifier also learns from; repeatable",
            "name": "what the super-network is called, and its folder",
            "out": TRAINED_OUT_HELP,
        },
        "The smallest sub-network": {
            "fewest-layers": "layers that it has (default: half of them)",
            "least-heads": "share of their attention heads that it has (default: 50%)",
            "least-neurons": "share of their feed-forward neurons that it has (default: 25%)",
        },
        "How they learn": add_loop_help(
            {
                "drawn": "random sub-networks of each step, beside the smallest or the whole "
                "model in turn (default: 1)",
                "in-place": "the smaller ones learn what the whole gives in the same step, and not "
                "what the model gave before; each step then has both ends",
                "importance": "by which heads and neurons are sorted: taylor, of labels (default "
                "where there are some); fisher, curvature on texts (default without); obs",
                "batch-size": "texts of a step (default: 64)",
                "learning-rate": "of the encoder's layers (default: 3e-4)",
            }
        ),
        "Losses, by their weight (0 switches one off)": {
            name: text for name, text in explain_losses("model").items() if name not in NOT_HERE
        },
        "Fine points": STUDENT_FINE_POINTS,
        "Output": {"json": JSON_HELP},
    },
    iterable=["data", "text"],
)
def supernet(
    _: Context,
    model: str | None = None,
    text: list[str] | None = None,
    data: list[str] | None = None,
    name: str | None = None,
    out: str | None = None,
    fewest_layers: str | None = None,
    least_heads: str | None = None,
    least_neurons: str | None = None,
    drawn: str | None = None,
    in_place: bool = False,
    importance: str | None = None,
    cosine: str | None = None,
    similarity: str | None = None,
    dimensions: str | None = None,
    soft_targets: str | None = None,
    temperature: str | None = None,
    label_weight: str | None = None,
    hidden: str | None = None,
    epochs: str | None = None,
    batch_size: str | None = None,
    learning_rate: str | None = None,
    average: str | None = None,
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
    """Train one model so that smaller ones can be cut from it, each as good as trained alone.

    A budget of `invoke build --model build/checkpoints/NAME` then chooses among them, without
    training anew for each device. The same command again goes on where it was stopped.

    Example: invoke supernet --text sentences.txt --name many
    Example: invoke supernet --model build/checkpoints/banking --data FILE.csv --name banking-many
    Example: invoke build --profile wear-watch --model build/checkpoints/many --max-latency 20ms
    """
    from edge_bert.pipeline.train.options import SupernetOptions
    from edge_bert.pipeline.train.supernet.supernet_model import train_supernet_model

    run_training(parse_options(SupernetOptions, locals()), train_supernet_model, json=json)
