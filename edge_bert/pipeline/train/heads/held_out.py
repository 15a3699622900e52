"""The score of held-out data: the first that the kind of data has, as `build` gives it."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from edge_bert.compress.train.batches import TokenizedTexts
from edge_bert.compress.train.fine_tune import HeldOut, RunTexts
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.tokenizing import Tokenizer, Window
from edge_bert.evaluate.outputs import finish_outputs
from edge_bert.pipeline.build.scoring.score_labels import check_data, score_model
from edge_bert.pipeline.build.scoring.score_tokens import score_tokens
from edge_bert.pipeline.train.labels import join_windows, tokenize_texts
from edge_bert.records.checkpoint import FloatArray, Head

METRICS = {
    "classes": "accuracy",
    "labels": "mean_average_precision",
    "number": "spearman",
    "tags": "entity_f1",
    "span": "exact_match",
    "embedding": "spearman",
}


def hold_out(data: EvaluationSet, tokenizer: Tokenizer, head: Head, kind: str) -> HeldOut:
    """Held-out data and their score on a head of a kind. Raises DataError where they have none."""
    check_data(data, head)

    @functools.cache
    def tokenize(texts: tuple[str, ...], seconds: tuple[str, ...]) -> TokenizedTexts:
        return tokenize_texts(tokenizer, texts, seconds)

    def score_texts(run: RunTexts) -> float:
        def outputs_of(texts: Sequence[str], seconds: Sequence[str] | None) -> FloatArray:
            return finish_outputs(run(tokenize((*texts,), (*(seconds or ()),))), head)

        return score_model(data, head, outputs_of)[0].value

    def score_rows(run: RunTexts) -> float:
        def rows_of(windows: Sequence[Window]) -> list[FloatArray]:
            texts = join_windows(windows, tokenizer.pad_id)
            return np.split(run(texts), texts.starts[1:-1])

        return score_tokens(data, head, tokenizer, rows_of)[0].value

    return HeldOut(METRICS[kind], score_rows if head.gives_tokens else score_texts)
