"""What quantization-aware training did, in lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_bert.records.training import TrainingRun


def describe_quantization(run: TrainingRun) -> list[str]:
    """The stages of a run and the integers of its file; nothing of another run."""
    if run.quantization is None:
        return []
    from edge_bert.report.qat_words import tell_quantization

    return tell_quantization(run.quantization)
