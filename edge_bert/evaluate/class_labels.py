"""Labels in whatever spelling other programs write them, as numbers of a model's classes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NoReturn, TypeVar

import numpy as np
import numpy.typing as npt

from edge_bert.errors import DataError
from edge_bert.evaluate.spelling import fold_name
from edge_bert.records.checkpoint import Head
from edge_bert.text import parse_whole_number

Label = float | str
Key = TypeVar("Key")
_TRUTH = {"true": 1, "yes": 1, "false": 0, "no": 0}
_TRANSFORMERS_NAME = re.compile(r"label[ _]([0-9]{1,9})", re.I)
_DIGITS = re.compile(r"[0-9]{1,9}")


def match_labels(
    dataset: str, labels: Sequence[Label], head: Head, label_names: Sequence[str] = ()
) -> npt.NDArray[np.int64]:
    """The number [n] of the class that each label is.

    A label is a name of `head` (case and separators aside), `LABEL_1` as transformers names
    classes without names, or a number, also as 1.0, true or false. `label_names` are the data's own
    names of its numbers: where these are the model's, they count, because the order may differ.
    Raises DataError for a label that the model does not have, and where a number may be two.
    """
    names = _ClassNames(dataset, head.labels)
    spelled = [_spell(label) for label in labels]
    own_names = _own_names(names, spelled, label_names)
    if own_names:
        spelled = [own_names.get(text, text) for text in spelled]
    numbers = names.number_all(set(spelled))
    return np.asarray([numbers[text] for text in spelled], np.int64)


def _spell(label: Label) -> str:
    if not isinstance(label, str) and float(label).is_integer():
        return str(int(label))
    return str(label).strip()


def _own_names(
    names: _ClassNames, spelled: Sequence[str], label_names: Sequence[str]
) -> dict[str, str]:
    """The data's names by their numbers, where they are the model's names; else nothing."""
    own = {str(number): name for number, name in enumerate(label_names)}
    used = {own[text] for text in spelled if text in own}
    matched = {name for name in used if names.by_name(name) is not None}
    if matched and matched != used:
        names.refuse(used - matched)
    return own if matched else {}


class _ClassNames:
    """The names of a model's classes, and what other programs write for them."""

    def __init__(self, dataset: str, names: Sequence[str]) -> None:
        self._dataset, self._names = dataset, names
        self._exact = {name: number for number, name in enumerate(names)}
        self._folded = _group_by(names, fold_name)
        self._truths = _group_by(names, lambda name: _TRUTH.get(fold_name(name)))

    def number_all(self, labels: Iterable[str]) -> dict[str, int]:
        """The number of each label. All labels that are numbers are read in the same way."""
        digits = {
            text: number for text in labels if (number := parse_whole_number(text)) is not None
        }
        words = {text: self._number_of(text) for text in labels if text not in digits}
        numbers: dict[str, int | None] = {**words, **self._read_digits(digits)}
        unknown = {text for text, number in numbers.items() if number is None}
        if unknown:
            self.refuse(unknown)
        return {text: number for text, number in numbers.items() if number is not None}

    def by_name(self, label: str) -> int | None:
        """The class of this name; None if there is none. Raises DataError if there are two."""
        if label in self._exact:
            return self._exact[label]
        number = parse_whole_number(label)
        similar = self._folded.get(fold_name(label if number is None else str(number)), [])
        if len(similar) > 1:
            choices = " or ".join(repr(self._names[index]) for index in similar)
            raise DataError(
                f"{self._dataset}: the label {label!r} may be {choices}; write it as the "
                "model does."
            )
        return similar[0] if similar else None

    def refuse(self, labels: Iterable[str]) -> NoReturn:
        """Raise DataError for labels that the model does not have."""
        raise DataError(
            f"{self._dataset}: labels {', '.join(sorted(labels)[:3])} are not among the model's "
            f"({', '.join(self._names[:5])}{', …' if len(self._names) > 5 else ''})."
        )

    def _number_of(self, label: str) -> int | None:
        number = self.by_name(label)
        if number is not None:
            return number
        match = _TRANSFORMERS_NAME.fullmatch(label)
        if match:
            return self._in_range(int(match[1]))
        truth = _TRUTH.get(label.lower())
        if truth is None:
            return None
        if set(self._truths) - {None}:
            named = self._truths.get(truth, [])
            return named[0] if len(named) == 1 else None
        return truth if len(self._names) == 2 and label.lower() in ("true", "false") else None

    def _in_range(self, number: int) -> int | None:
        return number if 0 <= number < len(self._names) else None

    def _read_digits(self, digits: Mapping[str, int]) -> dict[str, int | None]:
        """Numbers as names where the model's names are numbers, else as numbers of classes.

        A name with a number in it, such as `2 stars`, may be meant by its number as well.
        """
        by_name = {text: self.by_name(text) for text in digits}
        if None not in by_name.values():
            return by_name
        if set(by_name.values()) != {None}:
            names = [text for text, number in by_name.items() if number is not None]
            raise DataError(
                f"{self._dataset}: its label {min(names)} is the name of a class, its label "
                f"{min(set(digits) - set(names))} is not; write the names of the classes."
            )
        by_number = {text: self._in_range(number) for text, number in digits.items()}
        in_names = self._numbers_in_names()
        by_digits = {text: in_names.get(number) for text, number in digits.items()}
        if None in by_digits.values() or by_digits == by_number:
            return by_number
        if None not in by_number.values():
            self._refuse_digits(by_number, by_digits)
        return by_digits

    def _refuse_digits(
        self, by_number: Mapping[str, int | None], by_digits: Mapping[str, int | None]
    ) -> NoReturn:
        label = min(text for text in by_number if by_number[text] != by_digits[text])
        numbers = (by_number[label], by_digits[label])
        choices = " or ".join(repr(self._names[number]) for number in numbers if number is not None)
        raise DataError(
            f"{self._dataset}: the label {label} may be {choices}; write the names of the classes."
        )

    def _numbers_in_names(self) -> dict[int, int]:
        """The class by the one number in its name; nothing where some name has none or many."""
        digits = [_DIGITS.findall(name) for name in self._names]
        if any(len(numbers) != 1 for numbers in digits):
            return {}
        return {int(numbers[0]): index for index, numbers in enumerate(digits)}


def _group_by(names: Sequence[str], key: Callable[[str], Key]) -> dict[Key, list[int]]:
    groups: dict[Key, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        groups[key(name)].append(index)
    return dict(groups)
