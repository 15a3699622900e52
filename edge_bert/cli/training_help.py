"""Help of the options that the training tasks share; each task adds its own."""

from __future__ import annotations

from collections.abc import Mapping

TRAINED_OUT_HELP = "folder that trained models are written to (default: build/checkpoints)"
TEXT_HELP = "texts without labels: .txt, FILE.csv:text=COLUMN; repeatable"
THREADS_HELP = "1 makes two runs equal bit by bit (default: all processors)"
SCHEDULER_HELP = (
    "address of a Dask scheduler whose workers train instead, one run at a time each; they must "
    "see the same folders and cache as this machine"
)

LOOP_HELP = {
    "epochs": "at most so many passes over the texts (default: 6)",
    "batch-size": "texts of a step (default: 32)",
    "learning-rate": "of the encoder's layers (default: 2e-4)",
    "freeze": "what stays as it is: embeddings (default: a step takes half the time, and models of "
    "a bundle can share the table), encoder, or nothing",
    "average": "the weights' moving average is scored and kept, to which a step's weights add 1 "
    "less this; 0 keeps the last weights (default: 0.99)",
    "held-out": "share of the texts that is scored and never trained on (default: 0.1)",
    "patience": "epochs without a better score before it stops (default: 3)",
    "seed": "the order of the texts, and what else is drawn (default: 0)",
    "seeds": "do it once for each, as in 0,1,2, and give the mean and the spread",
    "threads": THREADS_HELP,
}
# Of the tasks that train several seeds.
JOBS_HELP = {
    "workers": "processes that train the seeds side by side (default: 1)",
    "scheduler": SCHEDULER_HELP,
}
FINE_POINTS = {
    "head-rate": "how many times the rate of the layers the head's is (default: 10)",
    "warmup": "share of the steps in which the rate rises; then it falls (default: 0.1)",
    "weight-decay": "of matrices; biases and LayerNorms have none (default: 0.01)",
    "smoothing": "of the labels of classes, against too much certainty (default: 0.05)",
    "split-seed": "which texts are held out, the same for all seeds (default: 0)",
}
# Students have the head of their teacher, which has nothing to learn anew.
STUDENT_FINE_POINTS = FINE_POINTS | {
    "head-rate": "how many times the rate of the layers the head's is (default: 1)"
}


def add_loop_help(own: Mapping[str, str]) -> dict[str, str]:
    """The help of a task's `own` options, then of those of the loop that `own` does not explain."""
    return {**own, **{name: text for name, text in LOOP_HELP.items() if name not in own}}


def explain_losses(teacher: str) -> dict[str, str]:
    """The help of the losses that a student learns by; `teacher` is who gives what it learns."""
    return {
        "cosine": f"embeddings: distance to the {teacher}'s vector (default: 1)",
        "similarity": "embeddings: error of the similarities in a batch (default: 20)",
        "dimensions": "embeddings: first channels that serve by themselves, as in 128,64",
        "soft-targets": f"classifiers: divergence from the {teacher}'s classes (default: 0.9)",
        "temperature": "at which these are compared (default: 4)",
        "label-weight": "classifiers: error on the labels, where texts have one (default: 0.1)",
        "hidden": "error of the token vectors after each layer (classifiers: 1)",
        "relations": "divergence of how tokens relate in the last layer (classifiers: 1)",
        "attention": "divergence of the last layer's attention (default: 0)",
    }
