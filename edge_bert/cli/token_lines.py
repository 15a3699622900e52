"""What cuts of tokens give, in lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_bert.records.training import TrainingRun


def describe_tokens(run: TrainingRun) -> list[str]:
    """The cuts and the work that is left of each length; nothing of another run."""
    if run.tokens is None:
        return []
    from edge_bert.report.token_words import list_work, tell_tokens

    rows = [
        f"{length} tokens: {left} of {whole} multiply-adds, {share}"
        for length, left, whole, share in list_work(run.tokens)
    ]
    return [*tell_tokens(run.tokens), *rows]
