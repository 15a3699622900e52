"""The texts that a student is taught on: those of labelled data and of files of sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_bert.compress.train.batches import TokenizedTexts, spread_rows
from edge_bert.compress.train.examples import split_rows
from edge_bert.data.calibration import digest_sentences
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.sentence_files import clean_sentences, name_source, read_sentences
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.errors import DataError, InputError
from edge_bert.evaluate.class_labels import match_labels
from edge_bert.pipeline.train.labels import tokenize_texts
from edge_bert.records.checkpoint import Head, Task
from edge_bert.records.training import DataUsed

NO_LABEL = -1
Text = tuple[str, str]  # a text alone has an empty second one


@dataclass(frozen=True)
class Corpus:
    """Distinct texts, or pairs of texts where `second` is not empty.

    `labels` [n] int32 are places among the classes of a head, NO_LABEL where a text has none.
    `origins` [n] say which of `sources` a text came from first.
    """

    sentences: tuple[str, ...]
    second: tuple[str, ...]
    labels: npt.NDArray[np.int32]
    origins: npt.NDArray[np.int32]
    sources: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sentences)

    @property
    def has_labels(self) -> bool:
        """Whether any text has a label."""
        return bool((self.labels != NO_LABEL).any())

    def select(self, rows: npt.NDArray[np.int64]) -> Corpus:
        """Some of the texts, in the order of `rows`."""
        return Corpus(
            sentences=tuple(self.sentences[row] for row in rows),
            second=tuple(self.second[row] for row in rows) if self.second else (),
            labels=self.labels[rows],
            origins=self.origins[rows],
            sources=self.sources,
        )

    def tokenize(self, tokenizer: Tokenizer) -> TokenizedTexts:
        """The texts as training takes them."""
        return tokenize_texts(tokenizer, self.sentences, self.second)


def read_corpus(data: Sequence[str], texts: Sequence[str], head: Head) -> Corpus:
    """The distinct texts of references to labelled data and of files of sentences, in their order.

    For a classifier the labels are those of its `head`, and a pair is one input; for another head
    there are no labels, and each side of a pair is a text. Raises InputError for no texts, and
    DataError for what cannot be read, for labels that the head does not have, and for texts beside
    pairs where these are one input.
    """
    if not data and not texts:
        raise InputError("Neither --data nor --text is given; give texts to learn from.")
    classifies = head.task is Task.CLASSIFICATION
    rows: dict[Text, tuple[int, int]] = {}
    names: list[str] = []
    for reference in data:
        read = parse_reference(reference)
        labelled = _list_examples(read, head) if classifies else _list_sentences(read)
        _add_texts(rows, labelled, len(names))
        names.append(read.name)
    for spec in texts:
        _add_texts(rows, (((text, ""), NO_LABEL) for text in read_sentences(spec)), len(names))
        names.append(name_source(spec))
    _check_pairs(rows, names)
    labels, origins = np.array(list(rows.values()), np.int32).reshape(-1, 2).T
    second = tuple(text[1] for text in rows)
    return Corpus(
        sentences=tuple(text[0] for text in rows),
        second=second if any(second) else (),
        labels=labels,
        origins=origins,
        sources=tuple(names),
    )


def split_corpus(
    corpus: Corpus, held_out: float, seed: int, most: int = 0
) -> tuple[Corpus, Corpus]:
    """The texts that are trained on, and the share that is held out; see `split_rows`.

    Where `most` is not 0, at most so many are trained on, evenly spread over all. Raises InputError
    for less than 0.
    """
    if most < 0:
        raise InputError(f"--most-texts {most}: give how many texts are learned at most.")
    trained, held = split_rows(corpus.sentences, held_out, seed)
    if most:
        trained = trained[spread_rows(len(trained), most)]
    return corpus.select(trained), corpus.select(held)


def describe_corpus(trained: Corpus, held_out: Corpus) -> tuple[DataUsed, ...]:
    """For every source its texts, and the digest of those that are trained on."""
    return tuple(
        DataUsed(
            source=source,
            count=int((trained.origins == index).sum() + (held_out.origins == index).sum()),
            held_out=int((held_out.origins == index).sum()),
            sha256=digest_sentences(
                f"{first}\t{second}\t{label}"
                for first, second, label, origin in zip(
                    trained.sentences,
                    trained.second or ("",) * len(trained),
                    trained.labels.tolist(),
                    trained.origins.tolist(),
                    strict=True,
                )
                if origin == index
            ),
        )
        for index, source in enumerate(trained.sources)
    )


def _list_sentences(data: EvaluationSet) -> Iterator[tuple[Text, int]]:
    """Each side of a pair alone, as files of sentences are read."""
    for sentence in clean_sentences((*data.sentences, *data.second)):
        yield (sentence, ""), NO_LABEL


def _list_examples(data: EvaluationSet, head: Head) -> Iterator[tuple[Text, int]]:
    """Texts or pairs with the number of their class, where the data has classes."""
    labels: Sequence[int] = (NO_LABEL,) * len(data)
    if data.kind == "labelled" and len(head.labels) > 1 and head.activation == "softmax":
        labels = match_labels(data.name, data.labels, head, data.label_names).tolist()
    second = data.second or ("",) * len(data)
    yield from zip(zip(data.sentences, second, strict=True), labels, strict=True)


def _add_texts(
    rows: dict[Text, tuple[int, int]], texts: Iterator[tuple[Text, int]], origin: int
) -> None:
    """Add texts that are not there yet, and the first label of those that are."""
    for text, label in texts:
        known = rows.setdefault(text, (label, origin))
        if known[0] == NO_LABEL != label:
            rows[text] = (label, known[1])


def _check_pairs(rows: dict[Text, tuple[int, int]], names: Sequence[str]) -> None:
    alone = [origin for (_, second), (_, origin) in rows.items() if not second]
    if alone and len(alone) < len(rows):
        raise DataError(
            f"{names[alone[0]]} has single texts, and other data has pairs; give one kind."
        )
