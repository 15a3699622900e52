"""What may be computed while one ONNX file is read: a few kilobytes can ask for any amount.

A model of real size may ask for more, as its weights stand in proportion to what is computed of
them: transposed, widened from integers, run once with a few tokens.
"""

from __future__ import annotations

from edge_bert.errors import ModelError

MAX_KEPT_BYTES = 512 * 1024 * 1024
KEPT_FOR_STORED = 8  # int8 weights become float32 and are turned
MAX_STEPS = 2**31
STEPS_FOR_STORED = 64
OPERATOR_STEPS = 2**15  # what running one operator costs beside its numbers


class ReadingBudget:
    """What is left for one file that stores `stored` bytes of constants."""

    def __init__(self, stored: int = 0) -> None:
        self._kept = MAX_KEPT_BYTES + KEPT_FOR_STORED * stored
        self._steps = MAX_STEPS + STEPS_FOR_STORED * stored

    def keep(self, size: int) -> None:
        """Count bytes that stand in the graph from now on; ModelError beyond the budget."""
        self._kept -= size
        if self._kept < 0:
            raise ModelError(
                "The ONNX file makes more constants of others than an encoder of its size needs "
                f"(over {MAX_KEPT_BYTES // 1024**2} MB); export it with its constants folded."
            )

    def work(self, steps: int) -> None:
        """Count numbers that are computed; ModelError beyond the budget."""
        self._steps -= steps
        if self._steps < 0:
            raise ModelError(
                "The ONNX file asks for more to be computed than an encoder of its size needs; "
                "export it again, with fewer operators or a dynamic length."
            )
