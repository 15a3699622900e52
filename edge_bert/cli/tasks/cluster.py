"""The task that clusters weights."""

from __future__ import annotations

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import JSON_HELP, MODEL_HELP, parse_options
from edge_bert.cli.run_training import run_training
from edge_bert.cli.training_help import TRAINED_OUT_HELP


@command(
    options={
        "Model": {
            "model": MODEL_HELP,
            "name": "what the clustered model is called, and its folder",
            "out": TRAINED_OUT_HELP,
        },
        "How": {
            "centroids": "at most so many integers in each matrix and in the word table, 2 to 255 "
            "(default: 32)",
            "entropy": "what a bit of a weight is worth, as a share of the weights' mean square: "
            "0.003 packs a little tighter, 0.01 costs accuracy (default: 0)",
        },
        "Output": {"json": JSON_HELP},
    },
)
def cluster(
    _: Context,
    model: str | None = None,
    name: str | None = None,
    out: str | None = None,
    centroids: str | None = None,
    entropy: str | None = None,
    json: bool = False,
) -> None:
    """Leave few distinct integers in the weights: the file stays as large, its download shrinks.

    The folder's matrices lie on the int8 grid of wi8_afp32, and a build keeps their integers. The
    file that runs has the same form and speed; the sizes as an app ships it are printed.

    Example: invoke cluster --centroids 32 --name clustered
    Example: invoke cluster --model build/checkpoints/banking --entropy 0.003 --name small-download
    """
    from edge_bert.pipeline.train.cluster.cluster_model import cluster_model
    from edge_bert.pipeline.train.options import ClusterOptions

    run_training(parse_options(ClusterOptions, locals()), cluster_model, json=json)
