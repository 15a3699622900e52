"""The task that gives a model exits between its layers."""

from __future__ import annotations

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import JSON_HELP, MODEL_HELP, parse_options
from edge_bert.cli.run_training import run_training
from edge_bert.cli.training_help import FINE_POINTS, LOOP_HELP, TEXT_HELP, TRAINED_OUT_HELP

LEARNS = ("learning-rate", "freeze", "patience", "seed", "seeds", "threads")


@command(
    options={
        "Model and texts": {
            "model": MODEL_HELP,
            "after": "exits after so many layers, in rising order, as in 2,4",
            "data": "labelled data, whose texts the exits learn on, a classifier's with the labels "
            "too; repeatable (docs/data.md)",
            "text": TEXT_HELP,
            "name": "what the model with exits is called, and its folder",
            "out": TRAINED_OUT_HELP,
        },
        "When texts leave": {
            "agreement": "share of held-out texts that must get the whole model's class, of "
            "embeddings the mean cosine to its vectors (default: 0.99)",
            "rule": "confidence (the most probable class is probable enough) or patience (exits in "
            "a row agree, PABEE); by default both are tried and the better one is stored",
        },
        "Training": {
            "epochs": "passes over the texts for the heads alone, seconds each (default: 10)",
            "joint-epochs": "passes for heads and body together, as long as those of train; 0 "
            "leaves the body as it is, as weights on a grid always are, and so does a loss of more "
            "than 0.5 points of the whole model's held-out score (default: 2)",
            "head-neurons": "of the hidden layer in a classifier's exits; 0 for none (default: as "
            "many as the rows have channels)",
            "batch-size": "texts of a step (default: 64)",
            "held-out": "share of the texts that thresholds are found on and that nothing trains "
            "on (default: that of the model's own training, else 0.1)",
            **{name: text for name, text in LOOP_HELP.items() if name in LEARNS},
        },
        "Fine points": FINE_POINTS,
        "Output": {"json": JSON_HELP},
    },
    iterable=["data", "text"],
)
def exits(
    _: Context,
    data: list[str] | None = None,
    text: list[str] | None = None,
    name: str | None = None,
    model: str | None = None,
    after: str | None = None,
    out: str | None = None,
    agreement: str | None = None,
    rule: str | None = None,
    epochs: str | None = None,
    joint_epochs: str | None = None,
    head_neurons: str | None = None,
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
    """Let easy texts leave a model early: heads between its layers, and a rule when to stop.

    The heads learn to answer as the whole model does; then held-out texts say how sure an exit must
    be so that its answers agree with the whole model's as often as you ask. The folder serves as
    --model everywhere, and answers as a whole where nobody asks for exits.

    Example: invoke exits --model build/checkpoints/banking --after 2,4 \
--data banking77.csv:text=text,label=category --name banking-exits
    Example: invoke exits --model build/checkpoints/sentiment --after 1,2,3,4,5 --joint-epochs 0 \
--agreement 0.985 --data sst2:train.tsv --name sentiment-exits
    Example: invoke exits --after 3 --text sentences.txt --agreement 0.97 --name embedding-exits
    """
    from edge_bert.pipeline.train.exits.exits_model import add_exits
    from edge_bert.pipeline.train.options import ExitsOptions

    run_training(parse_options(ExitsOptions, locals()), add_exits, json=json)
