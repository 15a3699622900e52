"""The rows of the training benchmark: which command makes a model, and what it is held against.

Words in braces are filled in: the splits' files, and the models of other rows with seed 0.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingRow:
    """A model to train. `reference` is the row of the model it is compared with, of seed 0.

    Weights that were trained for a `recipe` are scored in its file, others in float, those with
    exits by their rule.
    """

    title: str
    dataset: str
    command: str
    reference: str | None = None
    recipe: str | None = None

    @property
    def has_exits(self) -> bool:
        """Whether the command gives a model exits."""
        return self.command.startswith("exits ")


SOURCE = "source"  # the model that edge-bert takes by default, as it is
BANKING = "--data {banking77} --held-out 0.05"
TEXTS = "--text {texts} --held-out 0.02"
STUDENT = f"{TEXTS} --learning-rate 5e-4 --epochs 5"
MANY = f"{TEXTS} --learning-rate 3e-4 --epochs 1"
ALONE = "--soft-targets 0 --hidden 0 --relations 0 --label-weight 1"


# How structures of a super-network are trained alone, by `invoke distill --structure`.
ALONE_COMMANDS = {
    "banking77-many": f"--teacher {{model:banking77}} {BANKING}",
    "stsb-many": MANY,
}


def _quantized(title: str, recipe: str, more: str = "") -> TrainingRow:
    """An embedding on the integers of a recipe's file, taught by the source on texts alone."""
    return TrainingRow(title, "stsb", f"qat --recipe {recipe} {TEXTS} {more}", SOURCE, recipe)


def _quantized_classifier(title: str, recipe: str, more: str = "", epochs: int = 6) -> TrainingRow:
    """The fine-tuned banking77 model on the integers of a recipe's file."""
    command = f"qat --model {{model:banking77}} --recipe {recipe} {BANKING} --epochs {epochs}{more}"
    return TrainingRow(title, "banking77", command, "banking77", recipe)


def _with_exits(title: str, dataset: str, after: str, more: str) -> TrainingRow:
    """A fine-tuned classifier with exits, held against itself without."""
    command = f"exits --model {{model:{dataset}}} --after {after} --held-out 0.05 {more}"
    return TrainingRow(title, dataset, f"{command} --data {{{dataset}}}", dataset)


def _embedding_exits(agreement: str) -> TrainingRow:
    """The source with exits of its own, held against itself without."""
    title = f"embedding, exits at {agreement}, heads alone"
    command = f"exits --after 2,4 --joint-epochs 0 --agreement {agreement} --text {{few_texts}}"
    return TrainingRow(title, "stsb", command, SOURCE)


ROWS = {
    "banking77": TrainingRow("banking77, fine-tuned", "banking77", f"train {BANKING}"),
    "sst2": TrainingRow("sst2, fine-tuned", "sst2", "train --data {sst2} --held-out 0.05"),
    "clinc150": TrainingRow(
        "clinc150, fine-tuned", "clinc150", "train --data {clinc150} --held-out 0.05"
    ),
    "banking77-3": TrainingRow(
        "banking77, 3 layers, distilled",
        "banking77",
        f"distill --teacher {{model:banking77}} --layers 3 {BANKING}",
        "banking77",
    ),
    "banking77-3-alone": TrainingRow(
        "banking77, 3 layers, the same start without a teacher",
        "banking77",
        f"distill --teacher {{model:banking77}} --layers 3 {BANKING} {ALONE}",
        "banking77",
    ),
    "banking77-pruned": TrainingRow(
        "banking77, half of the neurons, two thirds of the heads",
        "banking77",
        f"prune --model {{model:banking77}} --neurons 50% --heads 67% {BANKING}",
        "banking77",
    ),
    "banking77-many": TrainingRow(
        "banking77, one model for many sizes",
        "banking77",
        f"supernet --model {{model:banking77}} {BANKING}",
        "banking77",
    ),
    "stsb-many": TrainingRow(
        "embedding, one model for many sizes", "stsb", f"supernet {MANY}", SOURCE
    ),
    "stsb-3": TrainingRow(
        "embedding, 3 layers", "stsb", f"distill --layers 3 {STUDENT}", SOURCE
    ),
    "stsb-2": TrainingRow(
        "embedding, 2 layers", "stsb", f"distill --layers 2 {STUDENT}", SOURCE
    ),
    "stsb-pruned": TrainingRow(
        "embedding, half of the neurons, two thirds of the heads",
        "stsb",
        f"prune --neurons 50% --heads 67% {TEXTS}",
        SOURCE,
    ),
    "stsb-half": TrainingRow(
        "embedding, half of the neurons, half of the heads",
        "stsb",
        f"prune --neurons 50% --heads 50% {TEXTS}",
        SOURCE,
    ),
    "stsb-wi8": _quantized("embedding, int8 throughout", "wi8_ai8", "--most-texts 20000"),
    "stsb-wi4c": _quantized("embedding, 4 bits", "wi4c_afp32"),
    "stsb-wi2c": _quantized("embedding, 2 bits", "wi2c_afp32", "--most-texts 25000"),
    "stsb-ternary": _quantized("embedding, ternary", "wi2c_afp32", "--width ternary"),
    "stsb-binary": _quantized("embedding, binary", "wi2c_afp32", "--width binary"),
    "banking77-wi2c": _quantized_classifier("banking77, 2 bits", "wi2c_afp32"),
    "banking77-wi2c-table2": _quantized_classifier(
        "banking77, 2 bits, codebooks for words", "wi2c_afp32", " --table-bits 2"
    ),
    "sst2-exits": _with_exits("sst2, exits", "sst2", "1,2,3,4,5", "--agreement 0.97"),
    "sst2-exits-heads": _with_exits(
        "sst2, exits, heads alone", "sst2", "1,2,3,4,5", "--agreement 0.97 --joint-epochs 0"
    ),
    "banking77-exits": _with_exits("banking77, exits", "banking77", "2,4", "--agreement 0.99"),
    "banking77-exits-heads": _with_exits(
        "banking77, exits, heads alone", "banking77", "2,4", "--agreement 0.99 --joint-epochs 0"
    ),
    "stsb-exits-heads": _embedding_exits("0.9"),
    "stsb-exits-heads-80": _embedding_exits("0.8"),
    "stsb-exits-heads-95": _embedding_exits("0.95"),
    "banking77-wi4c-ai8": _quantized_classifier(
        "banking77, 4-bit weights, int8", "wi4c_ai8", epochs=4
    ),
}  # fmt: skip
