"""The task that prunes."""

from __future__ import annotations

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import JSON_HELP, MODEL_HELP, PROFILE_HELP, parse_options
from edge_bert.cli.run_training import run_training
from edge_bert.cli.training_help import (
    JOBS_HELP,
    STUDENT_FINE_POINTS,
    TEXT_HELP,
    TRAINED_OUT_HELP,
    add_loop_help,
)


@command(
    options={
        "Model and texts": {
            "model": MODEL_HELP,
            "data": "labelled data, whose labels a classifier also learns from; repeatable",
            "text": TEXT_HELP,
            "name": "what the pruned model is called, and its folder",
            "out": TRAINED_OUT_HELP,
        },
        "What is kept (one of the three groups)": {
            "neurons": "share of the feed-forward neurons that is KEPT, over all layers: 50%",
            "heads": "share of the attention heads that is KEPT, over all layers: 67%",
            "layers": "how many layers are KEPT",
            "max-latency": "shares of both that meet a latency on --profile, as in 5ms",
            "profile": PROFILE_HELP,
            "sparsity": "share of the blocks in the layers' matrices that become ZEROS: 80%; a "
            "smaller download, not a faster model, as no runtime here skips zeros",
            "block": "outputs x inputs of a block (default: 1x16)",
        },
        "How": add_loop_help(
            {
                "importance": "obs: error after the refit (default); fisher: curvature on texts; "
                "taylor: gradient on labels",
                "steps": "cuts, each followed by recovery (default: 4)",
                "epochs": "of recovery after each cut (default: 1)",
                "final-epochs": "of recovery after the last cut (default: 2)",
                "batch-size": "texts of a step of training (default: 64)",
                "learning-rate": "of the encoder's layers (default: 3e-4)",
                "average": "of the weights, as in `invoke train` (default: 0, the last weights)",
            }
        ),
        "Fine points": STUDENT_FINE_POINTS,
        "Seeds side by side": JOBS_HELP,
        "Output": {"json": JSON_HELP},
    },
    iterable=["data", "text"],
)
def prune(
    _: Context,
    data: list[str] | None = None,
    text: list[str] | None = None,
    name: str | None = None,
    model: str | None = None,
    out: str | None = None,
    neurons: str | None = None,
    heads: str | None = None,
    layers: str | None = None,
    max_latency: str | None = None,
    profile: str | None = None,
    sparsity: str | None = None,
    block: str | None = None,
    importance: str | None = None,
    steps: str | None = None,
    epochs: str | None = None,
    final_epochs: str | None = None,
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
    """Prune heads, neurons or layers in steps; after each the model learns from its whole self.

    Its folder then serves as --model everywhere. The same command again goes on where it was
    stopped. Texts like those of the application matter more than many of them.

    Example: invoke prune --neurons 50% --heads 67% --text sentences.txt --name pruned
    Example: invoke prune --max-latency 5ms --profile pixel-9 --text sentences.txt --name fast
    Example: invoke prune --sparsity 80% --model build/checkpoints/banking --data FILE.csv --name s
    """
    from edge_bert.pipeline.train.options import PruneOptions
    from edge_bert.pipeline.train.prune.prune_model import prune_model

    run_training(parse_options(PruneOptions, locals()), prune_model, json=json)
