"""What a loop trains, and how it is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.compress.prune.block_sparsity import SparsitySchedule
from edge_bert.compress.train.backends.choose_backend import Objective
from edge_bert.compress.train.batches import (
    Array,
    BatchPlan,
    Targets,
    TokenizedTexts,
    stack_batch,
    stack_inputs,
)


@dataclass(frozen=True)
class TrainingTask:
    """What a loop trains: a Keras encoder on texts and targets, and how it is judged.

    `score` gives the held-out score of the weights that the model has; higher is better; `metric`
    names it. Weights before the end of `sparsity`'s schedule are never the best. Where a target is
    of two texts, `second` has the second ones. `draw` gives further arrays of a batch, the same for
    the same plan, so that a run that goes on draws what it would have drawn.
    """

    model: Any
    input_names: Sequence[str]
    texts: TokenizedTexts
    targets: Targets
    objective: Objective
    score: Callable[[], float]
    metric: str
    sparsity: SparsitySchedule | None = None
    second: TokenizedTexts | None = None
    draw: Callable[[BatchPlan], Mapping[str, Array]] | None = None

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """The tokens of each text, or of the longer one of a pair, [n]."""
        lengths = self.texts.lengths
        return lengths if self.second is None else np.maximum(lengths, self.second.lengths)

    def stack(self, plan: BatchPlan, batch_size: int) -> dict[str, Array]:
        """The arrays of a batch; the inputs of second texts stand behind those of the first."""
        names = self.input_names
        batch = stack_batch(self.texts, self.targets, plan, batch_size, names)
        if self.draw is not None:
            batch |= self.draw(plan)
        if self.second is None:
            return batch
        second = stack_inputs(self.second, plan, batch_size, names)
        return batch | {name: np.concatenate([batch[name], second[name]]) for name in names}
