"""Cuts of tokens in words and figures, the same on a page, a card and a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.records.token_cuts import STEP, CutTokens, TokenCut

WORK_HEAD = ("length in tokens", "multiply-adds", "of the whole model", "left")


def describe_cuts(cuts: Sequence[TokenCut]) -> str | None:
    """The cuts of a bundle's files in a sentence; None where they read all tokens."""
    return tell_cuts(cuts) if cuts else None


def tell_cuts(cuts: Sequence[TokenCut]) -> str:
    """After which layers how many tokens go on, and which, in a sentence."""
    parts = [f"{cut.percent}% of its tokens after layer {cut.after}" for cut in cuts]
    return (
        f"A text goes on with {', '.join(parts)}: its first one and those that received most "
        f"attention, rounded up to a multiple of {STEP}; pooling reads what is left."
    )


def tell_tokens(tokens: CutTokens) -> list[str]:
    """The cuts, what they leave of the texts' work, and what they cost untrained."""
    sentences = [tell_cuts(tokens.cuts)]
    if tokens.unpadded is not None:
        sentences.append(
            f"Of the texts, each at its own length without padding, {tokens.unpadded:.1%} of the "
            "multiply-adds are left (computed)."
        )
    if tokens.score is not None:
        sentences.append(
            f"Nothing was trained after the cuts; the held-out {tokens.metric} is "
            f"{tokens.score:.4f}."
        )
    return sentences


def list_work(tokens: CutTokens) -> list[tuple[str, ...]]:
    """A row of WORK_HEAD for each length bucket."""
    return [
        (
            str(work.length),
            f"{work.left / 1e6:,.1f} M",
            f"{work.whole / 1e6:,.1f} M",
            f"{work.left / work.whole:.1%}",
        )
        for work in tokens.work
    ]
