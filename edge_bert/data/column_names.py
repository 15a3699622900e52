"""The usual names of columns in labelled data, in lower case."""

from __future__ import annotations

TEXT_NAMES = ("text", "sentence", "question", "query")
PAIR_NAMES = (
    ("sentence1", "sentence2"),
    ("text1", "text2"),
    ("question1", "question2"),
    ("premise", "hypothesis"),
)
PASSAGE_NAMES = ("passage", "document", "doc")
SCORE_NAMES = ("score", "similarity", "similarity_score")
RELEVANCE_NAMES = ("label", "relevance", "score")
LABEL_NAMES = ("label", "labels", "category", "intent", "class")
# Texts that a calibration set takes, beside those that are labelled.
OTHER_TEXTS = ("context", "anchor", "positive", "negative")
TEXT_COLUMNS = frozenset(
    (*TEXT_NAMES, *(name for pair in PAIR_NAMES for name in pair), *PASSAGE_NAMES, *OTHER_TEXTS)
)
